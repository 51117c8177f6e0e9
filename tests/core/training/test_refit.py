from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from core.domain.errors import TrainingError
from core.training.last_layers import fit_heads
from core.training.refit import fit_malignancy, initial_weights, objective, refit
from core.training.ridge import choose_ridge, out_of_fold_logits, patient_folds
from core.training.similarity_table import SimilarityTable
from tests.core.training.pruned_heads import prune_heads


def _problem(seed: int, n: int = 60, m: int = 6, classes: int = 3):
    random = np.random.default_rng(seed)
    own = np.arange(m) % classes
    labels = np.concatenate([np.arange(classes), random.integers(0, classes, n - classes)])
    scores = random.gamma(2, 0.7, (n, m)) + (own[None] == labels[:, None]) * random.gamma(2, 0.5, (n, 1))
    return scores.astype(np.float32), labels, initial_weights(own, classes)


def _table(scores: np.ndarray, labels: np.ndarray, seed: int = 0) -> SimilarityTable:
    random = np.random.default_rng(seed)
    n = len(labels)
    return SimilarityTable(
        scores=scores, label=labels, malignant=random.integers(-1, 2, n),
        patient_ids=tuple(f"p{i // 2}" for i in range(n)), lesion_ids=tuple(f"l{i}" for i in range(n)),
        part=("training",) * n,
    )  # fmt: skip


def test_initial_weights_are_plus_one_for_the_own_class_and_minus_one_elsewhere() -> None:
    assert initial_weights([0, 1, 1], 2).tolist() == [[1, -1, -1], [-1, 1, 1]]


def test_the_objective_matches_a_hand_computed_value() -> None:
    # one row, s = (2, 0), W = W0 = [[1, -1], [-1, 1]]: z = (2, -2), CE = log(1 + exp(-4))
    anchor = initial_weights([0, 1], 2)
    scores = np.array([[2.0, 0.0]])
    assert objective(anchor, scores, np.array([0]), anchor, 0.5) == pytest.approx(np.log1p(np.exp(-4)))
    # moved by 0.1 in one entry: z_0 = 2.2 and the ridge adds 0.5 / 2 * 0.01
    moved = anchor + np.array([[0.1, 0.0], [0.0, 0.0]])
    expected = np.log1p(np.exp(-4.2)) + 0.25 * 0.01
    assert objective(moved, scores, np.array([0]), anchor, 0.5) == pytest.approx(expected)


def test_refit_finds_the_minimum_that_a_general_optimiser_finds() -> None:
    scores, labels, anchor = _problem(0)
    found = refit(scores, labels, anchor, ridge=0.01)
    other = minimize(
        lambda w: objective(w.reshape(anchor.shape), scores, labels, anchor, 0.01), anchor.ravel(),
        method="BFGS", options={"gtol": 1e-7},
    )  # fmt: skip
    np.testing.assert_allclose(found.ravel(), other.x, atol=1e-4)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([1e-4, 1e-2, 1.0]), st.floats(0.0, 30.0))
def test_refit_never_raises_its_objective(seed: int, ridge: float, far: float) -> None:
    scores, labels, anchor = _problem(seed)
    start = anchor + far * np.random.default_rng(seed).standard_normal(anchor.shape)
    found = refit(scores, labels, anchor, ridge=ridge, start=start)
    after = objective(found, scores, labels, anchor, ridge)
    assert after <= objective(start, scores, labels, anchor, ridge)
    assert after <= objective(anchor, scores, labels, anchor, ridge)


def test_the_answer_does_not_depend_on_the_start() -> None:
    scores, labels, anchor = _problem(1)
    near = refit(scores, labels, anchor, ridge=0.01)
    far = refit(scores, labels, anchor, ridge=0.01, start=anchor * 5)
    np.testing.assert_allclose(near, far, atol=1e-6)


