"""Result of an import, real or simulated, for every file: one line each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum

import msgspec

from core.data.importers.plan import ImportPlan, Issue, Severity
from core.domain.messages import Sentence, message
from core.domain.spreadsheet import csv_document


class ImportOutcome(StrEnum):
    IMPORTED = "imported"
    NOTE = "imported with a note"
    LEFT_OUT = "left out"
    WRONG = "wrong"
    UNREACHED = "not reached"


class FileResult(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    """Name of the file; of a row or of the whole data set, where a sentence concerns no file of the plan."""
    fate: ImportOutcome
    sentences: tuple[Sentence, ...] = ()
    image_id: str = ""
    """The image of the study that holds the file's pixels; "" if there is none."""


class ImportReport(msgspec.Struct, frozen=True, kw_only=True):
    """Result of an import; counts of what is new in the study."""

    source: str
    patients: int
    images: int
    lesions: int
    fine_annotations: int
    issues: tuple[Issue, ...]
    files: tuple[FileResult, ...] = ()
    """Results of every file."""
    duplicates: int = 0
    """Files whose pixels the study, or an earlier file of the import, has already."""
    updated: int = 0
    """Lesions that were in the study and whose labels were updated."""

    @property
    def nothing_usable(self) -> bool:
        """True if every file was refused or left out, other than for being there already."""
        return not self.images and not self.duplicates


_FATES = {
    Severity.NOTE: ImportOutcome.NOTE,
    Severity.LEFT_OUT: ImportOutcome.LEFT_OUT,
    Severity.WRONG: ImportOutcome.WRONG,
}


def file_results(
    plan: ImportPlan, issues: Iterable[Issue], stored: Sequence[bool | None], image_ids: Sequence[str] = ()
) -> tuple[FileResult, ...]:
    """Return every file of the plan, then the rows and files that only the tables mention.

    ``stored``: for each image of the plan, True if it is (or would be) in the study; None if the import was
    stopped before it. ``image_ids``: for each image of the plan, the study's image with its pixels ("": none). A
    wrong row of a lesion leaves its image imported, with a note.
    """
    by_place: dict[str, list[Issue]] = {}
    for issue in issues:
        by_place.setdefault(issue.where, []).append(issue)
    files: list[FileResult] = []
    ids = image_ids or [""] * len(plan.images)
    for planned, kept, image_id in zip(plan.images, stored, ids, strict=True):
        name = plan.name_of(planned)
        places = dict.fromkeys((planned.where, name, *(lesion.where for lesion in planned.lesions)))
        mine = [issue for place in places if place for issue in by_place.pop(place, ())]
        files.append(
            FileResult(
                name=name,
                fate=_fate(kept, mine),
                sentences=tuple(issue.sentence for issue in mine),
                image_id=image_id,
            )
        )
    files += [
        FileResult(
            name=one.name,
            fate=ImportOutcome.LEFT_OUT,
            sentences=(message("Skipped: {reason}.", reason=one.reason),),
        )
        for one in plan.passed_over
    ]
    for place, rest in by_place.items():
        for issue in rest:
            name = place or plan.source
            files.append(FileResult(name=name, fate=_FATES[issue.severity], sentences=(issue.sentence,)))
    return tuple(files)


def _fate(stored: bool | None, issues: list[Issue]) -> ImportOutcome:
    if stored is None:
        return ImportOutcome.UNREACHED
    if stored:
        return ImportOutcome.NOTE if issues else ImportOutcome.IMPORTED
    return (
        ImportOutcome.WRONG
        if any(issue.severity is Severity.WRONG for issue in issues)
        else ImportOutcome.LEFT_OUT
    )


def results_table(files: Iterable[FileResult]) -> bytes:
    """A CSV of the list: file, outcome, why."""
    return csv_document(
        ("file", "outcome", "why"), [(found.name, found.fate.value, " ".join(found.sentences)) for found in files]
    )
