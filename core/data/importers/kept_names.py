"""The user's own file names, kept beside the study if the user wants it (``core.store.file_names``)."""

from __future__ import annotations

from pathlib import Path

from core.data.importers.outcomes import ImportReport
from core.data.importers.plan import ImportPlan
from core.store.file_names import add_names
from core.store.study import Study


def own_names(plan: ImportPlan, report: ImportReport, folder: Path) -> list[str]:
    """For each line of the report the file's path below the folder, as a table of lesions names it."""
    images = [
        image.path.relative_to(folder).as_posix() if image.path.is_relative_to(folder) else plan.name_of(image)
        for image in plan.images
    ]
    return images + [file.name for file in report.files[len(images) :]]


def keep_names(study: Study, plan: ImportPlan, report: ImportReport, folder: Path) -> Path:
    """Keep the name of each file whose image the study holds now, also if it held it before. Returns the table."""
    there = {image.id for image in study.images.all()}
    lines = zip(own_names(plan, report, folder), report.files, strict=True)
    return add_names(study.folder, {file.image_id: name for name, file in lines if file.image_id in there})
