"""Masks as files of one kind, and as PNG: at the mammogram's own resolution, 255 where marked, 0 elsewhere."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from core.exchange.collect import ExportItem, collect, each, write_export
from core.exchange.formats import EVERYTHING, QUIET, ExportSelection, ExportTools
from core.exchange.stored_matrix import stored_items
from core.imaging.raster import rasterise, rasterise_outline
from core.platform.atomic import atomic_write
from core.store.study import Study

LESION, FINE = "lesion", "fine"
_LAYOUT = """
lesion/<name>.png  inside the lesion's outline
fine/<name>.png    the fine annotation; missing where a lesion has none

8-bit grey PNG of the mammogram's size in pixels; 255 is marked (relevant), 0 is not. The masks are drawn from the
readers' vector shapes: a pixel is marked where its centre lies within a shape.
"""


@dataclass(frozen=True, kw_only=True)
class MaskFiles:
    """A kind of file that holds one mask."""

    what: str
    """The description of the export in its readme; ``layout``: its files."""
    layout: str
    suffix: str
    encode: Callable[[NDArray[np.uint8], float | None], bytes]
    """From a mask (rows, columns), 1 where marked, and the pixel spacing in mm where it is known."""


def export_masks(
    study: Study,
    folder: Path,
    selection: ExportSelection = EVERYTHING,
    tools: ExportTools = QUIET,
    *,
    files: MaskFiles,
) -> int:
    """Write the masks of all lesions into a new folder; returns the number of lesions.

    StudyError where there are none or the folder is not empty; Cancelled leaves no folder.
    """
    items = stored_items(collect(study, selection))

    def write(target: Path) -> tuple[ExportItem, ...]:
        for kind in (LESION, FINE):
            (target / kind).mkdir()
        for item in each(items, tools):
            name, spacing = f"{item.name}{files.suffix}", item.image.pixel_spacing_mm
            atomic_write(target / LESION / name, files.encode(lesion_mask(item), spacing))
            if item.truth.fine:
                atomic_write(target / FINE / name, files.encode(fine_mask(item), spacing))
        return items

    return write_export(folder, files.what, files.layout, write)


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


PNG = MaskFiles(
    what="Masks of lesions and fine annotations",
    layout=_LAYOUT,
    suffix=".png",
    encode=lambda mask, spacing_mm: mask_png(mask),
)
export_png_masks = partial(export_masks, files=PNG)
