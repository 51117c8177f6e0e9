"""A folder of image files without any table: patients and views come from the headers alone."""

from __future__ import annotations

from pathlib import Path

from core.data.importers.plan import ImportPlan, Issue, PlannedImage, Severity
from core.domain.errors import BadFileError

_ENDINGS = {".dcm", ".dicom", ".png", ".pgm", ".tif", ".tiff", ""}
_MOST = 100_000


def plan_loose_files(folder: Path) -> ImportPlan:
    """Every file that may be an image, below ``folder`` too; files with other endings are left out.

    A PNG, PGM or TIFF says nothing of its patient: each one is taken as a patient of its own, by its file name.
    BadFileError where there is nothing at all.
    """
    if not folder.is_dir():
        raise BadFileError(f"{folder} is not a folder; choose the folder that holds the images.")
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    if not files:
        raise BadFileError(f"{folder} holds no files; choose a folder with mammograms.")
    if len(files) > _MOST:
        raise BadFileError(f"{folder} holds more than {_MOST} files; import its parts one after the other.")
    images = []
    issues = []
    for path in files:
        ending = path.suffix.lower()
        if ending not in _ENDINGS or path.name.upper() == "DICOMDIR":
            sentence = f"{path.name} is left out: it is no image by its ending."
            issues.append(Issue(where=path.name, sentence=sentence, severity=Severity.LEFT_OUT))
            continue
        headless = ending in {".png", ".pgm", ".tif", ".tiff"}
        images.append(PlannedImage(path=path, patient=str(path.relative_to(folder)) if headless else ""))
    return ImportPlan(source=folder.resolve().name, images=tuple(images), issues=tuple(issues))
