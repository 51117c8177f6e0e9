from __future__ import annotations

import numpy as np
import pytest

from core.statistics.activation_summary import (
    PairTable,
    compare_tables,
    image_values,
    over_images,
    pair_draws,
    summarise,
)
from core.statistics.bootstrap import resample

NAMES = ("circumscribed", "indistinct", "spiculated")


def table() -> PairTable:
    """Three images: two of class 0 (prototypes 0, 1), one of class 1 (prototype 2); one pair undefined."""
    return PairTable(
        image=np.array([0, 0, 1, 1, 2]),
        prototype=np.array([0, 1, 0, 1, 2]),
        klass=np.array([0, 0, 0, 0, 1]),
        value=np.array([1.0, 0.0, 0.5, np.nan, 0.2]),
    )


def test_means_over_pairs_images_classes_and_prototypes_are_the_hand_computed_ones() -> None:
    found = summarise(table(), NAMES, resample(["p", "p", "q"], 3, draws=200))
    assert found.over_pairs.value == pytest.approx(1.7 / 4)
    assert found.over_pairs.n == 4 and found.over_pairs.undefined == 1 and found.over_pairs.clusters == 2
    assert found.over_images.value == pytest.approx((0.5 + 0.5 + 0.2) / 3)
    assert found.per_class["circumscribed"].value == pytest.approx(0.5)
    assert found.per_class["indistinct"].value == pytest.approx(0.2)
    assert {j: e.value for j, e in found.per_prototype.items()} == pytest.approx({0: 0.75, 1: 0.0, 2: 0.2})
    assert found.per_prototype[1].undefined == 1


def test_class_without_pairs_is_undefined_not_zero() -> None:
    found = summarise(table(), NAMES, resample(None, 3, draws=50))
    assert found.per_class["spiculated"].value is None
    assert found.per_class["spiculated"].reason == "no pair with a mask"


def test_share_of_images_where_a_prototype_ever_fires_takes_the_best_of_each_image() -> None:
    fires = PairTable(
        image=np.array([0, 0, 2, 2, 3]),
        prototype=np.array([0, 1, 0, 1, 0]),
        klass=np.zeros(5, dtype=np.int64),
        value=np.array([0.0, 1.0, 0.0, 0.0, np.nan]),
    )
    values = image_values(fires, 5, "max")
    assert values[[0, 2]].tolist() == [1, 0] and np.isnan(values[[1, 3, 4]]).all()
    found = over_images(fires, resample(None, 5, draws=50), how="max")
    assert found.value == 0.5 and found.n == 2 and found.undefined == 1


def test_draws_are_the_means_of_the_resampled_patients() -> None:
    found = resample(["p", "p", "q"], 3, draws=60)
    pairs, images = pair_draws(table(), found)
    for b, (p, q) in enumerate(found.counts):
        assert pairs[b] == pytest.approx((1.5 * p + 0.2 * q) / (3 * p + q))
        assert images[b] == pytest.approx((1.0 * p + 0.2 * q) / (2 * p + q))


def test_columns_of_unequal_length_are_refused() -> None:
    with pytest.raises(ValueError, match="equally long"):
        PairTable(image=np.arange(2), prototype=np.arange(3), klass=np.arange(3), value=np.zeros(3))


def test_two_models_are_compared_on_the_same_patients() -> None:
    rng = np.random.default_rng(0)
    image = np.repeat(np.arange(60), 2)
    value = rng.random(120)
    a, b = (PairTable(image=image, prototype=image % 5, klass=image % 3, value=v) for v in (value, value - 0.2))
    found = compare_tables(a, b, resample(np.arange(60) // 2, 60, draws=499))
    for one in (found.over_pairs, found.over_images):
        assert (one.difference.value, one.difference.low, one.difference.high) == pytest.approx((0.2, 0.2, 0.2))
        assert one.p_value == pytest.approx(2 / 500)
    empty = PairTable(image=image, prototype=image, klass=image, value=np.full(120, np.nan))
    assert compare_tables(a, empty, resample(None, 60, draws=9)).over_pairs.p_value is None
