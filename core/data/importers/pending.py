"""Pending items of an import: images that are being written, and rows that wait for their transaction."""

from __future__ import annotations

import uuid
from concurrent.futures import Future
from dataclasses import dataclass, field

from core.data.importers.plan import PlannedImage
from core.domain.shapes import Line, Shape, Stroke
from core.domain.study import Finding, Image, Lesion, Patient
from core.domain.turn import Turn
from core.imaging.decoded import DecodedImage
from core.imaging.orientation import Breast

_NAMESPACE = uuid.UUID("6e9f7d0c-6d0a-4f0e-9c53-6f6a52c1b7aa")


@dataclass(frozen=True, kw_only=True)
class Writing:
    """An image whose pixels are on their way to the disk."""

    planned: PlannedImage
    name: str
    place: int
    key: str
    """The patient's own identifier."""
    image_id: str
    patient_key: str
    """Origin of a new patient's id: the content hash of the first slice, or the id of a synthetic image."""
    decoded: DecodedImage
    """Without its pixels."""
    size: tuple[int, int]
    """(width, height) as turned."""
    turn: Turn
    """Rotation or flip that was applied to the stored matrix."""
    breast: Breast | None
    """Tissue region in the turned picture; None where no lesion needs it."""
    sha256: Future[str]
    """The content hash, once everything is written."""


@dataclass(kw_only=True)
class Pending:
    """Rows that wait for their transaction."""

    patients: list[Patient] = field(default_factory=list)
    images: list[Image] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    lesions: list[Lesion] = field(default_factory=list)
    fine: list[tuple[str, str, tuple[Shape, ...]]] = field(default_factory=list)
    """Lesion id, name of the reader, shapes."""


def frames_of(decoded: DecodedImage) -> int:
    """Return the number of slices of an image; further pages of a TIFF do not count."""
    return decoded.frames if decoded.format == "DICOM" else 1


def in_millimetres(shape: Shape) -> bool:
    match shape:
        case Line(width=width):
            return width.unit == "mm"
        case Stroke(unit=unit):
            return unit == "mm"
        case _:
            return False


def stable_id(kind: str, *names: str) -> str:
    """The same files give the same identifiers in every study, so that splits and trainings can be repeated.

    They rest on the pixels, never on a patient's identifier.
    """
    return str(uuid.uuid5(_NAMESPACE, " ".join((kind, *names))))


def synthetic_id(decoded: DecodedImage) -> str | None:
    """The id of a synthetic image from what it was made from: its study (one a patient), side and view.

    Pixels are computed in floating point and may differ by a grey level from machine to machine; ids, and the
    splits that are drawn from them, must not. None for an image of a person, and for one that does not name these.
    """
    study = decoded.identity.study_uid
    if not decoded.synthetic or not study or decoded.laterality is None or decoded.view is None:
        return None
    frames = str(frames_of(decoded))
    return stable_id("synthetic image", study, decoded.laterality.value, decoded.view.value, frames)
