"""Which part of an activation map is shown as the most relevant, and how much of the image one cell sees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn

from core.domain.geometry import Box
from core.statistics.activation import lowest_of_top

RELEVANT_SHARE = 0.05
"""The top 5% of the upsampled map (paper, eq. 1 and Fig. 4c)."""


def most_relevant(activation: NDArray[np.floating], share: float = RELEVANT_SHARE) -> NDArray[np.bool_]:
    """Pixels of the map (H, W) that are no lower than its ``round(share x H x W)``-th largest value.

    Ties at that value all belong: of a constant map every pixel is as relevant as any other.
    """
    chosen: NDArray[np.bool_] = activation >= lowest_of_top(activation, share)
    return chosen


def most_relevant_box(activation: NDArray[np.floating], share: float = RELEVANT_SHARE) -> Box:
    """Bounding box of the most relevant pixels of a map (I, I), in network-input pixels."""
    return box_of(most_relevant(activation, share))


def box_of(chosen: NDArray[np.bool_]) -> Box:
    """Bounding box of the pixels that are True, of which there is one at least."""
    rows, columns = np.flatnonzero(chosen.any(axis=1)), np.flatnonzero(chosen.any(axis=0))
    return Box(x0=int(columns[0]), y0=int(rows[0]), x1=int(columns[-1]) + 1, y1=int(rows[-1]) + 1)


@dataclass(frozen=True, kw_only=True)
class ReceptiveField:
    """The input pixels that can change one cell of a trunk's output (196 px for VGG-16 conv5_3)."""

    size: int
    """Side in input pixels, where the input's edge does not cut it."""
    stride: int
    """Input pixels from one cell to the next."""
    first_centre: float
    """Continuous coordinate of the centre of cell 0."""

    def box(self, cell: tuple[int, int], input_size: int) -> Box:
        """Return the box of the cell (row, column), in network-input pixels, cut at the input's edge."""
        (y0, y1), (x0, x1) = (self._span(index, input_size) for index in cell)
        return Box(x0=x0, y0=y0, x1=x1, y1=y1)

    def _span(self, index: int, input_size: int) -> tuple[float, float]:
        centre = self.first_centre + index * self.stride
        return max(0.0, centre - self.size / 2), min(float(input_size), centre + self.size / 2)


def receptive_field(trunk: nn.Module) -> ReceptiveField:
    """The receptive field along the longest path of a VGG, ResNet, DenseNet or any plain stack of layers.

    In all of these the layers of the longest path are the registered convolutions and poolings, in order, less
    the shortcuts of a ResNet (named ``downsample``).
    """
    size, stride, start = 1, 1, 0.5
    for name, layer in trunk.named_modules():
        if "downsample" in name or not isinstance(layer, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d):
            continue
        kernel, step, padding = (_first(v) for v in (layer.kernel_size, layer.stride, layer.padding))
        reach = (kernel - 1) * _first(getattr(layer, "dilation", 1))
        start += (reach / 2 - padding) * stride
        size += reach * stride
        stride *= step
    return ReceptiveField(size=size, stride=stride, first_centre=start)


def _first(value: object) -> int:
    """One number of a layer's setting, which torch keeps as an int or as a pair."""
    one = value[0] if isinstance(value, tuple) else value
    if not isinstance(one, int):
        raise TypeError(f"a layer with the setting {value!r} has no fixed receptive field")
    return one
