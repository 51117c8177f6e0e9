from __future__ import annotations

import hashlib
import math
from collections.abc import Callable

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.domain.errors import Cancelled, ModelError
from core.explain.explanation import Explanation, RoiInput, explain, roi_input
from core.model.network import PrototypeNetwork
from core.model.similarity import upsample
from core.training.abstention import largest_own_evidence, precedent_threshold
from core.training.inference import infer_one
from tests.core.explain.world import CLASSES, make_rois, make_world

NETWORK, CARD, ROIS = make_world()


def explained(row: int = 1) -> Explanation:
    return explain(NETWORK, CARD, roi_input(ROIS, row))


@settings(max_examples=12, deadline=None)
@given(row=st.integers(0, 11))
def test_contributions_sum_to_every_logit(row: int) -> None:
    found = explained(row)
    total = sum(r.contributions for r in found.rows)
    np.testing.assert_allclose(total, found.logits, rtol=0, atol=1e-5)


def test_why_a_and_not_b_sums_to_the_difference_of_the_logits() -> None:
    found = explained()
    for a in range(3):
        for b in range(3):
            gap = found.logits[a] - found.logits[b]
            assert found.differences(a, b).sum() == pytest.approx(gap, abs=1e-5)


def test_malignancy_by_prototype_sums_to_the_malignancy_logit() -> None:
    found = explained()
    assert found.malignancy_logit is not None
    total = sum(row.malignancy_contribution for row in found.rows) + found.malignancy_bias
    assert total == pytest.approx(found.malignancy_logit, abs=1e-5)
    assert found.malignancy_probability == pytest.approx(1 / (1 + math.exp(-found.malignancy_logit)))


def test_all_numbers_are_those_of_the_forward_pass() -> None:
    found, passed = explained(4), infer_one(NETWORK, ROIS, 4)
    np.testing.assert_array_equal(found.logits, passed.logits[0].numpy())
    for j, row in enumerate(found.rows):
        np.testing.assert_array_equal(row.similarity_map, passed.similarities[0, j].numpy())
        assert row.score == float(passed.scores[0, j])
        assert row.contributions == pytest.approx(NETWORK.last.weight[:, j].detach().numpy() * row.score)
    np.testing.assert_array_equal(
        np.stack([row.activation for row in found.rows]), upsample(passed.similarities, 32)[0].numpy()
    )


def test_at_its_source_a_prototype_reaches_its_self_activation_at_its_own_cell() -> None:
    for j, prototype in enumerate(CARD.prototypes):
        row = explained(ROIS.lesion_ids.index(prototype.lesion_id)).rows[j]
        assert row.similarity_map.max() == np.float32(math.log(1e4))
        assert row.similarity_map[prototype.cell] == row.similarity_map.max()
        assert row.self_activation == pytest.approx(9.2103, abs=1e-4)


def test_rows_are_ranked_by_their_contribution_to_the_class_asked_for() -> None:
    for c in range(3):
        values = [row.contributions[c] for row in explained().ranked(c)]
        assert values == sorted(values, reverse=True)


def test_boxes_in_the_mammogram_are_the_boxes_in_the_input_carried_back() -> None:
    found = explained(3)  # input = image / 2 - (15, 30)
    row = found.rows[0]
    assert row.relevant_box_image.x0 == pytest.approx(2 * (row.relevant_box.x0 + 15))
    assert row.relevant_box_image.y1 == pytest.approx(2 * (row.relevant_box.y1 + 30))
    assert row.receptive_box.contains(row.receptive_box.centre)
    assert row.receptive_box_image.width == pytest.approx(2 * row.receptive_box.width)


def test_class_activation_is_the_mean_of_the_maps_of_the_class() -> None:
    found = explained()
    expected = (found.rows[2].activation + found.rows[3].activation) / 2
    np.testing.assert_allclose(found.class_activation(1), expected, rtol=1e-6)


