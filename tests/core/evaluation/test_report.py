"""Predictions joined, cut and turned into figures; reference values by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.domain.errors import MarginaliaError
from core.evaluation.predictions import Predictions, ScalePrecision, pooled
from core.evaluation.report import evaluate, evaluate_findings, merged_by_finding, report_text
from core.statistics.activation_summary import PairTable

NAMES = ("circumscribed", "indistinct", "spiculated")


def predictions(n: int = 60, seed: int = 0, prefix: str = "") -> Predictions:
    """Two views a patient; two prototypes a class; the logits carry some signal."""
    random = np.random.default_rng(seed)
    patient = np.repeat(np.arange(n // 2), 2)
    label = (patient % 3).astype(np.int64)
    logits = random.normal(size=(n, 3)) + 1.5 * np.eye(3)[label]
    image = np.repeat(np.arange(n), 2)
    prototype = (label[image] * 2 + np.tile([0, 1], n)).astype(np.int64)
    pairs = PairTable(image=image, prototype=prototype, klass=label[image], value=random.uniform(0.3, 0.9, 2 * n))
    scale = ScalePrecision(
        pairs=pairs, chance=np.full(n, 0.2), attainable=np.ones(n), blob=random.uniform(0.1, 0.3, n)
    )
    return Predictions(
        model="IAIA-BL",
        class_names=NAMES,
        lesion_ids=tuple(f"{prefix}lesion{i}" for i in range(n)),
        finding_ids=tuple(f"{prefix}finding{p}" for p in patient),
        patient_ids=tuple(f"{prefix}patient{p}" for p in patient),
        sources=tuple("film" if p % 2 else "digital" for p in patient),
        label=label,
        malignant=(random.random(n) < 0.2 + 0.3 * label).astype(np.int64),
        logits=logits,
        malignancy=logits[:, 2] - logits[:, 0],
        no_precedent=np.zeros(n, dtype=np.bool_),
        scales={"lesion": scale},
    )


def test_a_report_gives_every_figure_with_a_clustered_interval() -> None:
    report = evaluate(predictions(), draws=300)
    for key in ("margin_auroc", "auroc_spiculated", "kappa", "lesion_precision", "malignancy_auroc", "brier"):
        estimate = report[key]
        assert estimate.value is not None, key
        assert estimate.low is not None, key
        assert estimate.low <= estimate.value <= estimate.high, key
        assert estimate.clusters == 30, key


def test_the_papers_intervals_are_there_and_marked() -> None:
    report = evaluate(predictions(), draws=300)
    marked = {metric.key for metric in report.metrics if metric.as_in_paper}
    assert {"margin_auroc", "kappa", "lesion_precision", "malignancy_auroc"} <= marked
    assert all(metric.estimate.clusters is None for metric in report.metrics if metric.as_in_paper)


def test_mean_precision_over_pairs_is_the_plain_mean() -> None:
    given = predictions()
    assert given.lesion_scale is not None
    found = evaluate(given, draws=100)["lesion_precision"].value
    assert found == pytest.approx(float(given.lesion_scale.pairs.value.mean()))


def test_no_mask_of_a_scale_gives_no_figure_of_it() -> None:
    with pytest.raises(KeyError):
        evaluate(predictions(), draws=100)["fine_precision"]


def test_pooling_keeps_rows_pairs_and_counts_prototypes_on() -> None:
    first, second = predictions(20, 1, "a"), predictions(30, 2, "b")
    joined = pooled([first, second])
    assert len(joined) == 50
    assert joined.lesion_scale is not None
    assert first.lesion_scale is not None
    assert second.lesion_scale is not None
    pairs = joined.lesion_scale.pairs
    np.testing.assert_array_equal(pairs.image[40:], second.lesion_scale.pairs.image + 20)
    assert pairs.prototype[40:].min() >= first.lesion_scale.pairs.prototype.max() + 1
    np.testing.assert_array_equal(joined.label[pairs.image], pairs.klass)


def test_a_lesion_tested_twice_is_refused() -> None:
    with pytest.raises(MarginaliaError, match="same lesions"):
        pooled([predictions(), predictions()])


def test_cutting_by_source_keeps_each_image_with_its_pairs() -> None:
    given = predictions()
    film = given.of_source("film")
    assert film.lesion_scale is not None
    assert given.lesion_scale is not None
    assert set(film.sources) == {"film"}
    np.testing.assert_array_equal(film.label[film.lesion_scale.pairs.image], film.lesion_scale.pairs.klass)
    kept = np.array([given.sources[i] == "film" for i in given.lesion_scale.pairs.image])
    np.testing.assert_array_equal(film.lesion_scale.pairs.value, given.lesion_scale.pairs.value[kept])


def test_a_finding_takes_the_mean_of_its_views() -> None:
    given = predictions(6)
    merged = merged_by_finding(given)
    assert len(merged) == 3
    row = merged.finding_ids.index("finding1")
    np.testing.assert_allclose(merged.logits[row], given.logits[2:4].mean(axis=0))
    assert evaluate_findings(predictions(), draws=100).unit == "finding"


def test_malignancy_is_left_out_where_the_model_has_none() -> None:
    silent = replace(predictions(), malignancy=np.full(60, np.nan))
    with pytest.raises(KeyError):
        evaluate(silent, draws=100)["malignancy_auroc"]


def test_lesions_without_a_biopsy_are_left_out_of_malignancy() -> None:
    given = predictions()
    some = replace(given, malignant=np.where(np.arange(60) < 10, -1, given.malignant))
    assert evaluate(some, draws=100)["malignancy_auroc"].n == 50


def test_nothing_to_judge_is_said() -> None:
    with pytest.raises(MarginaliaError, match="nothing can be evaluated"):
        evaluate(predictions().rows(np.zeros(60, dtype=np.bool_)))


def test_the_text_says_synthetic_and_names_the_unit() -> None:
    text = report_text(evaluate(predictions(), synthetic=True, draws=100))
    assert text.startswith("SYNTHETIC")
    assert "60 images of 30 patients" in text


def test_abstention_is_counted_and_the_area_given_for_the_lesions_of_most_evidence() -> None:
    """15 of 60 lie below the threshold, and they alone are judged at random: without them the area is larger."""
    given = predictions()
    evidence = np.where(np.arange(60) % 4 == 0, -1.0, 1.0) + np.arange(60) * 1e-3
    logits = np.where((evidence < 0)[:, None], 0.0, 8.0 * np.eye(3)[given.label])
    report = evaluate(replace(given, evidence=evidence, no_precedent=evidence < 0, logits=logits), draws=100)
    assert report["abstention"].value == pytest.approx(0.25)
    assert report["margin_auroc_coverage_75"].value == 1.0
    assert (report["margin_auroc"].value or 0) < 1.0


def test_a_model_without_a_threshold_reports_no_abstention() -> None:
    with pytest.raises(KeyError):
        evaluate(predictions(), draws=100)["abstention"]


def test_the_decision_curve_is_given_around_the_threshold_of_biopsy() -> None:
    """Certain and right about everybody, against biopsying all: each benign lesion spared is worth 0.02/0.98."""
    given = predictions()
    right = np.where(given.malignant == 1, 40.0, -40.0)
    gain = evaluate(replace(given, malignancy=right), draws=100)["decision_gain_2"].value
    assert gain == pytest.approx((given.malignant == 0).mean() * 0.02 / 0.98)


@pytest.mark.parametrize("draws", [-5, 0, 9])
def test_too_few_resamples_are_refused(draws: int) -> None:
    with pytest.raises(MarginaliaError, match="at least 10"):
        evaluate(predictions(), draws=draws)


def test_a_fold_without_masks_leaves_the_figures_of_the_others() -> None:
    first, second = predictions(20, 1, "a"), replace(predictions(30, 2, "b"), scales={})
    joined = pooled([first, second])
    assert first.lesion_scale is not None
    report = evaluate(joined, draws=100)
    assert report["lesion_precision"].value == pytest.approx(float(first.lesion_scale.pairs.value.mean()))
    assert report["lesion_blob"].value == pytest.approx(float(first.lesion_scale.blob.mean()))


def test_prototypes_are_judged_one_by_one_and_images_by_whether_any_fires_inside() -> None:
    given = predictions()
    assert given.lesion_scale is not None
    pairs = given.lesion_scale.pairs
    value = np.where(pairs.image % 2 == 0, 0.0, pairs.value)
    value[pairs.image == 4] = np.nan
    scale = replace(
        given.lesion_scale, pairs=replace(pairs, value=value), energy=np.where(np.isnan(value), np.nan, 0.25)
    )
    report = evaluate(replace(given, scales={"lesion": scale}), draws=100)
    ever = report["lesion_ever_fires"]
    assert ever.value == pytest.approx(30 / 59)  # every other image; one of the sixty has no mask
    assert (ever.n, ever.undefined) == (59, 1)
    assert report["lesion_energy"].value == pytest.approx(0.25)
    one = {metric.key: metric.estimate for metric in report.prototypes}
    assert len(one) == 6
    mine = value[pairs.prototype == 2]
    assert one["lesion_precision_prototype_3"].value == pytest.approx(float(np.nanmean(mine)))
    text = report_text(report)
    assert "prototype 3 (indistinct)" in text
    assert "[n = 59; 1 undefined]" in text
