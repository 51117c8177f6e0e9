"""The attributes that may stay though Table E.1-1 does not name them: an allow-list of all that can hold text.

The table lists what identifies people in the standard as it is. Free text, bytes and names of persons that it does
not list can hold anything, and go unless they are named here.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from pydicom.datadict import keyword_for_tag
from pydicom.dataelem import DataElement

_TEXT = {"AE", "LO", "LT", "PN", "SH", "ST", "UC", "UN", "UR", "UT"}
_BYTES = {"OB", "OD", "OF", "OL", "OV", "OW"}
_KEPT = {
    *("CodeValue", "CodingSchemeDesignator", "CodingSchemeVersion", "CodeMeaning", "MappingResource"),
    *("Manufacturer", "ManufacturerModelName", "DeidentificationMethod", "SoftwareVersions", "LUTData"),
}
"""Text and bytes that stay; the values of codes and tables are looked at."""
_CODES = {"DCM", "SCT", "SRT", "SNM3", "UCUM", "BI", "LN", "RADLEX", "MDC", "FMA", "NCIt", "UMLS"}
"""Coding schemes whose meanings are published."""
_DROPPED = {"WindowCenterWidthExplanation", "LUTExplanation", "ModalityLUTType", "ICCProfile", "ColorSpace"}
_IMAGE_TYPES = {
    *("", "ORIGINAL", "DERIVED", "PRIMARY", "SECONDARY", "MIXED", "NONE", "SYNTHETIC", "TOMO", "TOMO_PROJ"),
    *("TOMO_2D", "TOMOSYNTHESIS", "GENERATED_2D", "POST_CONTRAST", "SUBTRACTION", "VOLUME", "MAX_IP", "AXIAL"),
    *("LOCALIZER", "PROJECTION", "MULTIPLANAR", "RESAMPLED", "DUAL_ENERGY", "LOW_ENERGY", "HIGH_ENERGY"),
}
"""Values of Image Type (0008,0008) that the standard defines for pictures of the breast and their like."""
_UNITS = {"US", "OD", "HU", "MGML", "PCT", ""}
_CODE_STRING = re.compile(r"[A-Z0-9_ ]{0,16}")
_STANDARD_UID = "1.2.840.10008."


def may_stay(element: DataElement) -> bool:
    """Return True if an attribute that the table lacks stays; its value may be reduced to the allowed part."""
    word, kind = keyword_for_tag(element.tag), element.VR
    if word in _DROPPED or "AlternativeCalendar" in word:
        return False
    if word == "RescaleType":
        return str(element.value) in _UNITS
    if word == "ImageType":
        element.value = [value if str(value) in _IMAGE_TYPES else "" for value in _list(element.value)]
        return True
    if kind in ("DA", "DT", "TM"):
        return False
    if kind == "CS":
        return all(_CODE_STRING.fullmatch(str(value)) for value in _list(element.value))
    if kind == "UI":
        return all(str(value).startswith(_STANDARD_UID) for value in _list(element.value))
    return word in _KEPT if kind in _TEXT or kind in _BYTES else True


def clean_item(item: Any) -> None:
    """Look at the parts of a data set that belong together: codes with their meanings, tables with their data."""
    scheme = str(item.get("CodingSchemeDesignator") or "")
    if "CodeMeaning" in item and scheme not in _CODES:
        item.CodeMeaning = "REMOVED"
    if "LUTData" in item and not _clean_table(item):
        del item.LUTData
        item.pop("LUTDescriptor", None)


def _clean_table(item: Any) -> bool:
    """Cut a lookup table to the entries and bits that it declares; False unless it rises or falls throughout."""
    count, _, bits = (int(value) for value in item.LUTDescriptor)
    element = item["LUTData"]
    value = element.value
    if isinstance(value, bytes):
        narrow = len(value) < 2 * (count or 65_536)
        entries = np.frombuffer(value, np.uint8 if narrow else np.dtype("<u2"))
    else:
        narrow, entries = False, np.array(_list(value), np.int64) & 0xFFFF
    entries = entries[: count or 65_536].astype(np.int64) & ((1 << min(max(bits, 1), 16)) - 1)
    steps = np.diff(entries)
    if len(entries) != (count or 65_536) or not ((steps >= 0).all() or (steps <= 0).all()):
        return False
    if isinstance(value, bytes):
        packed = entries.astype(np.uint8 if narrow else "<u2").tobytes()
        element.value = packed + b"\0" * (len(packed) % 2)
    else:
        element.value = [int(one) for one in entries]
    return True


def _list(value: Any) -> list[Any]:
    if value is None or value == "":
        return []
    return list(value) if isinstance(value, (list, tuple)) or hasattr(value, "append") else [value]
