"""Changes made by an operation, as values: the session emits them and each screen refreshes by those it needs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from core.domain.study import Reader


@dataclass(frozen=True, kw_only=True)
class StudyOpening:
    """Comes before a study is there: what shows studies is made now, if it was not needed until now."""


@dataclass(frozen=True, kw_only=True)
class StudyOpened:
    folder: Path
    name: str
    synthetic: bool
    read_only: str = ""
    """Why it is open for reading only, in a sentence; empty where it can be changed."""


@dataclass(frozen=True, kw_only=True)
class StudyClosing:
    """Comes before the study is closed: whoever reads it in another thread must stop."""


@dataclass(frozen=True, kw_only=True)
class StudyClosed:
    pass


@dataclass(frozen=True, kw_only=True)
class ReaderChanged:
    reader: Reader | None


@dataclass(frozen=True, kw_only=True)
class SelectionChanged:
    image_id: str | None
    lesion_id: str | None
    image_changed: bool


@dataclass(frozen=True, kw_only=True)
class LesionsChanged:
    """Lesions of an image were added, removed, renumbered or given another outline."""

    image_id: str


@dataclass(frozen=True, kw_only=True)
class ImageCorrected:
    """Side, view or patient of an image is another one now."""

    image_id: str


@dataclass(frozen=True, kw_only=True)
class LabelsChanged:
    image_id: str
    lesion_id: str


@dataclass(frozen=True, kw_only=True)
class AnnotationChanged:
    """A revision was committed by the current reader. ``restored``: by going back in the history."""

    lesion_id: str
    revision: int
    restored: bool = False


@dataclass(frozen=True, kw_only=True)
class CheckpointNamed:
    lesion_id: str
    name: str
    revision: int


@dataclass(frozen=True, kw_only=True)
class ImagesImported:
    images: int


@dataclass(frozen=True, kw_only=True)
class OthersChanged:
    """Readers at other workstations changed something in the study."""

    lesion_ids: frozenset[str]
    """Lesions that were drawn, labelled or given another outline."""
    names: tuple[str, ...]
    """Who it was, as the audit trail names them."""


@dataclass(frozen=True, kw_only=True)
class AssignmentsChanged:
    """Lesions were given to readers, finished, or got a consensus."""


@dataclass(frozen=True, kw_only=True)
class PresenceChanged:
    """Others went to another case, or left."""

    names: dict[str, tuple[str, ...]]
    """By image, who is on it."""


@dataclass(frozen=True, kw_only=True)
class StorageChanged:
    """Writing failed (a sentence) or works again (empty)."""

    problem: str


@dataclass(frozen=True, kw_only=True)
class RunsChanged:
    """A run was planned, went on, ended, was renamed, noted or put away."""

    run_id: str


@dataclass(frozen=True, kw_only=True)
class ModelRevised:
    """Another revision of the run's model is the active one: pruned, undone or redone."""

    run_id: str


@dataclass(frozen=True, kw_only=True)
class OpinionGiven:
    """Opinion of a reader on an explanation or a prototype."""

    run_id: str
    subject: str


@dataclass(frozen=True, kw_only=True)
class ReadingGiven:
    """The current reader gave or took back their own reading of a lesion in Review. It is no label."""

    lesion_id: str


Change = (
    StudyOpening
    | StudyOpened
    | StudyClosing
    | StudyClosed
    | ReaderChanged
    | SelectionChanged
    | LesionsChanged
    | ImageCorrected
    | LabelsChanged
    | AnnotationChanged
    | CheckpointNamed
    | ImagesImported
    | OthersChanged
    | StorageChanged
    | RunsChanged
    | ModelRevised
    | OpinionGiven
    | ReadingGiven
    | AssignmentsChanged
    | PresenceChanged
)
