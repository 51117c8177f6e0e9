"""Masks as PNG files at the mammogram's own resolution: 255 where marked, 0 elsewhere."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from core.data.export.collect import ExportItem, collect, each, write_export
from core.domain.atomic import atomic_write
from core.domain.events import Emit, IsCancelled, never, silent
from core.domain.study import Split
from core.imaging.raster import rasterise, rasterise_outline
from core.store.study import Study

LESION, FINE = "lesion", "fine"
_LAYOUT = """
lesion/<name>.png  inside the lesion's outline
fine/<name>.png    the fine annotation; missing where a lesion has none

8-bit grey PNG of the mammogram's size in pixels; 255 is marked (relevant), 0 is not. The masks are drawn from the
readers' vector shapes: a pixel is marked where its centre lies within a shape.
"""


def export_png_masks(
    study: Study,
    folder: Path,
    *,
    readers: Sequence[str] | None = None,
    sources: Sequence[str] | None = None,
    split: Split | None = None,
    emit: Emit = silent,
    cancelled: IsCancelled = never,
) -> int:
    """Write the masks of all lesions into a new folder; returns the number of lesions.

    StudyError where there are none or the folder is not empty; Cancelled leaves no folder.
    """
    items = collect(study, readers=readers, sources=sources, split=split)

    def write(target: Path) -> tuple[ExportItem, ...]:
        for kind in (LESION, FINE):
            (target / kind).mkdir()
        for item in each(items, emit, cancelled):
            atomic_write(target / LESION / f"{item.name}.png", mask_png(lesion_mask(item)))
            if item.truth.fine:
                atomic_write(target / FINE / f"{item.name}.png", mask_png(fine_mask(item)))
        return items

    return write_export(folder, "Masks of lesions and fine annotations", _LAYOUT, write)


def lesion_mask(item: ExportItem) -> NDArray[np.uint8]:
    """(height, width) of the mammogram, 1 inside the outline."""
    return rasterise_outline(item.lesion.outline, width=item.image.width, height=item.image.height)


def fine_mask(item: ExportItem) -> NDArray[np.uint8]:
    """(height, width) of the mammogram, 1 where the fine annotation marks it."""
    return rasterise(
        item.truth.fine,
        width=item.image.width,
        height=item.image.height,
        spacing_mm=item.image.pixel_spacing_mm,
    )


def mask_png(mask: NDArray[np.uint8]) -> bytes:
    """A mask of 0 and 1 as 8-bit PNG of 0 and 255, without any text chunk."""
    buffer = io.BytesIO()
    Pillow.fromarray(mask * np.uint8(255)).save(buffer, "PNG", compress_level=6)
    return buffer.getvalue()
