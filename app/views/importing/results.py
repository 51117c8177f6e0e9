"""Results of an import: one line for each file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from core.data.importers.images import read_files
from core.data.importers.importing import run_import
from core.data.importers.layouts import Layout, PlanOptions, make_plan, recognised
from core.data.importers.outcomes import FileResult, ImportReport, file_results
from core.data.importers.plan import ImportPlan, Issue, Severity
from core.domain.errors import Cancelled
from core.domain.events import Emit, IsCancelled
from core.store.study import Study


@dataclass(frozen=True, kw_only=True)
class ImportResult:
    files: tuple[FileResult, ...]
    """Every file of the plan, then rows and files that only the tables mention."""
    images: int
    lesions: int
    annotations: int
    cancelled: bool = False


Job = Callable[[Emit, IsCancelled], ImportResult]


def import_folder(folder: Path, study: Study, layout: Layout | None = None) -> Job:
    """The job that imports a folder of this layout; of None, of the one it has, or else every image file in it."""
    return _job(lambda: plan_of(folder, layout), study)


def import_files(paths: Sequence[Path], study: Study) -> Job:
    """The job that imports these image files."""
    return _job(lambda: read_files(paths, source=paths[0].resolve().parent.name), study)


def _job(make: Callable[[], ImportPlan], study: Study) -> Job:
    def job(emit: Emit, cancelled: IsCancelled) -> ImportResult:
        plan = make()
        before = {image.id for image in study.images.all()}
        reached = 0

        def count(event: object) -> None:
            nonlocal reached
            reached = max(reached, getattr(event, "done", 0))
            emit(event)  # type: ignore[arg-type]

        try:
            report: ImportReport | None = run_import(study, plan, emit=count, cancelled=cancelled)
        except Cancelled:
            report = None
        return result_of(plan, report, reached=reached, kept=study.images.count() - len(before))

    return job


def plan_of(folder: Path, layout: Layout | None = None) -> ImportPlan:
    """By the folder's table, or of its images alone; then every other file is among the issues."""
    layout = layout or recognised(folder)
    plan = make_plan(folder, PlanOptions(layout=layout, skip_bad_rows=True))
    if layout is not Layout.IMAGES:
        return plan
    known = {image.path for image in plan.images}
    others = [path for path in sorted(folder.rglob("*")) if path.is_file() and path not in known]
    left_out = [
        Issue(
            where=path.name,
            sentence=f"{path.name} does not have the name of an image.",
            severity=Severity.LEFT_OUT,
        )
        for path in others
    ]
    return msgspec.structs.replace(plan, issues=(*plan.issues, *left_out))


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
