"""A folder of mammograms without a table: everything to draw and to label comes later.

DICOM files say themselves whose they are. Of other formats nobody knows the patient, so that each file is taken
for a patient of its own, and the import says so: a split by patient is only as good as that.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from core.data.importers.plan import ImportPlan, Issue, PlannedImage, Severity

DICOM_ENDINGS = (".dcm", ".dicom", ".ima", "")
OTHER_ENDINGS = (".png", ".pgm", ".tif", ".tiff", ".jpg", ".jpeg")


def image_files(folder: Path) -> list[Path]:
    """Files below ``folder`` that may be images by their ending, sorted; links to elsewhere are not followed."""
    found = []
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(place, name)
            known = path.suffix.lower() in DICOM_ENDINGS + OTHER_ENDINGS
            if known and not name.startswith(".") and name != "DICOMDIR" and not path.is_symlink():
                found.append(path)
    return sorted(found)


def read_images(folder: Path, *, source: str) -> ImportPlan:
    """The plan for every image file below ``folder``, without lesions."""
    images, unknown = [], 0
    for path in image_files(folder):
        where = path.relative_to(folder).as_posix()
        other = path.suffix.lower() in OTHER_ENDINGS
        unknown += other
        images.append(PlannedImage(path=path, patient=f"file {where}" if other else "", where=where))
    return ImportPlan(source=source, images=tuple(images), issues=_of_nobody(unknown))


def read_files(paths: Sequence[Path], *, source: str) -> ImportPlan:
    """The plan for single image files."""
    images, unknown = [], 0
    for path in paths:
        other = path.suffix.lower() in OTHER_ENDINGS
        unknown += other
        images.append(PlannedImage(path=path, patient=f"file {path.name}" if other else "", where=path.name))
    return ImportPlan(source=source, images=tuple(images), issues=_of_nobody(unknown))


def _of_nobody(unknown: int) -> tuple[Issue, ...]:
    """What is to be said of files whose patient nobody knows."""
    issues = []
    if unknown:
        sentence = (
            f"{unknown} file{'s have' if unknown > 1 else ' has'} no patient ID; each is treated as a separate "
            "patient. If several images show one patient, give a table with patient_id, so that no split "
            "separates them."
        )
        issues.append(Issue(where="", sentence=sentence, severity=Severity.NOTE))
    return tuple(issues)
