from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score, roc_auc_score

from core.domain.errors import Cancelled, ModelError
from core.domain.vocabulary import Part
from core.pruning.leave_one_out import leave_one_out
from core.pruning.prune import prepare, prune
from core.training.refit import initial_weights, objective
from tests.core.pruning.world import random_state, random_table, without_malignancy
from tests.core.training.pruned_heads import prune_heads

TABLE = random_table()
PREPARED = prepare(TABLE)
STATE = random_state(TABLE)


def test_pruning_removes_the_columns_and_only_them() -> None:
    after = prune(PREPARED, STATE, {0, 7}).after
    assert after.kept == (1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14)
    assert after.heads.weights.shape == (3, 13)
    assert after.prototype_class == STATE.prototype_class


def test_the_refit_is_that_of_training_at_the_stored_strength() -> None:
    kept = np.array([j for j in range(15) if j not in (3, 8)])
    expected = prune_heads(
        TABLE.of_part(Part.TRAINING), STATE.prototype_class, kept, STATE.heads, malignancy_fit="out-of-fold"
    )
    after = prune(PREPARED, STATE, {3, 8}).after.heads
    np.testing.assert_allclose(after.weights, expected.weights, atol=1e-6)
    assert after.malignancy is not None and expected.malignancy is not None
    np.testing.assert_allclose(after.malignancy.weights, expected.malignancy.weights, atol=1e-5)
    assert after.ridge == STATE.heads.ridge


@settings(max_examples=10, deadline=None)
@given(remove=st.sets(st.integers(0, 14), min_size=1, max_size=4))
def test_the_refit_never_raises_its_objective(remove: set[int]) -> None:
    """Of at most four prototypes no class of five can lose all."""
    after = prune(PREPARED, STATE, remove).after
    kept = list(after.kept)
    anchor = initial_weights([STATE.prototype_class[j] for j in kept], 3)
    rows = PREPARED.scores[:, kept]
    before = objective(STATE.heads.weights[:, kept], rows, PREPARED.label, anchor, STATE.heads.ridge)
    assert objective(after.heads.weights, rows, PREPARED.label, anchor, STATE.heads.ridge) <= before + 1e-9


def test_pruning_in_two_steps_ends_where_one_step_does() -> None:
    once = prune(PREPARED, STATE, {2, 9}).after
    twice = prune(PREPARED, prune(PREPARED, STATE, {9}).after, {2}).after
    assert once.kept == twice.kept
    np.testing.assert_allclose(once.heads.weights, twice.heads.weights, atol=1e-6)


def test_pruning_is_deterministic_to_the_bit() -> None:
    a, b = prune(PREPARED, STATE, {1}).after.heads, prune(PREPARED, STATE, {1}).after.heads
    np.testing.assert_array_equal(a.weights, b.weights)


def test_the_last_prototype_of_a_class_stays() -> None:
    with pytest.raises(ModelError, match="Class indistinct would lose its last prototype"):
        prune(PREPARED, STATE, {1, 4, 7, 10, 13})


@pytest.mark.parametrize(
    ("remove", "words"), [(set(), "No prototype was named"), ({15}, "Prototype 16 is not in")]
)
def test_a_senseless_request_is_refused_with_a_sentence(remove: set[int], words: str) -> None:
    with pytest.raises(ModelError, match=words):
        prune(PREPARED, STATE, remove)


def test_a_prototype_that_is_gone_cannot_go_again() -> None:
    with pytest.raises(ModelError, match="Prototype 3 is not in the model"):
        prune(PREPARED, prune(PREPARED, STATE, {2}).after, {2})


def test_a_table_of_another_model_is_refused() -> None:
    with pytest.raises(ModelError, match="has 6 prototypes"):
        prune(prepare(random_table(m=6)), STATE, {0})


def test_a_table_without_training_rows_is_refused() -> None:
    with pytest.raises(ModelError, match="no training lesions"):
        prepare(random_table(training=0))


