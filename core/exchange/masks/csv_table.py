"""Lesions as a CSV in the columns that the program itself imports: shapes come back as they were."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from core.data.importers.folder import COLUMNS
from core.domain.errors import StudyError
from core.domain.messages import message
from core.domain.shapes import encode_shapes
from core.domain.spreadsheet import Cell, csv_document
from core.exchange.collect import ExportItem, collect, each, write_export
from core.exchange.formats import EVERYTHING, QUIET, ExportSelection, ExportTools
from core.exchange.stored_matrix import stored_items
from core.platform.atomic import atomic_write
from core.store.study import Study

FILE = "annotations.csv"
_LAYOUT = """
annotations.csv  one row a lesion in the columns of this program's own import: outline and fine annotation as JSON

The mammograms are not included. patient_id holds the study's pseudonyms. Labels are those of the data set; the
fine annotation is the one that training uses. What other readers labelled or drew, and comments, are not in the
table.
"""
_PSEUDONYMS = """
The column image names files that do not exist: give them the names of your own files before you import the table,
or export it again with --own-file-names.
"""
_OWN_NAMES = """
THE COLUMN image HOLDS YOUR OWN FILE NAMES, which may name patients. With the folder of your images, this table
makes the same lesions in another study: marginalia import STUDY FOLDER --table annotations.csv
"""


def export_csv(
    study: Study,
    folder: Path,
    selection: ExportSelection = EVERYTHING,
    tools: ExportTools = QUIET,
    *,
    file_names: Mapping[str, str] | None = None,
) -> int:
    """Write all lesions into a new folder as one table; returns their number.

    ``file_names``: the user's own name of each image by its id, from ``core.store.file_names``. With them the
    table can be imported again beside the user's files. Without, names are made of pseudonyms.

    Raises: StudyError if there are no lesions, the folder is not empty or an image has no file name; Cancelled,
    which leaves no folder.
    """
    items = stored_items(collect(study, selection))
    _refuse_unnamed(items, file_names)

    def write(target: Path) -> tuple[ExportItem, ...]:
        rows = [_row(item, file_names) for item in each(items, tools)]
        atomic_write(target / FILE, csv_document((*COLUMNS, "reader", "spacing_mm", "frame"), rows))
        return items

    layout = _LAYOUT + (_PSEUDONYMS if file_names is None else _OWN_NAMES)
    return write_export(folder, "Lesions and fine annotations as a table", layout, write)


def _refuse_unnamed(items: Sequence[ExportItem], file_names: Mapping[str, str] | None) -> None:
    """StudyError if the user's name of an image is not known."""
    if file_names is None:
        return
    unnamed = {item.image.id for item in items if item.image.id not in file_names}
    if unnamed:
        raise StudyError(
            message(
                "Your file name of 1 image is not known; import the images again with --keep-file-names, which "
                "keeps the names and changes nothing else."
            )
            if len(unnamed) == 1
            else message(
                "Your file names of {count:,} images are not known; import the images again with "
                "--keep-file-names, which keeps the names and changes nothing else.",
                count=len(unnamed),
            )
        )


def _row(item: ExportItem, file_names: Mapping[str, str] | None) -> tuple[Cell, ...]:
    labels, image = item.lesion.labels, item.image
    file = f"{item.name.rsplit('_', 1)[0]}.png" if file_names is None else file_names[image.id]
    fine = encode_shapes(item.truth.fine).decode() if item.truth.fine else ""
    return (
        file,
        item.patient.pseudonym,
        item.lesion.finding_id,
        image.laterality,
        image.view,
        labels.margin,
        labels.shape,
        labels.density,
        labels.category,
        labels.pathology,
        labels.probability_of_malignancy,
        msgspec.json.encode(item.lesion.outline).decode(),
        fine,
        item.truth.fine_by,
        image.pixel_spacing_mm,
        item.lesion.frame + 1 if image.frames > 1 else None,
    )
