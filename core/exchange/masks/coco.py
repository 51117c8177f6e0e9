"""COCO JSON (instances) that loses nothing: circles and open lines come back as what they were.

Every annotation has what any COCO reader understands: category, box, area and a segmentation, as polygons whose
union is the marked area or, where something was erased, as uncompressed run lengths. The field ``marginalia``
beside them holds the vector shapes themselves, and ``read_coco`` returns those.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from core.data.importers.coco_document import (
    CocoAnnotation,
    CocoCategory,
    CocoDocument,
    CocoImage,
    Original,
    Rle,
    run_lengths,
)
from core.domain.vocabulary import DISCLAIMER, MarginType
from core.exchange.collect import ExportItem, collect, each, write_export
from core.exchange.formats import EVERYTHING, QUIET, ExportSelection, ExportTools
from core.exchange.masks.clipping import clipped_ring
from core.exchange.masks.png import fine_mask, lesion_mask
from core.exchange.masks.polygons import polygons_of
from core.exchange.stored_matrix import stored_items
from core.platform.atomic import atomic_write
from core.store.study import Study

FILE = "annotations.json"
FINE_CATEGORY, UNLABELLED = "fine annotation", "mass, margin not labelled"
CATEGORIES = (*(f"mass, {margin.value}" for margin in MarginType), UNLABELLED, FINE_CATEGORY)
"""Category k of the list has the id k + 1."""
_LAYOUT = """
annotations.json  COCO instances, coordinates in pixels of the mammograms; the mammograms are not included

One annotation a lesion outline and one a fine annotation. "segmentation" holds polygons that are meant as a union
(an open line becomes the area that its pen sweeps, piece by piece), cut to the image, or run lengths where
something was erased.
"marginalia" beside it holds the readers' shapes themselves: circles, open lines with their width, strokes.
"""


def export_coco(
    study: Study,
    folder: Path,
    selection: ExportSelection = EVERYTHING,
    tools: ExportTools = QUIET,
) -> int:
    """Write all lesions into a new folder as one COCO document; returns their number.

    StudyError where there are none or the folder is not empty; Cancelled leaves no folder.
    """
    items = stored_items(collect(study, selection))

    def write(target: Path) -> tuple[ExportItem, ...]:
        annotations: list[CocoAnnotation] = []
        images = _images(items)
        for item in each(items, tools):
            image_id = images[item.image.id].id
            annotations.append(_outline(item, len(annotations) + 1, image_id))
            if item.truth.fine:
                annotations.append(_fine(item, len(annotations) + 1, image_id))
        document = CocoDocument(
            info={
                "description": "Lesions and fine annotations, exported by Marginalia",
                "disclaimer": DISCLAIMER,
                "synthetic": any(item.image.synthetic for item in items),
            },
            images=tuple(images.values()),
            annotations=tuple(annotations),
            categories=tuple(
                CocoCategory(id=k + 1, name=name, supercategory="breast") for k, name in enumerate(CATEGORIES)
            ),
        )
        atomic_write(target / FILE, msgspec.json.encode(document))
        return items

    return write_export(folder, "COCO annotations", _LAYOUT, write)


def _images(items: Sequence[ExportItem]) -> dict[str, CocoImage]:
    found: dict[str, CocoImage] = {}
    for item in items:
        image = item.image
        if image.id not in found:
            found[image.id] = CocoImage(
                id=len(found) + 1,
                file_name=f"{item.name.rsplit('_', 1)[0]}.png",
                width=image.width,
                height=image.height,
                pseudonym=item.patient.pseudonym,
                pixel_spacing_mm=image.pixel_spacing_mm,
                sha256=image.content_sha256,
                synthetic=image.synthetic,
            )
    return found


def _outline(item: ExportItem, number: int, image_id: int | str) -> CocoAnnotation:
    margin = item.lesion.labels.margin
    category = UNLABELLED if margin is None else f"mass, {margin.value}"
    original = Original(lesion=item.name, kind="outline", shapes=(item.lesion.outline,))
    return _annotation(item, number, image_id, category, original, lesion_mask(item))


def _fine(item: ExportItem, number: int, image_id: int | str) -> CocoAnnotation:
    original = Original(lesion=item.name, kind="fine", shapes=item.truth.fine)
    return _annotation(item, number, image_id, FINE_CATEGORY, original, fine_mask(item))


def _annotation(
    item: ExportItem, number: int, image_id: int | str, category: str, original: Original, mask: NDArray[np.uint8]
) -> CocoAnnotation:
    if any(shape.erases for shape in original.shapes):
        segmentation: Rle | tuple[tuple[float, ...], ...] = run_lengths(mask)
    else:
        rings = [
            ring
            for shape in original.shapes
            for whole in polygons_of(shape, item.image.pixel_spacing_mm)
            if (ring := clipped_ring(whole, item.image.box))
        ]
        segmentation = tuple(tuple(round(v, 3) for point in ring for v in point) for ring in rings)
    return CocoAnnotation(
        id=number,
        image_id=image_id,
        category_id=CATEGORIES.index(category) + 1,
        segmentation=segmentation,
        bbox=_box(mask),
        area=float(mask.sum()),
        marginalia=original,
    )


def _box(mask: NDArray[np.uint8]) -> tuple[float, float, float, float]:
    """(x, y, width, height) of the marked pixels; all 0 where none is."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if len(rows) == 0:
        return 0.0, 0.0, 0.0, 0.0
    x, y = float(columns[0]), float(rows[0])
    return x, y, float(columns[-1] + 1) - x, float(rows[-1] + 1) - y
