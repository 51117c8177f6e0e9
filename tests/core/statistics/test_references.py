"""Every function of the statistics has a test against something that is not this code; the table says which.

``REFERENCES`` names, for each public function, the test and what it is compared with: another library, figures
printed in a paper, or values computed by hand. A function without a row fails, as does a row whose test is gone.
"""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage, stats
from scipy.spatial import cKDTree
from skimage.measure import regionprops
from skimage.segmentation import find_boundaries
from sklearn import metrics

import core.statistics
from core.statistics.activation import (
    activation_precision,
    attainable,
    chance,
    energy_inside,
    fires_inside,
    lowest_of_top,
    top_count,
    top_membership,
)
from core.statistics.activation_summary import PairTable, compare_tables, image_values, summarise
from core.statistics.agreement import class_tables, confusion
from core.statistics.bootstrap import resample
from core.statistics.coverage import coverage_curve
from core.statistics.decision import contributions, decision_curve, net_benefit
from core.statistics.estimate import Estimate
from core.statistics.grouping import by_finding, sum_by
from core.statistics.masks import dice, mean_border_distance
from core.statistics.repeated import compare_mean_multiclass
from core.statistics.roc import operating_point
from core.statistics.stability import top_overlap

HERE = Path(__file__).parent
SIDE = 24


