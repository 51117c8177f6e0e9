"""A mask as shapes, and back to the bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from core.data.mask_shapes import shapes_of_mask
from core.imaging.raster import rasterise


def drawn(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return rasterise(shapes_of_mask(mask), width=mask.shape[1], height=mask.shape[0])


@settings(max_examples=60, deadline=None)
@given(arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 1)))
def test_any_mask_comes_back_to_the_bit(mask: NDArray[np.uint8]) -> None:
    np.testing.assert_array_equal(drawn(mask), mask)


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5])
def test_islands_in_holes_are_drawn_after_them(depth: int) -> None:
    mask = np.zeros((30, 26), np.uint8)
    for k in range(depth):
        mask[2 * k + 1 : 29 - 2 * k, 2 * k + 1 : 25 - 2 * k] = (k + 1) % 2
    assert [shape.erases for shape in shapes_of_mask(mask)] == [k % 2 == 1 for k in range(depth)]
    np.testing.assert_array_equal(drawn(mask), mask)
