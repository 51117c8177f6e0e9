"""Automatic bands: where they lie, whom they are given to, and that they count nowhere as annotations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from core.data.automatic_band import BAND_SHARE, band_along, with_automatic_bands
from tests.core.training.tiny import tiny_rois


def _disc(radius: float, *, size: int = 120, x: float = 60.0, y: float = 60.0) -> np.ndarray:
    rows, columns = np.mgrid[:size, :size] + 0.5
    return (np.hypot(columns - x, rows - y) <= radius).astype(np.uint8)


def test_the_band_lies_on_both_sides_of_the_border() -> None:
    band, rows = band_along(_disc(30)), np.mgrid[:120, :120] + 0.5
    distance = np.hypot(rows[1] - 60, rows[0] - 60)
    half = round(BAND_SHARE * 60 / 2)
    assert band[(distance > 30 - half + 1) & (distance < 30 + half - 1)].all()
    assert not band[(distance < 30 - half - 1) | (distance > 30 + half + 1)].any()


def test_a_box_gets_the_band_of_its_inscribed_ellipse() -> None:
    box = np.zeros((120, 120), np.uint8)
    box[30:90, 20:100] = 1
    band = band_along(box)
    assert not band[30:36, 20:26].any() and not band[84:90, 94:100].any()
    assert band[60, 20] and band[30, 60] and not band[60, 60]


def test_there_is_no_border_where_the_lesion_leaves_the_grid() -> None:
    band = band_along(_disc(30, x=0.0))
    assert not band[58:62, 0:20].any() and band[58:62, 28:32].all()
    assert not band_along(np.zeros((20, 20), np.uint8)).any()


def test_only_outlines_without_an_annotation_get_a_band() -> None:
    rois = tiny_rois()
    lesion = rois.lesion.copy()
    lesion[1] = 0
    has_fine = np.zeros(len(rois), np.bool_)
    has_fine[0] = True
    fine = np.zeros_like(rois.fine)
    fine[0, 3, 3] = 1
    given = replace(rois, lesion=lesion, fine=fine, has_fine=has_fine)
    made, banded = with_automatic_bands(given)
    assert banded.tolist()[:3] == [False, False, True] and not given.has_fine[2]
    np.testing.assert_array_equal(made.fine[0], given.fine[0])
    assert not made.fine[1].any() and not made.has_fine[1]
    np.testing.assert_array_equal(made.fine[2], band_along(lesion[2]))
    assert made.has_fine.sum() == len(rois) - 1
    np.testing.assert_array_equal(made.pixels, given.pixels)