def test_figures_agree_with_scikit_learn() -> None:
    outcome = prune(PREPARED, STATE, {5})
    rows = TABLE.of_part(Part.TEST)
    logits = outcome.after.logits(rows)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    found = outcome.figures_after[Part.TEST]
    expected = [roc_auc_score(rows.label == c, probabilities[:, c]) for c in range(3)]
    assert found.auroc == pytest.approx(expected)
    assert found.auroc_mean == pytest.approx(np.average(expected, weights=np.bincount(rows.label)))
    assert found.kappa == pytest.approx(cohen_kappa_score(rows.label, logits.argmax(axis=1)))
    known = rows.malignant >= 0
    head = outcome.after.heads.malignancy
    assert head is not None
    expected_malignancy = roc_auc_score(rows.malignant[known], logits[known] @ head.weights + head.bias)
    assert found.malignancy_auroc == pytest.approx(expected_malignancy)
    assert found.lesions == 60


def test_flips_are_exactly_the_lesions_whose_class_changes() -> None:
    outcome = prune(PREPARED, STATE, {0, 3, 6, 9})
    for part in (Part.VALIDATION, Part.TEST):
        rows = TABLE.of_part(part)
        old, new = STATE.logits(rows).argmax(axis=1), outcome.after.logits(rows).argmax(axis=1)
        changed = {rows.lesion_ids[i] for i in np.flatnonzero(old != new)}
        assert {flip.lesion_id for flip in outcome.flips if flip.part == part} == changed
    assert outcome.flips and all(flip.before != flip.after for flip in outcome.flips)


def test_the_precedent_threshold_follows_the_validation_rows() -> None:
    after = prune(PREPARED, STATE, {0}).after
    rows = TABLE.of_part(Part.VALIDATION)
    predicted = after.logits(rows).argmax(axis=1)
    own = np.array(after.prototype_class)[list(after.kept)][None] == predicted[:, None]
    largest = np.where(own, rows.scores[:, list(after.kept)], -np.inf).max(axis=1)
    assert after.precedent_threshold == pytest.approx(np.percentile(largest, 5))


def test_without_validation_and_test_rows_the_figures_are_left_out() -> None:
    table = random_table(validation=0, test=0)
    outcome = prune(prepare(table), random_state(table), {0})
    assert (outcome.figures_after, outcome.flips) == ({}, ())
    assert outcome.after.precedent_threshold == 1.0


def test_a_model_without_malignancy_stays_without() -> None:
    outcome = prune(PREPARED, without_malignancy(STATE), {0})
    assert outcome.after.heads.malignancy is None
    assert outcome.figures_after[Part.TEST].malignancy_auroc is None


def test_an_undefined_figure_is_none() -> None:
    table = random_table()
    table.label[:] = np.where(np.array(table.part) == "test", 0, table.label)
    found = prune(prepare(table), STATE, {0}).figures_after[Part.TEST]
    assert (found.auroc, found.auroc_mean) == ((None, None, None), None)


def test_leave_one_out_is_the_pruning_of_each_and_spares_the_last_of_a_class() -> None:
    state = prune(PREPARED, STATE, {1, 4, 7, 10}).after  # indistinct keeps prototype 13 alone
    found = leave_one_out(PREPARED, state)
    assert [one.index for one in found] == list(state.kept)
    assert [one.index for one in found if one.outcome is None] == [13]
    first = prune(PREPARED, state, {0})
    before, after = first.figures_before[Part.TEST].auroc_mean, first.figures_after[Part.TEST].auroc_mean
    assert before is not None and after is not None
    assert found[0].auroc_cost(Part.TEST) == pytest.approx(before - after)
    assert found[0].cross_entropy_cost(Part.TEST) is not None
    with pytest.raises(Cancelled):
        leave_one_out(PREPARED, state, cancelled=lambda: True)
