"""Lesions as a CSV in the columns that the program itself imports: shapes come back as they were."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from core.data.importers.folder import COLUMNS
from core.domain.events import Emit, IsCancelled, never, silent
from core.domain.shapes import encode_shapes
from core.domain.spreadsheet import Cell, csv_document
from core.domain.study import Split
from core.exchange.collect import ExportItem, collect, each, write_export
from core.exchange.stored_matrix import stored_items
from core.platform.atomic import atomic_write
from core.store.study import Study

FILE = "annotations.csv"
_LAYOUT = """
annotations.csv  one row a lesion in the columns of this program's own import: outline and fine annotation as JSON

The mammograms are not included. To import the table, put them into the folder under the names in the column image,
and rename it to lesions.csv. patient_id holds the study's pseudonyms.
"""


def export_csv(
    study: Study,
    folder: Path,
    *,
    readers: Sequence[str] | None = None,
    sources: Sequence[str] | None = None,
    split: Split | None = None,
    emit: Emit = silent,
    cancelled: IsCancelled = never,
) -> int:
    """Write all lesions into a new folder as one table; returns their number.

    StudyError where there are none or the folder is not empty; Cancelled leaves no folder.
    """
    items = stored_items(collect(study, readers=readers, sources=sources, split=split))

    def write(target: Path) -> tuple[ExportItem, ...]:
        rows = [_row(item) for item in each(items, emit, cancelled)]
        atomic_write(target / FILE, csv_document((*COLUMNS, "reader", "spacing_mm"), rows))
        return items

    return write_export(folder, "Lesions and fine annotations as a table", _LAYOUT, write)


def _row(item: ExportItem) -> tuple[Cell, ...]:
    labels, image = item.lesion.labels, item.image
    fine = encode_shapes(item.truth.fine).decode() if item.truth.fine else ""
    return (
        f"{item.name.rsplit('_', 1)[0]}.png", item.patient.pseudonym, item.lesion.finding_id, image.laterality,
        image.view, labels.margin, labels.shape, labels.density, labels.category, labels.pathology,
        labels.probability_of_malignancy, msgspec.json.encode(item.lesion.outline).decode(), fine,
        item.truth.fine_by, image.pixel_spacing_mm,
    )  # fmt: skip