def test_separable_data_have_a_finite_answer() -> None:
    labels = np.array([0, 0, 1, 1])
    scores = np.array([[9.0, 0.0], [8.0, 0.0], [0.0, 9.0], [0.0, 8.0]])
    found = refit(scores, labels, initial_weights([0, 1], 2), ridge=1e-3)
    assert np.isfinite(found).all() and np.abs(found).max() < 5


def test_a_strong_ridge_keeps_the_initial_weights() -> None:
    scores, labels, anchor = _problem(2)
    np.testing.assert_allclose(refit(scores, labels, anchor, ridge=1e6), anchor, atol=1e-4)


def test_an_empty_or_infinite_table_is_refused_with_a_sentence() -> None:
    anchor = initial_weights([0, 1], 2)
    with pytest.raises(TrainingError, match="no training lesions"):
        refit(np.zeros((0, 2)), np.zeros(0, np.int64), anchor, ridge=0.1)
    with pytest.raises(TrainingError, match="finite"):
        refit(np.array([[np.nan, 1.0]]), np.array([0]), anchor, ridge=0.1)
    with pytest.raises(ValueError, match="positive"):
        refit(np.ones((1, 2)), np.array([0]), anchor, ridge=0.0)


def test_no_patient_lies_in_two_folds_and_classes_are_spread() -> None:
    labels = np.array([0, 0, 1, 1, 2, 2] * 10)
    patients = [f"p{i // 2}" for i in range(60)]
    fold = patient_folds(patients, labels)
    assert all(len({f for f, p in zip(fold, patients, strict=True) if p == name}) == 1 for name in set(patients))
    for index in range(5):
        assert np.bincount(labels[fold == index], minlength=3).tolist() == [4, 4, 4]
    assert (fold == patient_folds(patients, labels)).all()


def test_the_ridge_is_chosen_within_one_standard_error_of_the_best() -> None:
    scores, labels, anchor = _problem(3, n=200)
    choice = choose_ridge(scores, labels, [f"p{i // 2}" for i in range(200)], anchor)
    best = int(np.argmin(choice.cross_entropy))
    at = choice.grid.index(choice.chosen)
    assert choice.chosen >= choice.grid[best]
    assert choice.cross_entropy[at] <= choice.cross_entropy[best] + choice.standard_error[at]
    assert choice.standard_error[best] == 0
    larger = [i for i in range(len(choice.grid)) if choice.grid[i] > choice.chosen]
    assert all(choice.cross_entropy[i] > choice.cross_entropy[best] + choice.standard_error[i] for i in larger)


def test_a_ridge_that_is_surely_worse_is_not_chosen_for_the_patients_differences() -> None:
    """Patients differ far more from each other than strengths do: only the paired difference can tell."""
    random = np.random.default_rng(8)
    labels = random.integers(0, 3, 300)
    scores = 0.3 * random.random((300, 6)) + 0.25 * (labels[:, None] == np.arange(6)[None] % 3)
    hard = random.random(300) < 0.3
    scores[hard] = scores[hard][:, ::-1]
    anchor = initial_weights([0, 1, 2, 0, 1, 2], 3)
    choice = choose_ridge(scores, labels, [f"p{i}" for i in range(300)], anchor)
    at, best = choice.grid.index(choice.chosen), int(np.argmin(choice.cross_entropy))
    assert choice.cross_entropy[at] - choice.cross_entropy[best] < 0.01


def test_out_of_fold_logits_of_a_patient_do_not_depend_on_that_patients_label() -> None:
    scores, labels, anchor = _problem(4, n=40)
    patients = [f"p{i}" for i in range(40)]
    fold = patient_folds(patients, labels)
    logits = out_of_fold_logits(scores, labels, patients, anchor, ridge=0.01)
    held = fold == fold[7]
    alone = refit(scores[~held], labels[~held], anchor, ridge=0.01)
    np.testing.assert_allclose(logits[7], scores[7].astype(float) @ alone.T, atol=1e-6)


