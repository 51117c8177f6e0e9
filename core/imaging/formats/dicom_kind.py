"""Kind of a DICOM object: a mammogram, another modality, or no image at all."""

from __future__ import annotations

import re
from dataclasses import dataclass
from os import SEEK_END

from core.domain.messages import Sentence, joined, message
from core.imaging.decoded import Refusal, RefusedImageError
from core.imaging.formats.dicom_header import Attributes, OpenedDicom

MAMMOGRAPHIC = frozenset(("MG",))
_PERHAPS = frozenset(("", "CR", "DX", "RG", "DF", "OT", "SC"))
"""Computed radiography, digitised film and secondary captures: mammograms if the header mentions a breast."""
_NAMES = {
    "AU": message("a sound"),
    "BI": message("a biomagnetic image"),
    "BMD": message("a bone density measurement"),
    "CR": message("a computed radiograph"),
    "CT": message("a CT image"),
    "DOC": message("a document"),
    "DX": message("a digital radiograph"),
    "ECG": message("an ECG"),
    "ES": message("an endoscopic image"),
    "GM": message("a microscope image"),
    "IO": message("an intra-oral radiograph"),
    "IVUS": message("an intravascular ultrasound image"),
    "KO": message("a selection of key images"),
    "M3D": message("a 3D model"),
    "MR": message("an MR image"),
    "NM": message("a nuclear medicine image"),
    "OCT": message("an optical coherence image"),
    "OP": message("an eye image"),
    "OPT": message("an eye image"),
    "OT": message("an image of another kind"),
    "PR": message("a presentation state"),
    "PT": message("a PET image"),
    "PX": message("a panoramic radiograph"),
    "REG": message("a registration"),
    "RF": message("a fluoroscopic image"),
    "RTDOSE": message("a radiotherapy dose"),
    "RTIMAGE": message("a radiotherapy image"),
    "RTPLAN": message("a radiotherapy plan"),
    "RTSTRUCT": message("a set of radiotherapy structures"),
    "SC": message("a secondary capture"),
    "SEG": message("a segmentation"),
    "SM": message("a slide"),
    "SR": message("a structured report"),
    "TG": message("a thermographic image"),
    "US": message("an ultrasound image"),
    "XA": message("an angiographic image"),
    "XC": message("a photograph"),
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


def sentence(kind: Kind, name: str) -> Sentence:
    """Says what the file is and why it is no mammogram."""
    # a word that is no defined term may be anything, and is not repeated
    known = _NAMES.get(kind.modality)
    what = (
        message("of another modality")
        if known is None
        else message("{kind} (Modality {modality})", kind=known, modality=kind.modality)
    )
    said = message("{name} is {what}, not a mammogram.", name=name, what=what)
    if kind.modality in _RESULTS:
        said = joined([said, message("Read it with the layout `results`.")])
    return said


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
            message(
                "{name} is the directory of a medium (DICOMDIR), not an image; choose the folder that it lies in.",
                name=name,
            ),
            Refusal.NO_PIXELS,
        )
    creators = [tags.private(0x7E01, block).upper() for block in range(0x10, 0x20)]
    blocks = [0x10 + k for k, creator in enumerate(creators) if creator.startswith(_HOLOGIC)]
    captured = tags.text("SOPClassUID").startswith(_SECONDARY_CAPTURE)
    if blocks and (captured or any(tags.has(0x7E01, block << 8 | 0x10) for block in blocks)):
        raise RefusedImageError(
            message(
                "{name} is a Secondary Capture Object of Hologic: its slices lie compressed in private "
                "attributes, and its own picture is a placeholder. Ask for the tomosynthesis in the form BTO "
                "(Breast Tomosynthesis Image Storage).",
                name=name,
            ),
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
            message(
                "{name} is a Secondary Capture of which {private_mb:.0f} of {total_mb:.0f} MB are not its "
                "picture: slices in a private form of its maker. Ask for the tomosynthesis in the form BTO "
                "(Breast Tomosynthesis Image Storage).",
                name=name,
                private_mb=beside / 1e6,
                total_mb=total / 1e6,
            ),
            Refusal.OTHER_OBJECT,
        )
