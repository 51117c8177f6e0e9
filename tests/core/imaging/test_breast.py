"""The breast is found, so that the air beside it need not be shown."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from core.imaging.breast import breast_box


def mammogram(*, air: int = 20, label: bool = False) -> NDArray[np.uint16]:
    """A breast from the left edge to column 300 of 600, rows 100 to 500 of 800, on noisy air."""
    y, x = np.mgrid[:800, :600]
    noise = np.random.default_rng(3).integers(0, 40, (800, 600))
    inside = (x / 300) ** 2 + ((y - 300) / 200) ** 2 < 1
    pixels = np.where(inside, 1500 + 8 * noise + x, air + noise)
    if label:
        pixels[20:60, 540:590] = 4000
    return pixels.astype(np.uint16)


@pytest.mark.parametrize("label", [False, True])
@pytest.mark.parametrize("inverted", [False, True])
def test_the_box_holds_the_breast_and_little_air(label: bool, inverted: bool) -> None:
    pixels = mammogram(label=label)
    box = breast_box(4095 - pixels if inverted else pixels, inverted=inverted)
    assert box is not None
    assert box.x0 == 0 and 300 <= box.x1 * 600 <= 325
    assert 75 <= box.y0 * 800 <= 100 and 500 <= box.y1 * 800 <= 525


def test_padding_is_no_breast() -> None:
    pixels = mammogram()
    pixels[:, 450:] = 5000
    box = breast_box(pixels, inverted=False, padding=(4900, 5100))
    assert box is not None and 300 <= box.x1 * 600 <= 325


def test_a_breast_that_fills_the_picture_and_an_empty_picture_have_no_box() -> None:
    y, x = np.mgrid[:400, :300]
    full = (1000 + 300 * np.sin(x / 9) * np.cos(y / 7)).astype(np.uint16)
    full[:6] = 0
    assert breast_box(full, inverted=False) is None
    assert breast_box(np.zeros((400, 300), np.uint16), inverted=False) is None
