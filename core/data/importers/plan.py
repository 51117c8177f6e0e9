"""Import plan: the contents of a folder, before anything is decoded or stored.

A plan still contains the original identifiers of patients. They are replaced by pseudonyms at one place only,
``core.data.importers.importing``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path

import msgspec

from core.domain.errors import BadTableError
from core.domain.messages import Sentence, joined, message
from core.domain.shapes import Shape
from core.domain.study import Labels, LesionOutline
from core.domain.vocabulary import BreastComposition, Laterality, ViewPosition
from core.platform.places import readable


class Severity(StrEnum):
    NOTE = "note"
    """Imported; something about it should be known."""
    LEFT_OUT = "left out"
    """Understood, and not imported for the reason that the sentence gives."""
    WRONG = "wrong"
    """Cannot be used as it is: the import stops, unless bad rows are to be skipped."""


class Issue(msgspec.Struct, frozen=True, kw_only=True):
    where: str
    """"row 12" of the table (the header is row 1), the name of a file, or "" for the whole folder."""
    sentence: Sentence
    severity: Severity

    def __post_init__(self) -> None:
        # a name of a file that is no text must not stop a report
        msgspec.structs.force_setattr(self, "where", readable(self.where))


class PlannedLesion(msgspec.Struct, frozen=True, kw_only=True):
    outline: LesionOutline
    """In continuous pixel coordinates of the image, origin top left."""
    drawn_on: tuple[int, int] | None = None
    """(width, height) of the picture that the outline and the fine annotation were drawn on, where that may be
    another than the image: they are then scaled to the image, or the lesion is left out."""
    labels: Labels = Labels()
    frame: int = 0
    """The slice of a tomosynthesis that it was drawn on, from 0."""
    finding: str = ""
    """Lesions of a patient with the same word are one finding, in several views; "" is a finding of its own."""
    fine: tuple[Shape, ...] = ()
    fine_reader: str = ""
    """Reader of the fine annotation; the name marks derived annotations as derived."""
    where: str = ""
    """Row of the table that it came from."""


class PlannedImage(msgspec.Struct, frozen=True, kw_only=True):
    path: Path
    patient: str
    """The data set's own identifier; "" where only the file's header has one."""
    laterality: Laterality | None = None
    view: ViewPosition | None = None
    composition: BreastComposition | None = None
    spacing_mm: float | None = None
    """Pixel spacing of the data set, where the files contain none."""
    spacing_source: str = ""
    lesions: tuple[PlannedLesion, ...] = ()
    where: str = ""


class PassedOver(msgspec.Struct, frozen=True, kw_only=True):
    """A file that an import does not take up, and why."""

    name: str
    reason: Sentence


class ImportPlan(msgspec.Struct, frozen=True, kw_only=True):
    source: str
    """Name of the data set or site; figures are reported per source."""
    images: tuple[PlannedImage, ...]
    issues: tuple[Issue, ...] = ()
    by_table: bool = True
    """False where the files were found by their content and no table names them."""
    passed_over: tuple[PassedOver, ...] = ()
    """Files that are no images, or are none that can be used."""
    folder: Path | None = None
    """Folder below which files are named by their path, since many have one name; None = by their name alone."""

    def name_of(self, image: PlannedImage) -> str:
        """Return the name of the image's file for sentences and result lists."""
        if self.folder is not None and image.path.is_relative_to(self.folder):
            return readable(image.path.relative_to(self.folder).as_posix())
        return readable(image.path.name)

    @property
    def lesion_count(self) -> int:
        return sum(len(image.lesions) for image in self.images)


def refuse_wrong(issues: Sequence[Issue], table: Path | None, *, skip: bool) -> None:
    """BadTableError naming the first wrong row and counting the rest, unless they are to be skipped.

    ``table``: None where the issues' places name it themselves.
    """
    wrong = [issue for issue in issues if issue.severity is Severity.WRONG]
    if skip or not wrong:
        return
    rest = len(wrong) - 1
    others = message("{count} more rows are wrong too.", count=rest)
    more = [message("1 more row is wrong too.") if rest == 1 else others] if rest else []
    place = wrong[0].where if table is None else f"{table.name}, {wrong[0].where}"
    raise BadTableError(
        joined(
            [
                message("{place}: {problem}", place=place, problem=wrong[0].sentence),
                *more,
                message("Correct the table, or import again with --skip-bad-rows to take the rest."),
            ]
        )
    )


def counted(issues: Iterable[Issue]) -> dict[str, int]:
    """Count the issues of each severity."""
    counts = {severity.value: 0 for severity in Severity}
    for issue in issues:
        counts[issue.severity.value] += 1
    return counts
