"""The content of a structured report on lesions, as plain values: input of ``sr``, output of its reader."""

from __future__ import annotations

import msgspec

from core.domain.messages import Sentence
from core.domain.shapes import Shape
from core.domain.study import Labels, LesionOutline


class PrototypeShare(msgspec.Struct, frozen=True, kw_only=True):
    """One row of an explanation: similarity x weight = contribution."""

    number: int
    """From 1, in the unpruned model."""
    class_name: str
    similarity: float
    weight: float
    """To the class with the largest score."""

    @property
    def contribution(self) -> float:
        return self.similarity * self.weight


class ModelFinding(msgspec.Struct, frozen=True, kw_only=True):
    """The model's findings in one lesion; without a precedent there is no prediction."""

    method: str
    version: str
    """SHA-256 of the model's weights."""
    run: str
    class_names: tuple[str, ...]
    probabilities: tuple[float, ...]
    predicted: str
    """Class with the largest score; "" without a precedent."""
    has_precedent: bool
    malignancy: float | None = None
    """Probability in [0, 1]; None where the model predicts none, or without a precedent."""
    prototypes: tuple[PrototypeShare, ...] = ()


class LesionReport(msgspec.Struct, frozen=True, kw_only=True):
    """The report on one lesion: its location, its labels, and the model's findings."""

    tracking_id: str
    tracking_uid: str
    outline: LesionOutline
    fine: tuple[Shape, ...] = ()
    labels: Labels = Labels()
    model: ModelFinding | None = None


class Verifier(msgspec.Struct, frozen=True, kw_only=True):
    """A reader who has agreed with every finding of the report."""

    name: str
    organisation: str = "Marginalia study (research)"


class ReportRead(msgspec.Struct, frozen=True, kw_only=True):
    """The contents of a structured report."""

    study_uid: str
    verified_by: str
    """"" without a verifying observer."""
    lesions: tuple[LesionReport, ...]
    sources: tuple[str, ...]
    """SOP Instance UID of the image of each lesion."""
    comments: tuple[str, ...]
    notes: tuple[Sentence, ...] = ()
    """Sentences without their subject, the file."""

    @property
    def source_uid(self) -> str:
        """The image of the first lesion; "" without lesions."""
        return self.sources[0] if self.sources else ""