def maps_and_masks(n: int = 6, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Maps without ties, and one disc a mask."""
    rng = np.random.default_rng(seed)
    maps = ndimage.gaussian_filter(rng.random((n, SIDE, SIDE)), (0, 2, 2))
    y, x = np.mgrid[:SIDE, :SIDE]
    centre, radius = rng.uniform(6, 18, (n, 2)), rng.uniform(2, 7, n)
    masks = [(y - c[0]) ** 2 + (x - c[1]) ** 2 <= r**2 for c, r in zip(centre, radius, strict=True)]
    return maps, np.array(masks, dtype=np.uint8)


def top(one: np.ndarray) -> np.ndarray:
    """The n most activated pixels by sorting."""
    chosen = np.zeros(one.size, dtype=bool)
    chosen[np.argsort(one.ravel())[-top_count(one.size) :]] = True
    return chosen


def test_activation_precision_is_scikit_learns_precision_of_the_top_pixels() -> None:
    maps, masks = maps_and_masks()
    expected = [metrics.precision_score(r.ravel(), top(a)) for a, r in zip(maps, masks, strict=True)]
    assert activation_precision(maps, masks) == pytest.approx(expected)
    assert fires_inside(maps, masks).tolist() == [float(value > 0) for value in expected]
    np.testing.assert_array_equal(top_membership(maps).reshape(6, -1) == 1, [top(a) for a in maps])


def test_the_lowest_of_the_top_is_the_last_that_sorting_leaves_in_it() -> None:
    for one in maps_and_masks()[0]:
        assert lowest_of_top(one) == np.sort(one, axis=None)[-top_count(one.size)]


def test_chance_and_attainable_maximum_follow_from_scikit_images_area() -> None:
    _, masks = maps_and_masks()
    area = np.array([regionprops(mask)[0].area for mask in masks])
    assert chance(masks) == pytest.approx(area / SIDE**2)
    assert attainable(masks) == pytest.approx(np.minimum(1, area / top_count(SIDE**2)))
    np.testing.assert_array_equal(attainable(masks), attainable(masks.astype(float)))  # counted, and by sorting


def test_energy_is_numpys_average_of_the_mask_weighted_by_the_map() -> None:
    maps, masks = maps_and_masks()
    expected = [np.average(r, weights=a) for a, r in zip(maps, masks, strict=True)]
    assert energy_inside(maps, masks) == pytest.approx(expected)


def test_overlap_of_the_top_is_scikit_learns_jaccard_index() -> None:
    first, second = maps_and_masks(seed=1)[0], maps_and_masks(seed=2)[0]
    expected = [metrics.jaccard_score(top(a), top(b)) for a, b in zip(first, second, strict=True)]
    assert top_overlap(first, second) == pytest.approx(expected)


def pairs(seed: int = 3, n: int = 30) -> PairTable:
    rng = np.random.default_rng(seed)
    image = np.repeat(np.arange(n), 4)
    klass = image % 3
    prototype = 4 * klass + np.tile(np.arange(4), n)
    return PairTable(image=image, prototype=prototype, klass=klass, value=rng.random(4 * n))


def test_means_of_images_classes_and_prototypes_are_scipys() -> None:
    table = pairs()
    value = table.value
    by_image = ndimage.mean(value, table.image, np.arange(30))
    assert image_values(table, 30) == pytest.approx(by_image)
    assert image_values(table, 30, "max") == pytest.approx(ndimage.maximum(value, table.image, np.arange(30)))
    found = summarise(table, ("a", "b", "c"), resample(np.arange(30) // 2, 30, draws=50))
    assert found.over_pairs.value == pytest.approx(stats.tmean(value))
    assert found.over_images.value == pytest.approx(stats.tmean(by_image))
    each = [one.value for one in found.per_class.values()]
    assert each == pytest.approx(ndimage.mean(value, table.klass, np.arange(3)))
    each = [found.per_prototype[j].value for j in range(12)]
    assert each == pytest.approx(ndimage.mean(value, table.prototype, np.arange(12)))


def test_interval_of_a_difference_of_tables_agrees_with_students_paired_one() -> None:
    """One pair an image and every image its own patient: the ordinary paired t-test."""
    rng = np.random.default_rng(4)
    n = 200
    rows = np.arange(n)
    a, b = rng.random(n), rng.random(n) + 0.05
    one, two = (PairTable(image=rows, prototype=rows * 0, klass=rows * 0, value=v) for v in (a, b))
    found = compare_tables(one, two, resample(rows, n, draws=4000)).over_pairs
    student = stats.ttest_rel(a, b)
    wanted = student.confidence_interval(0.95)
    assert found.difference.low == pytest.approx(wanted.low, abs=0.006)
    assert found.difference.high == pytest.approx(wanted.high, abs=0.006)
    assert found.p_value == pytest.approx(student.pvalue, abs=0.02)


def test_confusion_and_class_tables_are_scikit_learns() -> None:
    rng = np.random.default_rng(5)
    truth, said = rng.integers(0, 3, 80), rng.integers(0, 3, 80)
    table = confusion(truth, said, 3)
    np.testing.assert_array_equal(table, metrics.confusion_matrix(truth, said))
    np.testing.assert_array_equal(class_tables(table), metrics.multilabel_confusion_matrix(truth, said))


def test_net_benefit_is_that_of_scikit_learns_counts() -> None:
    """Vickers and Elkin 2006: TP / n - FP / n x t / (1 - t)."""
    rng = np.random.default_rng(6)
    y, p = rng.random(90) < 0.3, rng.random(90)
    thresholds = [0.02, 0.1, 0.4]
    expected = []
    for t in thresholds:
        _, false, _, true = metrics.confusion_matrix(y, p >= t).ravel()
        expected.append(true / 90 - false / 90 * t / (1 - t))
    assert net_benefit(y, p, thresholds) == pytest.approx(expected)
    assert contributions(y, p, thresholds).mean(axis=0) == pytest.approx(expected)
    points = decision_curve(y, p, resample(None, 90, draws=50), thresholds)
    assert [point.model.value for point in points] == pytest.approx(expected)
    everybody = [y.mean() - (1 - y.mean()) * t / (1 - t) for t in thresholds]
    assert [point.biopsy_all.value for point in points] == pytest.approx(everybody)


def test_area_on_what_is_kept_is_scikit_learns() -> None:
    rng = np.random.default_rng(7)
    y = rng.random(100) < 0.5
    s = rng.normal(size=100) + y
    evidence = rng.random(100)

    def area(kept: np.ndarray) -> Estimate:
        return Estimate(value=float(metrics.roc_auc_score(y[kept], s[kept])))

    [half] = coverage_curve(evidence, area, [0.5])
    best = np.argsort(-evidence)[:50]
    assert half.kept == 50
    assert half.statistic.value == pytest.approx(metrics.roc_auc_score(y[best], s[best]))


def test_dice_is_scikit_learns_f1_and_undefined_for_two_empty_masks() -> None:
    first, second = maps_and_masks(seed=8)[1], maps_and_masks(seed=9)[1]
    for a, b in zip(first, second, strict=True):
        assert dice(a, b) == pytest.approx(metrics.f1_score(a.ravel(), b.ravel(), zero_division=0.0))
    assert dice(first[0], first[0]) == 1.0
    empty = np.zeros((4, 4), dtype=np.uint8)
    assert np.isnan(dice(empty, empty))


def test_distance_of_borders_is_that_of_scikit_images_borders_and_scipys_nearest_neighbours() -> None:
    first, second = maps_and_masks(seed=10)[1], maps_and_masks(seed=11)[1]
    for a, b in zip(first, second, strict=True):
        points = [np.argwhere(find_boundaries(np.pad(m, 1), mode="inner", connectivity=1)) for m in (a, b)]
        there = cKDTree(points[1]).query(points[0])[0]
        back = cKDTree(points[0]).query(points[1])[0]
        assert mean_border_distance(a, b) == pytest.approx(np.concatenate([there, back]).mean())
    assert np.isnan(mean_border_distance(first[0], 0 * first[0]))


def test_sensitivity_and_specificity_are_scikit_learns_recalls() -> None:
    rng = np.random.default_rng(12)
    y, called = rng.random(70) < 0.4, rng.random(70) < 0.5
    found = operating_point(y, called)
    assert found.sensitivity.value == pytest.approx(metrics.recall_score(y, called))
    assert found.specificity.value == pytest.approx(metrics.recall_score(y, called, pos_label=False))


def test_means_and_sums_of_groups_are_scipys() -> None:
    rng = np.random.default_rng(13)
    value, code = rng.random(40), rng.integers(0, 7, 40)
    code[:7] = np.arange(7)
    assert by_finding(value, code) == pytest.approx(ndimage.mean(value, code, np.arange(7)))
    assert sum_by(value, code, 7) == pytest.approx(ndimage.sum(value, code, np.arange(7)))


def test_difference_of_weighted_means_over_runs_agrees_with_the_jackknife() -> None:
    rng = np.random.default_rng(14)
    n, names = 240, ("a", "b", "c")
    patients = np.repeat(np.arange(n // 2), 2)
    label = np.repeat(rng.choice(3, n // 2), 2)
    first, second = (
        stats.norm.cdf(rng.normal(size=(2, n, 3)) + strength * np.eye(3)[label]) for strength in (1.2, 0.8)
    )
    weight = np.bincount(label) / n

    def mean(scores: np.ndarray, keep: np.ndarray) -> float:
        areas = [
            [metrics.roc_auc_score(label[keep] == k, run[keep, k]) for k in range(3)] for run in scores
        ]  # class sizes are taken as given, so that the weights stay
        return float(np.mean(areas, axis=0) @ weight)

    left = np.array([mean(first, patients != p) - mean(second, patients != p) for p in range(n // 2)])
    error = np.sqrt((len(left) - 1) * left.var())
    found = compare_mean_multiclass(label, first, second, names, patients)
    everything = np.ones(n, dtype=bool)
    assert found.difference.value == pytest.approx(mean(first, everything) - mean(second, everything))
    assert found.difference.value is not None and found.statistic is not None
    assert found.difference.value / found.statistic == pytest.approx(error, rel=0.05)


PRINTED = "figures printed for the patients of DeLong et al. 1988"
REFERENCES: dict[str, tuple[str, str]] = {
    "ranks.average_ranks": ("test_equal_values_share_the_mean_of_their_ranks", "scipy"),
    # function: (test, what it is compared with)
    "activation.top_count": ("test_two_and_a_half_thousand_pixels_of_a_224_grid_count", "by hand"),
    "activation.top_membership": (
        "test_activation_precision_is_scikit_learns_precision_of_the_top_pixels", "sorting by numpy"
    ),
    "activation.activation_precision": (
        "test_activation_precision_is_scikit_learns_precision_of_the_top_pixels", "scikit-learn"
    ),
    "activation.precision_of_top": (
        "test_activation_precision_is_scikit_learns_precision_of_the_top_pixels", "scikit-learn"
    ),
    "activation.lowest_of_top": (
        "test_the_lowest_of_the_top_is_the_last_that_sorting_leaves_in_it", "sorting by numpy"
    ),
    "activation.chance": ("test_chance_and_attainable_maximum_follow_from_scikit_images_area", "scikit-image"),
    "activation.attainable": ("test_chance_and_attainable_maximum_follow_from_scikit_images_area", "scikit-image"),
    "activation.centre_blob": ("test_blob_in_the_middle_fires_in_the_middle_and_is_symmetric", "by hand"),
    "activation.energy_inside": ("test_energy_is_numpys_average_of_the_mask_weighted_by_the_map", "numpy"),
    "activation.fires_inside": (
        "test_activation_precision_is_scikit_learns_precision_of_the_top_pixels", "scikit-learn"
    ),
    "activation_summary.image_values": ("test_means_of_images_classes_and_prototypes_are_scipys", "scipy"),
    "activation_summary.over_pairs": (
        "test_means_over_pairs_images_classes_and_prototypes_are_the_hand_computed_ones", "by hand"
    ),
    "activation_summary.over_images": (
        "test_means_over_pairs_images_classes_and_prototypes_are_the_hand_computed_ones", "by hand"
    ),
    "activation_summary.summarise": ("test_means_of_images_classes_and_prototypes_are_scipys", "scipy"),
    "activation_summary.pair_draws": ("test_draws_are_the_means_of_the_resampled_patients", "repeated rows"),
    "activation_summary.compare_tables": (
        "test_interval_of_a_difference_of_tables_agrees_with_students_paired_one", "scipy"
    ),
    "agreement.confusion": ("test_confusion_and_class_tables_are_scikit_learns", "scikit-learn"),
    "agreement.class_tables": ("test_confusion_and_class_tables_are_scikit_learns", "scikit-learn"),
    "agreement.kappa_of": ("test_kappa_of_a_hand_computed_table", "by hand"),
    "agreement.agreement": ("test_kappas_are_those_of_scikit_learn_overall_and_per_class", "scikit-learn"),
    "agreement.agreement_draws": ("test_every_resample_has_the_kappa_of_its_repeated_images", "scikit-learn"),
    "auroc.components": ("test_areas_and_errors_of_the_delong_1988_patients_are_those_printed", PRINTED),
    "auroc.spread": ("test_variance_agrees_with_the_two_sample_jackknife", "jackknife, scikit-learn"),
    "auroc.auroc": ("test_area_is_that_of_scikit_learn_ties_included", "scikit-learn"),
    "auroc.with_interval": (
        "test_hanley_and_mcneils_ratings_give_the_area_error_and_wald_interval_printed_for_them",
        "figures printed for the ratings of Hanley and McNeil 1982",
    ),
    "auroc.one_sided": ("test_perfect_separation_gets_the_exact_one_sided_bound_and_says_so", "scipy"),
    "auroc.disjoint_pairs": ("test_perfect_separation_gets_the_exact_one_sided_bound_and_says_so", "scipy"),
    "auroc.compare_aurocs": ("test_paired_tests_of_the_delong_1988_patients_are_those_printed", PRINTED),
    "auroc.compare_components": ("test_paired_tests_of_the_delong_1988_patients_are_those_printed", PRINTED),
    "bootstrap.resample": (
        "test_every_resample_draws_as_many_patients_as_there_are_and_brings_all_their_images", "by hand"
    ),
    "bootstrap.interval": ("test_mean_interval_agrees_with_scipys_bootstrap_and_with_student", "scipy"),
    "bootstrap.expanded_tail": (
        "test_tail_widens_for_few_patients_and_tends_to_the_plain_percentile", "tables of t and normal"
    ),
    "bootstrap.compare": ("test_interval_of_a_difference_of_tables_agrees_with_students_paired_one", "scipy"),
    "bootstrap.ratio_draws": (
        "test_ratios_and_means_of_every_resample_are_those_of_the_repeated_rows", "repeated rows, numpy"
    ),
    "bootstrap.mean_draws": (
        "test_ratios_and_means_of_every_resample_are_those_of_the_repeated_rows", "repeated rows, numpy"
    ),
    "bootstrap.mean_estimate": ("test_mean_interval_agrees_with_scipys_bootstrap_and_with_student", "scipy"),
    "bootstrap.auroc_draws": (
        "test_auroc_of_every_resample_is_that_of_scikit_learn_on_the_repeated_images", "scikit-learn"
    ),
    "bootstrap.multiclass_auroc_draws": (
        "test_weighted_mean_of_the_classes_follows_the_resampled_class_sizes", "scikit-learn"
    ),
    "bootstrap.bootstrap_auroc": (
        "test_auroc_of_every_resample_is_that_of_scikit_learn_on_the_repeated_images", "scikit-learn"
    ),
    "calibration.calibration": ("test_slope_and_intercept_are_those_of_statsmodels", "statsmodels"),
    "calibration.fit_line": ("test_slope_and_intercept_are_those_of_statsmodels", "statsmodels"),
    "calibration.calibration_draws": ("test_every_resample_has_the_line_of_its_repeated_images", "statsmodels"),
    "calibration.recalibrated": ("test_recalibration_in_the_large_is_that_of_statsmodels", "statsmodels"),
    "calibration.reliability": ("test_reliability_diagram_is_that_of_scikit_learn", "scikit-learn"),
    "coverage.coverage_curve": ("test_area_on_what_is_kept_is_scikit_learns", "scikit-learn"),
    "decision.contributions": ("test_net_benefit_is_that_of_scikit_learns_counts", "scikit-learn"),
    "decision.net_benefit": ("test_net_benefit_is_that_of_scikit_learns_counts", "scikit-learn"),
    "decision.decision_curve": ("test_net_benefit_is_that_of_scikit_learns_counts", "scikit-learn"),
    "faithfulness.first_pixels": ("test_pixels_go_in_the_order_of_the_map_and_masks_are_nested", "by hand"),
    "faithfulness.area_under": ("test_area_is_that_of_the_trapezoids", "scikit-learn"),
    "grouping.sum_by": ("test_means_and_sums_of_groups_are_scipys", "scipy"),
    "grouping.by_finding": ("test_means_and_sums_of_groups_are_scipys", "scipy"),
    "grouping.label_by_finding": ("test_label_of_a_finding_is_the_one_its_views_share", "by hand"),
    "masks.dice": ("test_dice_is_scikit_learns_f1_and_undefined_for_two_empty_masks", "scikit-learn"),
    "masks.mean_border_distance": (
        "test_distance_of_borders_is_that_of_scikit_images_borders_and_scipys_nearest_neighbours",
        "scikit-image and scipy",
    ),
    "multiclass.one_versus_rest": (
        "test_mean_is_scikit_learns_one_against_rest_weighted_by_class", "scikit-learn"
    ),
    "multiclass.multiclass_auroc": (
        "test_mean_is_scikit_learns_one_against_rest_weighted_by_class", "scikit-learn"
    ),
    "multiclass.compare_multiclass": (
        "test_interval_of_the_mean_agrees_with_the_jackknife_over_its_units", "jackknife over every pair"
    ),
    "multiplicity.holm": ("test_adjusted_values_are_those_of_statsmodels", "statsmodels"),
    "proportion.proportion": ("test_interval_of_independent_images_is_wilsons", "statsmodels"),
    "repeated.mean_auroc": ("test_the_value_is_the_mean_of_scikit_learns_areas", "scikit-learn"),
    "repeated.compare_mean_auroc": (
        "test_the_variance_of_a_mean_agrees_with_the_jackknife_over_patients", "jackknife, scikit-learn"
    ),
    "repeated.mean_multiclass_auroc": ("test_the_value_is_the_mean_of_scikit_learns_areas", "scikit-learn"),
    "repeated.compare_mean_multiclass": (
        "test_difference_of_weighted_means_over_runs_agrees_with_the_jackknife", "jackknife, scikit-learn"
    ),
    "roc.roc_curve": ("test_curve_is_that_of_scikit_learn_and_its_area_the_auroc", "scikit-learn"),
    "roc.operating_point": ("test_sensitivity_and_specificity_are_scikit_learns_recalls", "scikit-learn"),
    "stability.top_overlap": ("test_overlap_of_the_top_is_scikit_learns_jaccard_index", "scikit-learn"),
    "stability.rank_correlation": (
        "test_rank_correlation_is_scipys_and_undefined_for_a_constant_map", "scipy"
    ),
}  # fmt: skip
NO_STATISTIC = {
    "auroc.checked", "auroc.method_name", "estimate.p_text", "estimate.without_value", "grouping.codes",
    "grouping.yes_or_no", "grouping.first_rows",
}  # fmt: skip
"""They check, name or order, and compute nothing."""


def functions(folder: Path, prefix: str = "") -> set[str]:
    """Names of the public functions of every module of a folder."""
    found = set()
    for path in sorted(folder.glob("*.py")):
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                found.add(f"{path.stem}.{node.name}" if not prefix else node.name)
    return found


def test_every_function_has_a_reference_that_is_not_this_code() -> None:
    folder = Path(next(iter(core.statistics.__path__)))
    public = functions(folder) - NO_STATISTIC
    assert public - set(REFERENCES) == set()
    assert set(REFERENCES) - public == set()


def test_every_reference_names_a_test_that_exists() -> None:
    tests = functions(HERE, "tests")
    assert {name for name, _ in REFERENCES.values()} - tests == set()
