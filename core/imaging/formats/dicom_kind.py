"""Kind of a DICOM object: a mammogram, another modality, or no image at all."""

from __future__ import annotations

import re
from dataclasses import dataclass
from os import SEEK_END

from core.imaging.decoded import Refusal, RefusedImageError
from core.imaging.formats.dicom_header import Attributes, OpenedDicom

MAMMOGRAPHIC = frozenset(("MG",))
_PERHAPS = frozenset(("", "CR", "DX", "RG", "DF", "OT", "SC"))
"""Computed radiography, digitised film and secondary captures: mammograms if the header mentions a breast."""
_NAMES = {
    "AU": "a sound",
    "BI": "a biomagnetic image",
    "BMD": "a bone density measurement",
    "CR": "a computed radiograph",
    "CT": "a CT image",
    "DOC": "a document",
    "DX": "a digital radiograph",
    "ECG": "an ECG",
    "ES": "an endoscopic image",
    "GM": "a microscope image",
    "IO": "an intra-oral radiograph",
    "IVUS": "an intravascular ultrasound image",
    "KO": "a selection of key images",
    "M3D": "a 3D model",
    "MR": "an MR image",
    "NM": "a nuclear medicine image",
    "OCT": "an optical coherence image",
    "OP": "an eye image",
    "OPT": "an eye image",
    "OT": "an image of another kind",
    "PR": "a presentation state",
    "PT": "a PET image",
    "PX": "a panoramic radiograph",
    "REG": "a registration",
    "RF": "a fluoroscopic image",
    "RTDOSE": "a radiotherapy dose",
    "RTIMAGE": "a radiotherapy image",
    "RTPLAN": "a radiotherapy plan",
    "RTSTRUCT": "a set of radiotherapy structures",
    "SC": "a secondary capture",
    "SEG": "a segmentation",
    "SM": "a slide",
    "SR": "a structured report",
    "TG": "a thermographic image",
    "US": "an ultrasound image",
    "XA": "an angiographic image",
    "XC": "a photograph",
}
_RESULTS = frozenset(("SEG", "SR", "PR"))
"""Modalities that ``import --layout results`` reads back."""
_SOP_CLASSES = {
    # objects whose class names them, whatever Modality says
    "1.2.840.10008.5.1.4.1.1.66.4": "SEG",
    "1.2.840.10008.5.1.4.1.1.66.7": "SEG",
    "1.2.840.10008.5.1.4.1.1.88.59": "KO",
    "1.2.840.10008.5.1.4.1.1.104.1": "DOC",
    "1.2.840.10008.5.1.4.1.1.104.2": "DOC",
    "1.2.840.10008.5.1.4.1.1.481.2": "RTDOSE",
    "1.2.840.10008.5.1.4.1.1.481.3": "RTSTRUCT",
    "1.2.840.10008.5.1.4.1.1.481.5": "RTPLAN",
}
_SR_CLASSES, _PR_CLASSES = "1.2.840.10008.5.1.4.1.1.88.", "1.2.840.10008.5.1.4.1.1.11."
_BREAST = re.compile(r"BREAST|\bMAMM?A|\bBRUST|\bSEINS?\b|\bSENO|\bBORST")
"""Body Part Examined of the breast, by the standard and as sites write it in their own language."""
_FIRST_RECORD = (0x0004, 0x1200)
"""Offset of the First Directory Record; the directory of a medium has it, and no SOP Class UID in its data set."""
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_HOLOGIC = "HOLOGIC"
_PRIVATE_BYTES, _PRIVATE_SHARE = 2 << 20, 4
"""A capture with more bytes beside its picture than this, and so many times those of the picture, wraps others."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    modality: str
    """Modality (0008,0060), or that of the SOP class where the class names the kind of object."""
    breast: bool
    """The header names the breast as the body part."""

    @property
    def mammogram(self) -> bool:
        """Return True for a mammogram, and for a file without evidence of another kind."""
        return self.modality in MAMMOGRAPHIC or (self.uncertain and (self.breast or not self.modality))

    @property
    def uncertain(self) -> bool:
        """Return True if the modality alone does not determine that it is a mammogram."""
        return self.modality in _PERHAPS or self.modality not in _NAMES.keys() | MAMMOGRAPHIC


def kind_of(tags: Attributes) -> Kind:
    modality, sop_class = tags.text("Modality").upper(), tags.text("SOPClassUID")
    named = _SOP_CLASSES.get(sop_class)
    if named is None and sop_class.startswith(_SR_CLASSES):
        named = "SR"
    if named is None and sop_class.startswith(_PR_CLASSES):
        named = "PR"
    return Kind(modality=named or modality, breast=bool(_BREAST.search(tags.text("BodyPartExamined").upper())))


def sentence(kind: Kind, name: str) -> str:
    """Says what the file is and why it is no mammogram."""
    # a word that is no defined term may be anything, and is not repeated
    known = _NAMES.get(kind.modality)
    what = "of another modality" if known is None else f"{known} (Modality {kind.modality})"
    what = f"{name} is {what}, not a mammogram."
    return f"{what} Read it with the layout `results`." if kind.modality in _RESULTS else what


def refusal(kind: Kind, name: str) -> RefusedImageError | None:
    """The refusal of an object of another kind; None for what may be a mammogram."""
    if kind.mammogram or kind.uncertain:
        return None
    return RefusedImageError(sentence(kind, name), Refusal.OTHER_OBJECT)


def refuse_placeholder(tags: Attributes, name: str) -> None:
    """RefusedImageError for a file whose picture only stands for slices in a private format.

    Hologic's Secondary Capture Object (SCO) keeps a tomosynthesis, compressed in a way of its own, in tiles of the
    private group 7E01; Pixel Data is a small placeholder. Viewers without Hologic's library show that.
    """
    if tags.has(*_FIRST_RECORD) and not tags.text("SOPClassUID"):
        raise RefusedImageError(
            f"{name} is the directory of a medium (DICOMDIR), not an image; choose the folder that it lies in.",
            Refusal.NO_PIXELS,
        )
    creators = [tags.private(0x7E01, block).upper() for block in range(0x10, 0x20)]
    blocks = [0x10 + k for k, creator in enumerate(creators) if creator.startswith(_HOLOGIC)]
    captured = tags.text("SOPClassUID").startswith(_SECONDARY_CAPTURE)
    if blocks and (captured or any(tags.has(0x7E01, block << 8 | 0x10) for block in blocks)):
        raise RefusedImageError(
            f"{name} is a Secondary Capture Object of Hologic: its slices lie compressed in private attributes, "
            "and its own picture is a placeholder. Ask for the tomosynthesis in the form BTO (Breast "
            "Tomosynthesis Image Storage).",
            Refusal.OTHER_OBJECT,
        )


def refuse_wrapped_slices(opened: OpenedDicom, name: str) -> None:
    """RefusedImageError for a Secondary Capture most of whose bytes are not its picture, whoever made it.

    Other makers keep slices in private attributes too, before or behind a small picture; their blocks need not be
    known for that.
    """
    if not opened.tags.text("SOPClassUID").startswith(_SECONDARY_CAPTURE) or opened.pixel_bytes is None:
        return
    at = opened.file.tell()
    total = opened.file.seek(0, SEEK_END)
    opened.file.seek(at)
    beside = total - opened.pixel_bytes
    if beside > _PRIVATE_BYTES and beside > _PRIVATE_SHARE * opened.pixel_bytes:
        raise RefusedImageError(
            f"{name} is a Secondary Capture of which {beside / 1e6:.0f} of {total / 1e6:.0f} MB are not its "
            "picture: slices in a private form of its maker. Ask for the tomosynthesis in the form BTO (Breast "
            "Tomosynthesis Image Storage).",
            Refusal.OTHER_OBJECT,
        )
