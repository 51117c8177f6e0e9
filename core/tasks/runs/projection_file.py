"""Pictures of the prototypes as they were projected last, for who watches a training. Without torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.domain.errors import ArrayLostError
from core.domain.geometry import Box
from core.store.hdf5 import Array, arrays_sha256, read_arrays, write_arrays

FILE = "projected.h5"


@dataclass(frozen=True, kw_only=True, eq=False)
class ProjectedPictures:
    source: NDArray[np.uint8]
    """(m, I, I) the lesion that each prototype is a patch of, as the network reads it."""
    box: NDArray[np.float32]
    """(m, 4) x0, y0, x1, y1 of its most relevant part, in pixels of the network input."""
    prototype_class: NDArray[np.int64]
    """(m,) index into the classes of the configuration."""

    def box_of(self, index: int) -> Box:
        x0, y0, x1, y1 = (float(value) for value in self.box[index])
        return Box(x0=x0, y0=y0, x1=x1, y1=y1)


def write_projected(path: Path, found: ProjectedPictures) -> None:
    arrays: dict[str, Array] = {"source": found.source, "box": found.box, "prototype_class": found.prototype_class}
    write_arrays(path, arrays, sha256=arrays_sha256(arrays))


def read_projected(path: Path) -> ProjectedPictures | None:
    """None where there is nothing to see: not projected yet, or the file was lost or damaged."""
    try:
        arrays, sha256 = read_arrays(path)
    except ArrayLostError:
        return None
    source, box, own = (arrays.get(name) for name in ("source", "box", "prototype_class"))
    if source is None or box is None or own is None or arrays_sha256(arrays) != sha256:
        return None
    count = len(source)
    if source.ndim != 3 or source.dtype != np.uint8 or box.shape != (count, 4) or own.shape != (count,):
        return None
    return ProjectedPictures(source=source, box=box.astype(np.float32), prototype_class=own.astype(np.int64))
