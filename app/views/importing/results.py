"""Jobs of an import: what a folder holds, a check of every file, and the import with a result for each file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from core.data.importers.images import read_files
from core.data.importers.importing import run_import
from core.data.importers.kept_names import keep_names
from core.data.importers.known_images import KnownImages
from core.data.importers.layouts import IMAGES, PlanOptions, make_plan, recognised
from core.data.importers.outcomes import FileResult, ImportReport, file_results
from core.data.importers.plan import ImportPlan
from core.data.importers.preview import preview_import
from core.domain.errors import Cancelled
from core.domain.events import Emit, IsCancelled
from core.domain.vocabulary import MarginType
from core.store.study import Study


@dataclass(frozen=True, kw_only=True)
class ImportResult:
    files: tuple[FileResult, ...]
    """Every file of the plan, then rows and files that only the tables mention."""
    images: int
    lesions: int
    annotations: int
    cancelled: bool = False


@dataclass(frozen=True, kw_only=True)
class ImportChoices:
    """Choices of the user before an import."""

    source: str = ""
    """Name of the data set; "": as the plan has it."""
    keep_names: bool = False
    """Keep the names of the files in a private table beside the study."""
    update_labels: bool = False
    """Take the table's labels for lesions that the study holds already."""


@dataclass(frozen=True, kw_only=True)
class FoundFiles:
    """Preview of an import, with what is left out and why; nothing is imported yet."""

    plan: ImportPlan
    layout: str
    folder: Path
    files: tuple[FileResult, ...]
    images: int
    patients: int | None
    """None if only the files' headers name them, which were not read yet."""
    lesions: int
    annotations: int
    margins: dict[MarginType, int]
    checked: bool = False
    """True if every file was decoded and compared with the study."""


Job = Callable[[Emit, IsCancelled], ImportResult]
Search = Callable[[Emit, IsCancelled], FoundFiles]


def look_at(paths: Sequence[Path], layout: str = "", regions: Path | None = None) -> Search:
    """The job that finds what a folder of this layout ("": the one that it has), or these files, would bring.

    ``regions``: table in which a person chose regions, for CDD-CESM.
    """

    def search(_emit: Emit, _cancelled: IsCancelled) -> FoundFiles:
        if len(paths) == 1 and paths[0].is_dir():
            used = layout or recognised(paths[0])
            return found_files(plan_of(paths[0], used, regions), used, paths[0])
        folder = paths[0].resolve().parent
        return found_files(read_files(paths, source=folder.name), IMAGES, folder)

    return search


def found_files(plan: ImportPlan, layout: str, folder: Path) -> FoundFiles:
    lesions = [lesion for image in plan.images for lesion in image.lesions]
    margins = Counter(lesion.labels.margin for lesion in lesions if lesion.labels.margin is not None)
    named = {image.patient for image in plan.images}
    return FoundFiles(
        plan=plan,
        layout=layout,
        folder=folder,
        files=file_results(plan, plan.issues, [True] * len(plan.images)),
        images=len(plan.images),
        patients=None if "" in named else len(named),
        lesions=len(lesions),
        annotations=sum(bool(lesion.fine) for lesion in lesions),
        margins={margin: margins[margin] for margin in MarginType if margins[margin]},
    )


def check_files(found: FoundFiles, study: Study) -> Search:
    """The job that decodes every file and compares it with the study, which does not change."""

    def search(emit: Emit, cancelled: IsCancelled) -> FoundFiles:
        # labels are never updated here: the study is open for writing
        report = preview_import(study, found.plan, known=KnownImages(study), emit=emit, cancelled=cancelled)
        return replace(
            found,
            files=report.files,
            images=report.images,
            patients=report.patients,
            lesions=report.lesions,
            checked=True,
        )

    return search


def import_found(found: FoundFiles, study: Study, choices: ImportChoices) -> Job:
    """The job that imports what was found, as the user chose."""
    plan = msgspec.structs.replace(found.plan, source=choices.source or found.plan.source)
    return _job(lambda: plan, study, choices, found.folder)


def import_folder(folder: Path, study: Study, layout: str = "") -> Job:
    """The job that imports a folder of this layout; of None, of the one it has, or else every image file in it."""
    return _job(lambda: plan_of(folder, layout), study, ImportChoices(), folder)


def _job(make: Callable[[], ImportPlan], study: Study, choices: ImportChoices, folder: Path) -> Job:
    def job(emit: Emit, cancelled: IsCancelled) -> ImportResult:
        plan = make()
        before = {image.id for image in study.images.all()}
        known = KnownImages(study, update_labels=choices.update_labels)
        reached = 0

        def count(event: object) -> None:
            nonlocal reached
            reached = max(reached, getattr(event, "done", 0))
            emit(event)  # type: ignore[arg-type]

        try:
            report: ImportReport | None = run_import(study, plan, known=known, emit=count, cancelled=cancelled)
        except Cancelled:
            report = None
        if report is not None and choices.keep_names:
            keep_names(study, plan, report, folder)
        return result_of(plan, report, reached=reached, kept=study.images.count() - len(before))

    return job


def plan_of(folder: Path, layout: str = "", regions: Path | None = None) -> ImportPlan:
    """By the folder's table, or of its images alone."""
    options = PlanOptions(layout=layout or recognised(folder), choices=regions, skip_bad_rows=True)
    return make_plan(folder, options)


def result_of(plan: ImportPlan, report: ImportReport | None, *, reached: int, kept: int) -> ImportResult:
    if report is None:
        stored = [True if place < reached else None for place in range(len(plan.images))]
        files = file_results(plan, plan.issues, stored)
    else:
        files = report.files
    return ImportResult(
        files=files,
        images=kept,
        lesions=0 if report is None else report.lesions,
        annotations=0 if report is None else report.fine_annotations,
        cancelled=report is None,
    )
