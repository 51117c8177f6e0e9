"""Judging a model looks at it and at the ROIs, and changes neither."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from core.evaluation.judge import judge
from core.model.checkpoint import LoadedModel, load_model
from core.training.abstention import largest_own_evidence
from core.training.trainer import train
from tests.core.training.tiny import CONFIG, tiny_parts, tiny_rois


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return load_model(train(tiny_rois(), tiny_parts(), CONFIG, tmp_path_factory.mktemp("run")).model_folder)


def test_judging_changes_no_weight_no_mode_and_no_random_number(model: LoadedModel) -> None:
    network, rois = model.network, tiny_rois()
    network.train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    state, pixels = torch.get_rng_state(), rois.pixels.copy()
    numpy_state = np.random.get_state()[1].copy()
    judge(model, rois, name="x")
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert network.training and all(module.training for module in network.modules())
    assert torch.equal(torch.get_rng_state(), state) and np.array_equal(rois.pixels, pixels)
    assert np.array_equal(np.random.get_state()[1], numpy_state)


def test_no_precedent_is_own_evidence_below_the_models_threshold(model: LoadedModel) -> None:
    from core.training.inference import infer

    rois = tiny_rois()
    found, judged = infer(model.network, rois), judge(model, rois, name="x")
    own = np.asarray(model.card.prototype_class, dtype=np.int64)
    evidence = largest_own_evidence(found.scores, found.logits, own)
    threshold = model.card.precedent_threshold
    assert threshold is not None and judged.evidence is not None
    assert (judged.no_precedent == (evidence < threshold)).all()
    np.testing.assert_allclose(judged.evidence, evidence - threshold)
