"""What became of every file of an import, or would become: one line each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum

import msgspec

from core.data.importers.plan import ImportPlan, Issue, Severity
from core.domain.spreadsheet import csv_document


class ImportOutcome(StrEnum):
    IMPORTED = "imported"
    NOTE = "imported with a note"
    LEFT_OUT = "left out"
    WRONG = "wrong"
    UNREACHED = "not reached"


class FileResult(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    """Of the file; of a row or of the whole data set, where a sentence is about no file of the plan."""
    fate: ImportOutcome
    sentences: tuple[str, ...] = ()


_FATES = {
    Severity.NOTE: ImportOutcome.NOTE,
    Severity.LEFT_OUT: ImportOutcome.LEFT_OUT,
    Severity.WRONG: ImportOutcome.WRONG,
}


def file_results(
    plan: ImportPlan, issues: Iterable[Issue], stored: Sequence[bool | None]
) -> tuple[FileResult, ...]:
    """Every file of the plan, then rows and files that the tables alone speak of.

    ``stored``: of each image of the plan, whether it is (or would be) in the study; None where the import was
    stopped before it. A row of a lesion that is wrong leaves its image imported, with a note.
    """
    by_place: dict[str, list[Issue]] = {}
    for issue in issues:
        by_place.setdefault(issue.where, []).append(issue)
    files: list[FileResult] = []
    for planned, kept in zip(plan.images, stored, strict=True):
        name = plan.name_of(planned)
        places = dict.fromkeys((planned.where, name, *(lesion.where for lesion in planned.lesions)))
        mine = [issue for place in places if place for issue in by_place.pop(place, ())]
        files.append(
            FileResult(name=name, fate=_fate(kept, mine), sentences=tuple(issue.sentence for issue in mine))
        )
    files += [
        FileResult(name=one.name, fate=ImportOutcome.LEFT_OUT, sentences=(f"Passed over: {one.reason}.",))
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