def test_a_class_with_one_patient_and_a_single_patient_can_be_fitted() -> None:
    scores, _, anchor = _problem(5, n=20)
    labels = np.array([0] * 10 + [1] * 9 + [2])
    patients = [f"p{i}" for i in range(20)]
    assert choose_ridge(scores, labels, patients, anchor).chosen > 0
    assert np.isfinite(out_of_fold_logits(scores, labels, patients, anchor, ridge=0.01)).all()
    assert choose_ridge(scores, labels, ["p"] * 20, anchor).cross_entropy == ()
    assert np.isfinite(out_of_fold_logits(scores, labels, ["p"] * 20, anchor, ridge=0.01)).all()


def test_malignancy_leaves_out_and_counts_lesions_without_biopsy() -> None:
    logits = np.random.default_rng(0).standard_normal((50, 3))
    outcome = (logits[:, 2] + np.random.default_rng(1).standard_normal(50) > 0).astype(np.int64)
    fit = fit_malignancy(logits, outcome)
    assert fit is not None
    extended = fit_malignancy(np.vstack([logits, np.full((3, 3), 99.0)]), np.concatenate([outcome, [-1, -1, -1]]))
    assert extended is not None
    assert (extended.used, extended.left_out) == (50, 3)
    np.testing.assert_array_equal(extended.weights, fit.weights)
    assert fit.weights[2] > 0.5


def test_malignancy_matches_an_independent_logistic_regression() -> None:
    from sklearn.linear_model import LogisticRegression

    random = np.random.default_rng(3)
    logits = random.standard_normal((300, 3))
    outcome = (logits[:, 0] - logits[:, 1] + random.standard_normal(300) > 0.3).astype(np.int64)
    fit = fit_malignancy(logits, outcome, ridge=1e-3)
    other = LogisticRegression(C=1 / (300 * 1e-3), tol=1e-10).fit(logits, outcome)
    assert fit is not None
    np.testing.assert_allclose(fit.weights, other.coef_[0], atol=1e-5)
    assert fit.bias == pytest.approx(float(other.intercept_[0]), abs=1e-5)


def test_malignancy_is_undefined_with_one_outcome_only() -> None:
    assert fit_malignancy(np.ones((4, 3)), np.array([1, 1, -1, 1])) is None
    assert fit_malignancy(np.ones((2, 3)), np.array([-1, -1])) is None


def test_pruning_deletes_columns_and_refits_at_the_stored_strength() -> None:
    scores, labels, _ = _problem(6)
    own = tuple(int(i) for i in np.arange(6) % 3)
    heads = fit_heads(_table(scores, labels), own, 3, malignancy_fit="out-of-fold")
    kept = np.array([0, 1, 2, 5])
    pruned = prune_heads(_table(scores, labels), own, kept, heads, malignancy_fit="out-of-fold")
    assert pruned.weights.shape == (3, 4) and pruned.ridge == heads.ridge
    anchor = initial_weights([own[i] for i in kept], 3)
    before = objective(heads.weights[:, kept], scores[:, kept], labels, anchor, heads.ridge)
    assert objective(pruned.weights, scores[:, kept], labels, anchor, heads.ridge) <= before


def test_pruning_everything_of_a_class_is_refused() -> None:
    scores, labels, _ = _problem(7)
    own = (0, 1, 2, 0, 1, 2)
    heads = fit_heads(_table(scores, labels), own, 3, malignancy_fit="in-sample")
    with pytest.raises(TrainingError, match="at least one prototype"):
        prune_heads(_table(scores, labels), own, np.array([0, 1, 3, 4]), heads, malignancy_fit="in-sample")


def test_the_in_sample_and_out_of_fold_fits_of_stage_b_differ_and_stage_a_does_not() -> None:
    scores, labels, _ = _problem(8)
    own = (0, 1, 2, 0, 1, 2)
    one = fit_heads(_table(scores, labels), own, 3, malignancy_fit="in-sample")
    two = fit_heads(_table(scores, labels), own, 3, malignancy_fit="out-of-fold")
    np.testing.assert_array_equal(one.weights, two.weights)
    assert one.malignancy is not None and two.malignancy is not None
    assert not np.array_equal(one.malignancy.weights, two.malignancy.weights)
