"""Methods over several runs: means, pairs, ratios, refusals, and predictions kept on disk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.domain.errors import MarginaliaError, ModelError
from core.evaluation.predictions import Predictions
from core.evaluation.repeated import Method, compare_methods, precision_ratio, summarise_method
from core.evaluation.report import evaluate
from core.evaluation.saved import load_predictions, save_predictions
from tests.core.evaluation.test_report import predictions


def runs(count: int = 2) -> tuple[Predictions, ...]:
    base = predictions()
    random = np.random.default_rng(5)
    return tuple(
        replace(base, logits=base.logits + 0.2 * random.normal(size=base.logits.shape)) for _ in range(count)
    )


def halved(given: Predictions) -> Predictions:
    assert given.lesion_scale is not None
    pairs = given.lesion_scale.pairs
    scale = replace(given.lesion_scale, pairs=replace(pairs, value=pairs.value / 2))
    return replace(given, model="half", scales={"lesion": scale})


def test_one_run_has_the_figures_of_its_report() -> None:
    given = predictions()
    found = summarise_method(Method(name="IAIA-BL", runs=(given,)), draws=300).estimates
    report = evaluate(given, draws=300)
    for key in ("margin_auroc", "auroc_spiculated", "kappa", "kappa_indistinct", "accuracy", "lesion_precision"):
        assert found[key].value == pytest.approx(report[key].value), key
        assert found[key].low == pytest.approx(report[key].low), key
    assert found["malignancy_auroc"].value == pytest.approx(report["malignancy_auroc"].value)


def test_figures_are_means_over_the_runs_and_each_run_is_told() -> None:
    given = runs(3)
    found = summarise_method(Method(name="m", runs=given), draws=200)
    singles = [evaluate(one, draws=50) for one in given]
    for key in ("margin_auroc", "kappa", "lesion_precision"):
        each = [one[key].value for one in singles]
        assert found.per_run[key] == pytest.approx(each), key
        assert found.estimates[key].value == pytest.approx(np.mean(each)), key
        assert found.estimates[key].clusters == 30


def test_half_the_precision_is_a_ratio_of_two_with_a_tight_interval() -> None:
    first = Method(name="a", runs=runs())
    second = Method(name="b", runs=tuple(halved(run) for run in runs()))
    ratio = precision_ratio(first, second, "lesion", draws=300)
    assert ratio is not None
    assert (ratio.value, ratio.low, ratio.high) == pytest.approx((2.0, 2.0, 2.0))
    gap = compare_methods(first, second, draws=300)["lesion_precision"]
    assert gap.difference.low is not None
    assert gap.difference.low > 0
    assert precision_ratio(first, second, "fine", draws=10) is None


def test_equal_logits_do_not_differ() -> None:
    found = compare_methods(Method(name="a", runs=runs()), Method(name="b", runs=runs()), draws=100)
    assert found["margin_auroc"].p_value == 1.0
    assert found["malignancy_auroc"].p_value == 1.0


def test_other_test_patients_are_refused() -> None:
    other = predictions(prefix="x")
    with pytest.raises(MarginaliaError, match=r"different splits \(60 of their test patients differ"):
        compare_methods(Method(name="a", runs=(predictions(),)), Method(name="b", runs=(other,)), draws=10)
    with pytest.raises(MarginaliaError, match="different splits"):
        Method(name="a", runs=(predictions(), other))


def test_other_classes_and_other_numbers_of_runs_are_refused() -> None:
    other = replace(predictions(), class_names=("x", "y", "z"))
    with pytest.raises(MarginaliaError, match="different classes"):
        compare_methods(Method(name="a", runs=(predictions(),)), Method(name="b", runs=(other,)), draws=10)
    with pytest.raises(MarginaliaError, match="as many seeds"):
        compare_methods(Method(name="a", runs=runs(2)), Method(name="b", runs=runs(3)), draws=10)


def test_a_classifier_of_malignancy_is_paired_on_the_lesions_that_both_know() -> None:
    given = predictions()
    biopsied = given.rows(np.arange(60) % 5 != 0)
    odds = biopsied.malignancy
    outcome = replace(
        biopsied,
        class_names=("benign", "malignant"),
        label=biopsied.malignant,
        logits=np.stack([0 * odds, odds], axis=1),
        scales={},
    )
    end_to_end = Method(name="end to end", runs=(outcome,), margins=False)
    found = compare_methods(Method(name="a", runs=(given,)), end_to_end, draws=10)
    assert set(found) == {"malignancy_auroc"}
    assert found["malignancy_auroc"].difference.n == 48
    assert set(summarise_method(end_to_end, draws=10).estimates) == {"malignancy_auroc"}


def test_predictions_come_back_from_disk_to_the_bit(tmp_path: Path) -> None:
    gaps = np.where(np.arange(60) < 3, np.nan, 0.1)
    given = replace(predictions(), malignancy=gaps, evidence=np.arange(60) / 7)
    save_predictions(tmp_path / "p.json", given)
    again = load_predictions(tmp_path / "p.json")
    assert given.lesion_scale is not None
    assert again.lesion_scale is not None
    for name in ("logits", "label", "malignant", "malignancy", "no_precedent", "evidence"):
        np.testing.assert_array_equal(getattr(again, name), getattr(given, name))
    np.testing.assert_array_equal(again.lesion_scale.pairs.value, given.lesion_scale.pairs.value)
    np.testing.assert_array_equal(again.lesion_scale.blob, given.lesion_scale.blob)
    assert again.patient_ids == given.patient_ids
    assert again.fine_scale is None


def test_damaged_predictions_are_refused(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_bytes(b"{")
    with pytest.raises(ModelError, match="missing or damaged"):
        load_predictions(tmp_path / "p.json")
