"""Patches that a reader called medically irrelevant: no later prototype starts from one or becomes one."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from core.data.roi_set import RoiSet
from core.domain.geometry import Box

Cells = NDArray[np.bool_]


class ForgottenPatch(msgspec.Struct, frozen=True, kw_only=True):
    """Where a prototype came from that was marked as not medically relevant."""

    run: str
    """Name of the run whose prototype it is."""
    number: int
    """Number of that prototype, from 1."""
    lesion_id: str
    box: Box
    """Box of the patch, in pixels of the mammogram."""

    @property
    def words(self) -> str:
        return f"prototype {self.number} of run {self.run} (lesion {self.lesion_id[:8]})"


def among(forgotten: Sequence[ForgottenPatch], rois: RoiSet) -> tuple[ForgottenPatch, ...]:
    """Return those whose lesion is one of the ROIs; the others could not come back anyway."""
    there = set(rois.lesion_ids)
    return tuple(one for one in forgotten if one.lesion_id in there)


def forgotten_cells(forgotten: Sequence[ForgottenPatch], rois: RoiSet, grid: tuple[int, int]) -> Cells:
    """Return (n, H, W): the latent cells of each ROI that show a forgotten patch.

    A cell does where its centre lies in the patch or the patch's centre in it: the very cell under the same
    transform and grid, the nearest ones under another.
    """
    found = np.zeros((len(rois), *grid), dtype=np.bool_)
    row_of = {lesion: row for row, lesion in enumerate(rois.lesion_ids)}
    size = rois.transform.input_size
    height, width = size / grid[0], size / grid[1]
    y, x = (np.arange(grid[0]) + 0.5) * height, (np.arange(grid[1]) + 0.5) * width
    for one in among(forgotten, rois):
        row = row_of[one.lesion_id]
        box = rois.image_to_input[row].of_box(one.box)
        inside = ((y >= box.y0) & (y <= box.y1))[:, None] & ((x >= box.x0) & (x <= box.x1))[None]
        at_x, at_y = box.centre
        around = (abs(y - at_y) <= height / 2)[:, None] & (abs(x - at_x) <= width / 2)[None]
        found[row] |= inside | around
    return found
