"""The layout that the authors' released code trains on: one ``.npy`` a lesion, in folders by part and class.

An array is (2, I, I) float32: the ROI in [0, 1], then the mask in the paper's polarity, 0 relevant and 1
irrelevant. Its loader takes classes from the folders' names, in alphabetical order.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.data.roi_set import RoiSet
from core.data.training_set import RoiRequest, build_roi_set
from core.domain.errors import BadFileError
from core.domain.messages import message
from core.exchange.collect import ExportItem, collect, each, write_export
from core.exchange.formats import EVERYTHING, QUIET, ExportSelection, ExportTools
from core.imaging.raster import irrelevant
from core.platform.atomic import atomic_write
from core.store.study import Study

FINER = "finer"
_LAYOUT = """
<part>/<class>/<name>.npy        every lesion: its fine mask where it has one, else its lesion mask
finer/<part>/<class>/<name>.npy  the finely annotated lesions alone

Each array is float32 of the shape (2, I, I): [0] the region of interest from 0 to 1, [1] the mask, where 0 is
RELEVANT and 1 is IRRELEVANT, as in the paper. (Inside Marginalia masks are the opposite.)
"""


@dataclass(frozen=True, kw_only=True, eq=False)
class AuthorsArray:
    """One array, read back in our polarity."""

    name: str
    part: str
    class_name: str
    pixels: NDArray[np.float32]
    """(I, I) in [0, 1]."""
    mask: NDArray[np.float32]
    """(I, I), 1 where relevant."""


def export_authors(
    study: Study,
    folder: Path,
    request: RoiRequest,
    selection: ExportSelection = EVERYTHING,
    tools: ExportTools = QUIET,
) -> int:
    """Write the lesions of the trained classes into a new folder; returns their number.

    Readers and data sets are those of ``request``; of ``selection`` the split counts.

    StudyError where there are none or the folder is not empty; Cancelled leaves no folder.
    """
    rois = build_roi_set(study, request, emit=tools.emit, cancelled=tools.cancelled).rois
    row_of = {lesion: row for row, lesion in enumerate(rois.lesion_ids)}
    wanted = replace(selection, readers=request.readers, sources=request.sources)
    collected = collect(study, wanted, label=request.label)
    items = tuple(
        item for item in collected if item.lesion.id in row_of and rois.label[row_of[item.lesion.id]] >= 0
    )

    def write(target: Path) -> tuple[ExportItem, ...]:
        for item in each(items, tools):
            _write_one(target, rois, row_of[item.lesion.id], item)
        return items

    return write_export(folder, "Regions of interest with masks in the paper's layout", _LAYOUT, write)


def _write_one(target: Path, rois: RoiSet, row: int, item: ExportItem) -> None:
    fine = bool(rois.has_fine[row])
    mask = rois.central((rois.fine if fine else rois.lesion)[row])
    array = np.stack(
        [rois.central(rois.pixels[row]).astype(np.float32) / 255, irrelevant(mask).astype(np.float32)]
    )
    content = _npy(array)
    inner = Path(item.part) / rois.class_names[int(rois.label[row])]
    for folder in [target / inner] + ([target / FINER / inner] if fine else []):
        folder.mkdir(parents=True, exist_ok=True)
        atomic_write(folder / f"{item.name}.npy", content)


def _npy(array: NDArray[np.float32]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def read_authors(folder: Path) -> tuple[AuthorsArray, ...]:
    """The arrays of all parts, without the ``finer`` copies, in the order of part, class and name.

    BadFileError for a file that is no such array. Foreign folders are read the same way.
    """
    found = []
    for path in sorted(folder.glob("*/*/*.npy")):
        part, class_name = path.parts[-3], path.parts[-2]
        if part == FINER:
            continue
        try:
            array = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise BadFileError(
                message(
                    "{file} in {part}/{class_name} is not an array of numbers.",
                    file=path.name,
                    part=part,
                    class_name=class_name,
                )
            ) from error
        if array.ndim != 3 or array.shape[0] != 2 or not np.issubdtype(array.dtype, np.floating):
            raise BadFileError(
                message(
                    "{file} in {part}/{class_name} is not an ROI with a mask: its shape is {shape}, "
                    "(2, height, width) was expected.",
                    file=path.name,
                    part=part,
                    class_name=class_name,
                    shape=array.shape,
                )
            )
        found.append(
            AuthorsArray(
                name=path.stem,
                part=part,
                class_name=class_name,
                pixels=array[0].astype(np.float32),
                mask=irrelevant(array[1].astype(np.float32)),
            )
        )
    return tuple(found)
