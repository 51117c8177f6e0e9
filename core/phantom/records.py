"""The annotation file of a synthetic study: what was drawn, lesion by lesion."""

from __future__ import annotations

from pathlib import Path

import msgspec

from core.domain.errors import BadFileError
from core.domain.messages import message
from core.domain.shapes import Polygon, Shape
from core.domain.vocabulary import MarginType, Part
from core.phantom.config import PhantomConfig
from core.phantom.patient import PhantomLesion, PhantomPatient, PhantomView

ANNOTATOR = "SYNTHETIC annotator"


class LesionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One lesion in one image, in continuous pixel coordinates of that image."""

    image: str
    """Path relative to the annotation file."""
    patient_id: str
    part: Part
    margin: MarginType | None
    outline: Polygon
    shapes: tuple[Shape, ...]
    """The fine annotation, in drawing order."""
    truth: PhantomLesion
    frame: int = 0
    """The slice of a tomosynthesis in which the mass is sharp, from 0."""

    @classmethod
    def of(cls, patient: PhantomPatient, view: PhantomView, image: str, frame: int = 0) -> LesionRecord:
        return cls(
            image=image,
            patient_id=patient.patient_id,
            part=patient.part,
            margin=patient.labels.margin,
            outline=view.outline,
            shapes=view.fine,
            truth=view.truth,
            frame=frame,
        )


class AnnotationFile(msgspec.Struct, frozen=True, kw_only=True):
    """All of ``annotations.json``."""

    annotator: str
    config: PhantomConfig
    lesions: tuple[LesionRecord, ...]
    synthetic: bool = True


def read_annotations(path: Path) -> AnnotationFile:
    """Read the file that ``write_study_source`` writes. Raises: BadFileError with the file's defect."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=AnnotationFile)
    except (OSError, msgspec.DecodeError) as error:
        raise BadFileError(
            message("{file} is not an annotation file of a synthetic study: {error}.", file=path.name, error=error)
        ) from error
