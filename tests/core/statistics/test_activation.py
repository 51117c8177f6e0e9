from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.statistics.activation import (
    activation_precision,
    attainable,
    centre_blob,
    chance,
    energy_inside,
    fires_inside,
    top_count,
    top_membership,
)


def test_two_and_a_half_thousand_pixels_of_a_224_grid_count() -> None:
    assert top_count(224 * 224) == 2509  # 0.05 x 50176 = 2508.8
    assert top_count(4) == 1


def test_precision_without_ties_counts_the_top_pixels_inside() -> None:
    a = np.arange(40.0).reshape(1, 5, 8)  # the top 2 of 40 are the last two
    mask = np.zeros((1, 5, 8), dtype=np.uint8)
    mask[0, 4, 7] = 1
    assert activation_precision(a, mask) == pytest.approx([0.5])
    mask[0, 4, 6] = 1
    assert activation_precision(a, mask) == pytest.approx([1.0])


def test_ties_at_the_threshold_share_the_places_that_are_left() -> None:
    # n = 4 of 20 pixels: one value above the threshold (inside), six tied for the three places left, two of
    # the six inside: (1 + 3/6 x 2) / 4
    a = np.zeros((1, 4, 5))
    a[0, 0, 0] = 9
    a[0, 1, :] = 5
    a[0, 2, 0] = 5
    mask = np.zeros((4, 5))
    mask[0, 0] = mask[1, 0] = mask[2, 0] = mask[3, 3] = 1
    assert activation_precision(a, mask, share=0.2) == pytest.approx([0.5])
    weights = top_membership(a, share=0.2)[0]
    assert weights.sum() == 4 and weights[0, 0] == 1
    assert (weights[1] == 0.5).all() and (weights[3] == 0).all()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.floats(-5, 5))
def test_constant_map_scores_the_area_of_the_mask(seed: int, value: float) -> None:
    mask = (np.random.default_rng(seed).random((1, 14, 14)) < 0.3).astype(np.uint8)
    mask[0, 0, 0] = 1
    assert activation_precision(np.full((1, 14, 14), value), mask) == pytest.approx(mask.mean())
    assert chance(mask) == pytest.approx(mask.mean())


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_strictly_increasing_transforms_leave_precision_unchanged(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a = rng.integers(0, 30, (3, 20, 20)) / 4.0
    mask = rng.random((3, 20, 20)) < 0.4
    assert (activation_precision(a, mask) == activation_precision(np.exp(a) - 7, mask)).all()


def test_precision_is_the_mask_weighted_by_top_membership() -> None:
    rng = np.random.default_rng(0)
    a = rng.integers(0, 6, (4, 24, 24)).astype(np.float32)
    mask = rng.random((4, 24, 24))
    expected = (top_membership(a) * mask).sum(axis=(1, 2)) / top_count(24 * 24)
    assert activation_precision(a, mask) == pytest.approx(expected, rel=1e-5)


def test_swapping_the_polarity_of_the_mask_gives_the_complement() -> None:
    rng = np.random.default_rng(1)
    a, mask = rng.random((5, 20, 20)), (rng.random((5, 20, 20)) < 0.2).astype(np.uint8)
    assert activation_precision(a, mask) == pytest.approx(1 - activation_precision(a, 1 - mask))


def test_images_without_a_mask_are_undefined_everywhere() -> None:
    a, empty = np.random.default_rng(2).random((1, 10, 10)), np.zeros((1, 10, 10), dtype=np.uint8)
    for value in (
        activation_precision(a, empty),
        chance(empty),
        attainable(empty),
        energy_inside(a, empty),
        fires_inside(a, empty),
    ):
        assert np.isnan(value).all()


def test_attainable_maximum_is_the_share_of_the_top_that_the_mask_can_fill() -> None:
    mask = np.zeros((2, 20, 20), dtype=np.uint8)
    mask[0, 0, :5] = 1  # 5 of the n = 20
    mask[1, :3] = 1
    assert attainable(mask) == pytest.approx([0.25, 1.0])
    best = activation_precision(mask.astype(float), mask)
    assert best[1] == pytest.approx(1.0)


def test_blob_in_the_middle_fires_in_the_middle_and_is_symmetric() -> None:
    blob = centre_blob(20, 20)
    assert (blob == blob[::-1]).all() and (blob == blob.T).all()
    mask = np.zeros((20, 20))
    mask[7:13, 7:13] = 1
    assert activation_precision(blob[None], mask) == pytest.approx([1.0])
    assert activation_precision(blob[None], 1 - mask) == pytest.approx([0.0])


def test_energy_is_the_share_of_the_sum() -> None:
    a = np.array([[[1.0, 2.0], [3.0, 4.0]], [[0, 0], [0, 0]]])
    found = energy_inside(a, np.array([[0, 1], [0, 1]]))
    assert found[0] == pytest.approx(0.6) and np.isnan(found[1])
    with pytest.raises(ValueError, match="negative"):
        energy_inside(-a, np.ones((2, 2)))


def test_firing_inside_needs_one_of_the_top_pixels() -> None:
    a = np.arange(40.0).reshape(1, 5, 8).repeat(2, axis=0)
    mask = np.zeros((2, 5, 8))
    mask[0, 4, 6] = 1
    mask[1, 0, 0] = 1
    assert fires_inside(a, mask).tolist() == [1, 0]


def test_other_sizes_and_nan_are_refused() -> None:
    with pytest.raises(ValueError, match="do not match"):
        activation_precision(np.zeros((1, 4, 4)), np.zeros((1, 5, 4)))
    with pytest.raises(ValueError, match="NaN"):
        activation_precision(np.full((1, 4, 4), np.nan), np.ones((4, 4)))


@pytest.mark.parametrize("measure", [activation_precision, energy_inside, fires_inside])
def test_a_mask_of_0_and_255_is_refused(measure: Callable[..., np.ndarray]) -> None:
    mask = np.zeros((1, 8, 8), np.uint8)
    mask[0, 2:5, 2:5] = 1
    maps = np.random.default_rng(0).random((1, 8, 8))
    assert measure(maps, mask)[0] <= 1
    for wrong in (mask * 255, mask.astype(np.float64) * 1.5, -mask.astype(np.int64)):
        with pytest.raises(ValueError, match="from 0 to 1"):
            measure(maps, wrong)
        with pytest.raises(ValueError, match="from 0 to 1"):
            chance(wrong)
        with pytest.raises(ValueError, match="from 0 to 1"):
            attainable(wrong)
    assert measure(maps, mask.astype(bool))[0] == measure(maps, mask)[0]
