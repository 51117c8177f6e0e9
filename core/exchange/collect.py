"""Common parts of every export: the choice of lesions, their names, and a folder that is complete or absent.

Exports carry pseudonyms only: no identifier of a patient, no date, no free text that a reader typed.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from core.data.labels import LabelName, LesionTruth, Opinions
from core.domain.errors import Cancelled, StudyError
from core.domain.events import Progress
from core.domain.messages import message
from core.domain.spreadsheet import Cell, csv_document
from core.domain.study import Image, Lesion, Patient
from core.domain.vocabulary import DISCLAIMER
from core.exchange.formats import EVERYTHING, ExportSelection, ExportTools
from core.platform.atomic import atomic_write, make_folder, storage_error
from core.platform.system import sync_folder
from core.store.study import Study

T = TypeVar("T")
LESIONS = "lesions.csv"
README = "README.txt"
_COLUMNS = (
    "name",
    "pseudonym",
    "source",
    "part",
    "margin",
    "shape",
    "density",
    "category",
    "pathology",
    "label",
    "laterality",
    "view",
    "width",
    "height",
    "pixel_spacing_mm",
    "synthetic",
    "fine_annotation_by",
    "image_sha256",
)
_UNSAFE = re.compile(r"[^A-Za-z0-9-]+")


@dataclass(frozen=True, kw_only=True)
class ExportItem:
    """One lesion to export."""

    name: str
    """The name of its files: pseudonym, view, beginning of the image's id, number of the lesion."""
    patient: Patient
    image: Image
    lesion: Lesion
    truth: LesionTruth
    part: str
    """The part of the split, or "all" if there is none."""


def collect(
    study: Study, selection: ExportSelection = EVERYTHING, *, label: LabelName = "margin"
) -> tuple[ExportItem, ...]:
    """The lesions of a study in its order; StudyError where there are none."""
    split, sources = selection.split, selection.sources
    patients = {patient.id: patient for patient in study.patients.all()}
    images = {image.id: image for image in study.images.all()}
    opinions = Opinions(study, label=label, readers=selection.readers)
    items = []
    for lesion in study.lesions.all():
        image = images[lesion.image_id]
        patient = patients[image.patient_id]
        part = "all" if split is None else str(split.parts.get(patient.id, ""))
        if part and (sources is None or patient.source in sources):
            items.append(
                ExportItem(
                    name=_name(patient, image, lesion),
                    patient=patient,
                    image=image,
                    lesion=lesion,
                    truth=opinions.of(lesion),
                    part=part,
                )
            )
    if not items:
        raise StudyError(message("There is nothing to export: the selection holds no lesion of the study."))
    return tuple(items)


def _name(patient: Patient, image: Image, lesion: Lesion) -> str:
    """Only letters, digits, "-" and "_": what a data set calls a patient never becomes a path."""
    view = f"{image.laterality or ''}{image.view or ''}"
    parts = (patient.pseudonym, view, image.id[:8], str(lesion.number))
    return "_".join(_UNSAFE.sub("-", part) for part in parts if part)


def each(items: Sequence[T], tools: ExportTools) -> Iterator[T]:
    """The items one by one, with progress after each; Cancelled between two."""
    for done, item in enumerate(items, start=1):
        if tools.cancelled():
            raise Cancelled
        yield item
        tools.emit(Progress(stage="export", done=done, total=len(items)))


def write_export(folder: Path, what: str, layout: str, write: Callable[[Path], Sequence[ExportItem]]) -> int:
    """Make ``folder`` with what ``write`` puts into it, a table of the lesions and a README; returns their number.

    ``write`` returns what it exported; see ``new_folder``.
    """
    count = 0

    def fill(making: Path) -> None:
        nonlocal count
        items = write(making)
        atomic_write(making / LESIONS, csv_document(_COLUMNS, [_row(item) for item in items]))
        atomic_write(making / README, readme(what, layout, items).encode())
        count = len(items)

    new_folder(folder, fill)
    return count


def new_folder(folder: Path, fill: Callable[[Path], None]) -> None:
    """Make ``folder`` with what ``fill`` puts into a temporary one beside it; it appears when all is written.

    StudyError where it exists and is not empty, StorageFullError where there is no room.
    """
    folder = folder.absolute()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise StudyError(message("{folder} is not empty; choose a new folder for the export.", folder=folder))
    try:
        make_folder(folder.parent)
        making = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".part", dir=_beside(folder)))
    except OSError as error:
        raise storage_error(error, folder) or error from error
    try:
        fill(making)
        _appear(making, folder)
    except OSError as error:
        raise storage_error(error, folder) or error from error
    finally:
        shutil.rmtree(making, ignore_errors=True)


def _beside(folder: Path) -> Path:
    """Return a working path on the same file system as the folder, which may be a mount point."""
    return folder if folder.exists() else folder.parent


def _appear(making: Path, folder: Path) -> None:
    """Put what was made in its place. An empty folder that is there may be a mount point: it is filled, README
    last, and not replaced."""
    if folder.exists():
        for child in sorted(making.iterdir(), key=lambda path: path.name == README):
            child.rename(folder / child.name)
        sync_folder(folder)
    else:
        making.rename(folder)
    sync_folder(folder.parent)


def _row(item: ExportItem) -> tuple[Cell, ...]:
    labels, image = item.lesion.labels, item.image
    return (
        item.name,
        item.patient.pseudonym,
        item.patient.source,
        item.part,
        labels.margin,
        labels.shape,
        labels.density,
        labels.category,
        labels.pathology,
        item.truth.word,
        image.laterality,
        image.view,
        image.width,
        image.height,
        image.pixel_spacing_mm,
        image.synthetic,
        item.truth.fine_by,
        image.content_sha256,
    )


def readme(what: str, layout: str, items: Sequence[ExportItem], *, table: bool = True) -> str:
    """Words that go with every export; ``table``: whether a table of the lesions does too."""
    synthetic = sum(item.image.synthetic for item in items)
    patients = len({item.patient.id for item in items})
    lines = [f"{what}, exported by Marginalia", "", DISCLAIMER, ""]
    if synthetic:
        lines += [f"SYNTHETIC: {synthetic} of {len(items)} lesions lie in computer-made images of no patient.", ""]
    lines += [
        f"{len(items)} lesions of {patients} patients. Patients go by the study's pseudonyms; no identifier, date",
        "or comment is in this folder. Images of patients are personal data all the same: pass them on only as",
        "their source and your ethics approval allow.",
        "",
        layout.strip(),
        "",
    ]
    if not table:
        return "\n".join(lines)
    lines += [
        f"{LESIONS}: one row a lesion. margin to pathology: as the data set says; label: the label that training",
        "uses as ground truth (readers before the data set). Text that a spreadsheet could run begins with a "
        "quote.",
        "",
    ]
    return "\n".join(lines)
