"""The lesions, labels and annotations that a run begins with, so that it can go on with them after they changed.

A label is written down here; a fine annotation is named by its revision, which the store never changes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import msgspec

from core.data.labels import LesionTruth
from core.domain.errors import StudyError
from core.domain.messages import Sentence, message
from core.domain.study import FineAnnotation, Lesion
from core.store.study import Study


class Exclusion(msgspec.Struct, frozen=True, kw_only=True):
    """A lesion that is not among the ROIs."""

    lesion_id: str
    reason: Sentence


class LesionSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One lesion as it was at the time."""

    lesion: Lesion
    patient_id: str
    source: str
    word: str | None
    """Margin or shape that counted."""
    malignant: int
    """1, 0, or -1 without a biopsy."""
    reader_id: str = ""
    """Reader of the fine annotation that counted; "" = no fine annotation."""
    revision: int = 0
    """The revision of that annotation; 0: there was none."""


class DataSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    lesions: tuple[LesionSnapshot, ...]
    exclusions: tuple[Exclusion, ...] = ()
    """The lesions that were left out, and why."""


@dataclass(frozen=True, kw_only=True)
class DataChanges:
    """Numbers of lesions by what is different now."""

    labels: int = 0
    """Another label, or none that is trained."""
    annotations: int = 0
    outlines: int = 0
    added: int = 0
    removed: int = 0

    def __bool__(self) -> bool:
        return any((self.labels, self.annotations, self.outlines, self.added, self.removed))

    @property
    def words(self) -> str:
        """Such as "2 labels changed, 1 annotation changed"."""
        counts = (
            (self.labels, "label", "changed"),
            (self.annotations, "annotation", "changed"),
            (self.outlines, "outline", "changed"),
            (self.added, "lesion", "added"),
            (self.removed, "lesion", "removed"),
        )
        return ", ".join(f"{n} {noun}{'s' if n > 1 else ''} {verb}" for n, noun, verb in counts if n)


def truths_of(study: Study, snapshot: DataSnapshot) -> list[LesionTruth]:
    """The truth of each lesion of the snapshot, with the shapes of its revision.

    StudyError where a revision is no longer in the study.
    """
    current = {(one.lesion_id, one.reader_id): one for one in study.annotations.all_current()}
    return [_truth(one, _annotation(study, one, current.get)) for one in snapshot.lesions]


def _truth(then: LesionSnapshot, annotation: FineAnnotation | None) -> LesionTruth:
    return LesionTruth(
        word=then.word,
        malignant=then.malignant,
        fine=() if annotation is None else annotation.shapes,
        fine_reader=then.reader_id,
        fine_revision=then.revision,
    )


def _annotation(
    study: Study, then: LesionSnapshot, current: Callable[[tuple[str, str]], FineAnnotation | None]
) -> FineAnnotation | None:
    if not then.revision:
        return None
    now = current((then.lesion.id, then.reader_id))
    if now is not None and now.revision == then.revision:
        return now
    return study.annotations.revision(then.lesion.id, then.reader_id, then.revision)


def missing_lesions(study: Study, snapshot: DataSnapshot) -> int:
    """Count the lesions of the snapshot that are no longer in the study, with their annotations."""
    lesions = {lesion.id for lesion in study.lesions.all()}
    return sum(one.lesion.id not in lesions for one in snapshot.lesions)


def refuse_missing(study: Study, snapshot: DataSnapshot) -> None:
    """StudyError where a lesion of the snapshot is no longer in the study."""
    missing = missing_lesions(study, snapshot)
    if missing:
        raise StudyError(
            message("1 lesion that the run began with is no longer in the study: start a new training.")
            if missing == 1
            else message(
                "{count} lesions that the run began with are no longer in the study: start a new training.",
                count=missing,
            )
        )


def changes_between(then: DataSnapshot, now: DataSnapshot, patients: Collection[str]) -> DataChanges:
    """In what the lesions of these patients differ."""
    before, after = ({one.lesion.id: one for one in _of(snapshot, patients)} for snapshot in (then, now))
    excluded_then, excluded_now = ({one.lesion_id for one in snapshot.exclusions} for snapshot in (then, now))
    counts: Counter[str] = Counter()
    for lesion_id in before.keys() | after.keys():
        old, new = before.get(lesion_id), after.get(lesion_id)
        if old is None:
            counts["labels" if lesion_id in excluded_then else "added"] += 1
        elif new is None:
            counts["labels" if lesion_id in excluded_now else "removed"] += 1
        else:
            counts["labels"] += (old.word, old.malignant) != (new.word, new.malignant)
            counts["annotations"] += (old.reader_id, old.revision) != (new.reader_id, new.revision)
            counts["outlines"] += (old.lesion.outline, old.lesion.frame) != (new.lesion.outline, new.lesion.frame)
    return DataChanges(**counts)


def _of(snapshot: DataSnapshot, patients: Collection[str]) -> Sequence[LesionSnapshot]:
    return [one for one in snapshot.lesions if one.patient_id in patients]