def test_a_class_that_was_not_trained_is_said_to_be_so() -> None:
    rois = make_rois()
    rois.label[0] = -1
    assert explain(NETWORK, CARD, roi_input(rois, 0, class_name="obscured")).class_is_trained is False
    assert explain(NETWORK, CARD, roi_input(rois, 0)).class_is_trained is None
    assert explained().class_is_trained is True


def test_below_the_threshold_there_is_no_precedent() -> None:
    evidence = explained().precedent.evidence
    for threshold, found in [(evidence + 1e-3, False), (evidence, True), (None, True)]:
        card = msgspec.structs.replace(CARD, precedent_threshold=threshold)
        assert explain(NETWORK, card, roi_input(ROIS, 1)).precedent.found is found


def test_own_evidence_is_the_largest_similarity_to_a_prototype_of_the_predicted_class() -> None:
    found = explained()
    own = [row.score for row in found.rows if row.class_index == found.predicted]
    assert found.precedent.evidence == max(own)


def test_the_threshold_is_the_fifth_percentile_of_the_validation_evidence() -> None:
    scores = np.arange(1, 101, dtype=np.float64)[:, None] * [1.0, 0.0] + [0.0, 0.5]
    own = np.array([0, 1])
    assert (largest_own_evidence(scores, scores, own) == scores.max(axis=1)).all()
    assert precedent_threshold(scores, scores, own) == pytest.approx(5.95)
    assert precedent_threshold(scores[:0], scores[:0], own) is None


def state(network: PrototypeNetwork) -> tuple[object, ...]:
    digest = hashlib.sha256()
    for tensor in network.state_dict().values():
        digest.update(tensor.numpy().tobytes())
    hooks = [(len(m._forward_hooks), len(m._backward_hooks)) for m in network.modules()]
    modes = [m.training for m in network.modules()]
    wants = [(p.requires_grad, None if p.grad is None else p.grad.sum().item()) for p in network.parameters()]
    return (
        digest.hexdigest(), hooks, modes, wants, torch.get_rng_state().tolist(), torch.is_grad_enabled(),
        np.random.get_state()[1].tolist(),
    )  # fmt: skip


@pytest.mark.parametrize("training", [True, False])
def test_explaining_leaves_the_network_as_it_was(training: bool) -> None:
    network, card, rois = make_world()
    network.train(training)
    network.features[1].eval()  # a mixed mode is kept, too
    network.prototypes.grad = torch.ones_like(network.prototypes)
    before = state(network)
    explain(network, card, roi_input(rois, 0))
    assert state(network) == before


def test_explaining_can_be_cancelled_at_every_step() -> None:
    def after(calls: int) -> Callable[[], bool]:
        left = iter([False] * calls)
        return lambda: next(left, True)

    for calls in range(8):
        with pytest.raises(Cancelled):
            explain(NETWORK, CARD, roi_input(ROIS, 0), cancelled=after(calls))


def test_an_roi_of_another_size_is_refused_with_the_sizes() -> None:
    roi = roi_input(ROIS, 0)
    wrong = RoiInput(pixels=roi.pixels[:16], image_to_input=roi.image_to_input, lesion_id=roi.lesion_id)
    with pytest.raises(ModelError, match="32 x 16 pixels, but the model reads 32 x 32"):
        explain(NETWORK, CARD, wrong)


def test_a_card_of_another_network_is_refused() -> None:
    card = msgspec.structs.replace(CARD, prototype_class=(0, 1, 2))
    with pytest.raises(ModelError, match="card does not describe"):
        explain(NETWORK, card, roi_input(ROIS, 0))


def test_without_a_malignancy_fit_no_malignancy_is_claimed() -> None:
    network, card, rois = make_world()
    torch.nn.init.zeros_(network.malignancy.weight)
    found = explain(network, card, roi_input(rois, 0))
    assert (found.malignancy_logit, found.malignancy_probability) == (None, None)
    assert found.class_names == CLASSES
