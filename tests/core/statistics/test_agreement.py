from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import cohens_kappa

from core.statistics.agreement import agreement, agreement_draws, class_tables, confusion, kappa_of
from core.statistics.bootstrap import resample

NAMES = ("circumscribed", "indistinct", "spiculated")


def ratings(seed: int, n: int = 120) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.choice(3, n, p=[0.5, 0.3, 0.2])
    return truth, np.where(rng.random(n) < 0.7, truth, rng.choice(3, n))


def test_kappa_of_a_hand_computed_table() -> None:
    # seen 35/50, by chance (25 x 30 + 25 x 20) / 2500 = 0.5: (0.7 - 0.5) / 0.5
    assert kappa_of([[20, 5], [10, 15]]) == pytest.approx(0.4)


def test_kappas_are_those_of_scikit_learn_overall_and_per_class() -> None:
    truth, predicted = ratings(0)
    found = agreement(truth, predicted, NAMES, resample(None, 120, draws=200))
    assert found.overall.value == pytest.approx(cohen_kappa_score(truth, predicted))
    for k, name in enumerate(NAMES):
        assert found.per_class[name].value == pytest.approx(cohen_kappa_score(truth == k, predicted == k))
    assert found.accuracy.value == pytest.approx((truth == predicted).mean())


def test_every_resample_has_the_kappa_of_its_repeated_images() -> None:
    truth, predicted = ratings(1, 40)
    found = resample(np.arange(40) // 2, 40, draws=25)
    draws = agreement_draws(truth, predicted, 3, found)
    for b, counts in enumerate(found.counts):
        rows = np.repeat(np.arange(40), counts[found.cluster].astype(int))
        assert draws.overall[b] == pytest.approx(cohen_kappa_score(truth[rows], predicted[rows]))
        assert draws.per_class[b, 2] == pytest.approx(cohen_kappa_score(truth[rows] == 2, predicted[rows] == 2))


def test_bootstrap_error_agrees_with_the_asymptotic_one_of_statsmodels() -> None:
    truth, predicted = ratings(2, 400)
    draws = agreement_draws(truth, predicted, 3, resample(None, 400)).overall
    assert draws.std() == pytest.approx(cohens_kappa(confusion(truth, predicted, 3)).std_kappa, rel=0.06)


def test_one_and_the_same_class_throughout_is_undefined_not_one() -> None:
    found = agreement([1, 1, 1], [1, 1, 1], NAMES, resample(None, 3, draws=10))
    assert found.overall.value is None and found.overall.undefined == 1
    assert "one class only" in found.overall.text()
    assert found.per_class["spiculated"].value is None and "spiculated" in found.per_class["spiculated"].reason
    assert found.accuracy.value == 1


def test_class_tables_keep_every_image() -> None:
    table = confusion(*ratings(3), 3)
    split = class_tables(table)
    assert (split.sum(axis=(1, 2)) == table.sum()).all()
    assert split[1].tolist() == [
        [table[[0, 0, 2, 2], [0, 2, 0, 2]].sum(), table[[0, 2], 1].sum()],
        [table[1, [0, 2]].sum(), table[1, 1]],
    ]


def test_classes_out_of_range_and_unequal_lists_are_refused() -> None:
    with pytest.raises(ValueError, match="without a class"):
        confusion([0, -1], [0, 1], 3)
    with pytest.raises(ValueError, match="equally long"):
        confusion([0, 1], [0], 3)
