"""A data set with every attribute of the standard filled, each with a value that can be told apart."""

from __future__ import annotations

import warnings
from typing import Any

from pydicom.datadict import DicomDictionary, dictionary_has_tag, dictionary_VR
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from core.deidentify.profile import basic_profile

CANARY = "KANARIE"
DATE, UID = "19470713", "1.2.826.77.4242424242"
_SHORT = {"AE": 16, "CS": 16, "SH": 16, "LO": 64, "PN": 64, "UC": 64, "UR": 64, "LT": 64, "ST": 64, "UT": 64}
_NUMBERS = {"US", "SS", "UL", "SL", "SV", "UV", "FL", "FD", "AT"}
_BYTES = {"OB", "OW", "UN", "OF", "OL", "OD", "OV"}
_KEPT = {
    *("Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "SamplesPerPixel"),
    *("PhotometricInterpretation", "NumberOfFrames", "PlanarConfiguration", "PixelData", "SpecificCharacterSet"),
    *("FloatPixelData", "DoubleFloatPixelData", "SOPClassUID", "PatientIdentityRemoved", "ImageType"),
    *("DeidentificationMethod", "DeidentificationMethodCodeSequence", "LongitudinalTemporalInformationModified"),
}
"""What holds the picture together, and what says that this was done."""


def word(tag: int, limit: int = 64) -> str:
    return f"{CANARY}{tag:08X}"[:limit]


def uid(tag: int) -> str:
    return f"{UID}.{tag}"


def value(vr: str, tag: int, depth: int = 0) -> Any:
    if vr in _SHORT:
        return word(tag, _SHORT[vr])
    if vr in _NUMBERS:
        return 4242
    if vr in _BYTES:
        return (CANARY * 8).encode()
    match vr:
        case "DA":
            return DATE
        case "DT":
            return f"{DATE}101112"
        case "TM":
            return "101112.4242"
        case "AS":
            return "093Y"
        case "DS" | "IS":
            return "4242"
        case "UI":
            return uid(tag)
        case "SQ":
            return Sequence([nested(depth + 1)])
    raise AssertionError(vr)


def nested(depth: int) -> Dataset:
    """An item with one attribute of each action, and a further level below."""
    item = Dataset()
    for keyword in ("PatientName", "InstitutionName", "StudyDate", "PatientComments", "SOPInstanceUID"):
        item.add_new(keyword, dictionary_VR(keyword), value(dictionary_VR(keyword), 0x00100010))
    item.private_block(0x0009, f"{CANARY} PRIVATE", create=True).add_new(1, "LO", f"{CANARY}NESTED")
    if depth < 3:
        item.ReferencedImageSequence = [nested(depth + 1)]
    return item


def fill(found: Dataset) -> int:
    """Add every attribute of the dictionary and of the profile's table that is not there; returns their number."""
    rows = {int(tag, 16) for tag in basic_profile() if "x" not in tag and tag != "private"}
    count = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for tag in sorted(set(DicomDictionary) | rows):
            group = tag >> 16
            known = DicomDictionary.get(tag, ("", "", "", "", ""))
            if group <= 0x0002 or group == 0xFFFE or known[4] in _KEPT or tag & 0xFFFF == 0:
                continue
            vr = known[0].split(" or ")[0] if dictionary_has_tag(tag) else "LO"
            if vr in ("", "NONE"):
                continue
            found.add_new(tag, vr, value(vr, tag))
            count += 1
        for group in (0x5000, 0x500E):
            found.add_new((group, 0x3000), "OW", (CANARY * 8).encode())
            found.add_new((group, 0x0022), "LO", f"{CANARY}CURVE")
        for group in (0x6000, 0x601E):
            for element, vr in ((0x3000, "OW"), (0x4000, "LT"), (0x0022, "LO"), (0x1500, "LO"), (0x0100, "US")):
                content = (CANARY * 8).encode() if vr == "OW" else 1 if vr == "US" else f"{CANARY}OVERLAY"
                found.add_new((group, element), vr, content)
        for group in (0x0009, 0x0029, 0x7FE1):
            found.private_block(group, f"{CANARY} PRIVATE", create=True).add_new(1, "LO", f"{CANARY}INPRIVATE")
    found.preamble = f"{CANARY}PREAMBLE".encode().ljust(128, b"\0")
    return count
