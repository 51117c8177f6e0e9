"""The naive side computes what the engine computes: the same loss, patches, crops and objective."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from core.data.augment import Augmentation, apply, draw_parameters, generator
from core.training.batches import Augmented
from core.training.inference import infer
from core.training.losses import joint_loss
from core.training.projection import project
from core.training.refit import initial_weights, objective, refit
from tests.benchmarks.naive import augmentation, last_layer
from tests.benchmarks.naive import projection as naive_projection
from tests.benchmarks.naive import step as naive
from tests.benchmarks.naive.network import NaiveNetwork
from tests.core.training.tiny import CONFIG, TRANSFORM, tiny_network, tiny_rois


def test_one_step_has_the_same_loss_and_the_same_gradients() -> None:
    network, rois = tiny_network().train(), tiny_rois()
    source = Augmented(rois, CONFIG)
    batch = source.load(np.arange(8), 0, 0)
    assert bool(batch.has_mask.all())
    plain = NaiveNetwork(network).train()
    parts = joint_loss(network, network(batch.inputs), batch, CONFIG.loss)
    torch.stack(list(parts.values())).sum().backward()
    value = naive.loss(plain, batch.inputs, batch.label, batch.irrelevant.float())
    value.backward()
    assert value.item() == pytest.approx(sum(part.item() for part in parts.values()), rel=1e-4)
    for mine, other in ((network.prototypes, plain.prototypes), (network.addon[0].weight, plain.addon[0].weight)):
        assert mine.grad is not None and other.grad is not None
        torch.testing.assert_close(mine.grad, other.grad, rtol=2e-3, atol=2e-4)


def test_the_loop_over_prototypes_finds_the_same_patches_and_writes_their_pictures(tmp_path: Path) -> None:
    network, rois = tiny_network(), tiny_rois()
    plain, spared = NaiveNetwork(network), NaiveNetwork(network)
    patches = naive_projection.project(plain, rois, tmp_path)
    records = project(network, rois)
    assert [(p.lesion_id, p.cell) for p in patches] == [(r.lesion_id, r.cell) for r in records]
    torch.testing.assert_close(plain.prototypes, network.prototypes, rtol=1e-4, atol=1e-5)
    assert {path.name for path in tmp_path.iterdir()} == {
        f"prototype{j}-{what}.png" for j in range(6) for what in ("original", "activation", "patch")
    }
    assert naive_projection.project(spared, rois, None, own_class_only=True) == patches


def test_epochs_through_the_backbone_approach_the_objective_of_the_refit_and_never_beat_it() -> None:
    network, rois = tiny_network(), tiny_rois()
    project(network, rois)
    plain = NaiveNetwork(network)
    anchor = initial_weights(network.prototype_class.tolist(), 3)
    scores = infer(network, rois).scores
    start = objective(anchor, scores, rois.label, anchor, 1e-2)
    last_layer.fit(plain, rois, epochs=10, ridge=1e-2)
    slow = objective(plain.last.weight.detach().double().numpy(), scores, rois.label, anchor, 1e-2)
    fast = objective(refit(scores, rois.label, anchor, ridge=1e-2), scores, rois.label, anchor, 1e-2)
    assert fast <= slow < start


def test_one_image_after_another_is_cut_alike() -> None:
    rois = tiny_rois(6)
    smooth = np.round(120 + 100 * np.sin(np.arange(TRANSFORM.stored_size) / 6)).astype(np.uint8)
    pixels = np.broadcast_to(smooth[None, None] // 2 + smooth[None, :, None] // 2, rois.pixels.shape).copy()
    masks = np.stack([rois.fine, rois.lesion], axis=1)
    parameters = draw_parameters(generator(3, 0, 0), 6, Augmentation())
    grey, cut = apply(parameters, pixels, masks, TRANSFORM)
    slow_grey, slow_cut = augmentation.apply(parameters, pixels, masks, TRANSFORM)
    assert np.abs(grey - slow_grey).max() < 2 / 255
    assert (cut != slow_cut).mean() < 0.02
