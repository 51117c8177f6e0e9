"""Stability, faithfulness and abstention."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import auc

from core.statistics.auroc import auroc
from core.statistics.coverage import coverage_curve
from core.statistics.faithfulness import SHARES, area_under, first_pixels
from core.statistics.stability import rank_correlation, top_overlap


def test_a_map_overlaps_itself_wholly_and_a_map_elsewhere_not_at_all() -> None:
    a = np.arange(400.0).reshape(1, 20, 20)
    assert top_overlap(a, a) == pytest.approx([1.0])
    assert top_overlap(a, -a) == pytest.approx([0.0])
    # the top 20 of 400 are one row of 20; ten columns further, half of it is shared: 10 / 30
    b = np.zeros((1, 20, 40))
    b[0, 5, :40] = 1
    c = b.copy()
    b[0, 5, 20:] = 0.5
    c[0, 5, :] = np.where((np.arange(40) >= 10) & (np.arange(40) < 30), 1, 0.5)
    assert top_overlap(b, c, share=20 / 800) == pytest.approx([10 / 30])


def test_ties_overlap_in_part() -> None:
    # two places among four tied pixels: each belongs by half
    flat, sharp = np.zeros((1, 2, 2)), np.array([[[2.0, 1.0], [0, 0]]])
    assert top_overlap(flat, sharp, share=0.5) == pytest.approx([(0.5 + 0.5) / (1 + 1 + 0.5 + 0.5)])


def test_rank_correlation_is_scipys_and_undefined_for_a_constant_map() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 9, (3, 14, 14)), rng.integers(0, 9, (3, 14, 14))
    b[1] = -a[1]
    found = rank_correlation(a, b)
    assert found == pytest.approx([spearmanr(x.ravel(), y.ravel()).statistic for x, y in zip(a, b, strict=True)])
    assert found[1] == pytest.approx(-1)
    assert np.isnan(rank_correlation(np.zeros((1, 3, 3)), rng.random((1, 3, 3)))).all()
    with pytest.raises(ValueError, match="cannot be compared"):
        rank_correlation(a, b[:, :3])


def test_pixels_go_in_the_order_of_the_map_and_masks_are_nested() -> None:
    a = np.array([[4.0, 1.0], [3.0, 2.0]])
    masks = first_pixels(a, [0, 0.25, 0.5, 1])
    assert masks.sum(axis=(1, 2)).tolist() == [0, 1, 2, 4]
    assert masks[1].tolist() == [[True, False], [False, False]]
    assert masks[2].tolist() == [[True, False], [True, False]]
    constant = first_pixels(np.zeros((10, 10)), SHARES, seed=3)
    assert (constant[1:] >= constant[:-1]).all() and len(constant) == 21
    assert (constant != first_pixels(np.zeros((10, 10)), SHARES, seed=4)).any()


def test_area_is_that_of_the_trapezoids() -> None:
    rng = np.random.default_rng(1)
    curves = rng.random((4, 21))
    assert area_under(curves) == pytest.approx([auc(SHARES, c) for c in curves])
    assert area_under([[1.0, 0.0]], [0, 1]) == pytest.approx([0.5])
    with pytest.raises(ValueError, match="do not match"):
        area_under(curves, [0, 1])
    with pytest.raises(ValueError, match="rise"):
        area_under([[1.0, 0.0]], [1, 0])


def test_coverage_keeps_the_images_of_most_evidence_and_ties_together() -> None:
    evidence = np.array([5.0, 4, 3, 3, 1])
    y, s = np.array([1, 0, 1, 0, 0]), np.array([0.9, 0.1, 0.2, 0.7, 0.8])
    points = coverage_curve(evidence, lambda keep: auroc(y[keep], s[keep]), (0.2, 0.4, 0.6, 1.0))
    assert [p.kept for p in points] == [1, 2, 4, 5]
    assert [p.threshold for p in points] == [5, 4, 3, 1]
    assert points[0].statistic.value is None  # one image, one class
    assert points[1].statistic.value == 1
    assert points[3].statistic.value == pytest.approx(auroc(y, s).value)
    with pytest.raises(ValueError, match="shares"):
        coverage_curve(evidence, lambda keep: auroc(y[keep], s[keep]), (0.0,))
    with pytest.raises(ValueError, match="NaN"):
        coverage_curve([np.nan], lambda keep: auroc(y[keep], s[keep]))
