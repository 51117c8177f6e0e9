"""A black box on a frozen trunk: its last blocks are trained from features that were computed once."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch

from core.baselines.config import ClassifierConfig, classifier_of
from core.baselines.judge import judge_classifier
from core.baselines.network import make_classifier
from core.baselines.trainer import train_classifier
from core.baselines.tuned_trunk import frozen_blocks_of, trunk_groups
from core.domain.errors import Cancelled, TrainingError
from core.domain.events import Event, Metrics
from core.evaluation.localisation import controls_of
from core.experiment.features import FEATURES, drop_features, keep_features
from core.training.fixed_draws import KeptFeatures, KnownFeatures, fixed_draws
from core.training.presets import load_preset
from tests.core.training.tiny import changed, tiny_parts, tiny_rois

BASE = changed(frozen_backbone=True, cached_augmentations=2)
TUNED: ClassifierConfig = msgspec.structs.replace(
    classifier_of(BASE, "margin"), epochs=2, tuned_blocks=2, layer_decay=0.5, patience=0
)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def test_only_the_last_blocks_and_what_follows_them_are_trained(tmp_path: Path) -> None:
    before = make_classifier(TUNED, fresh=True).state_dict()
    network = train_classifier(tiny_rois(), tiny_parts(), TUNED, tmp_path).network
    last = {id(p) for block in network.blocks()[-2:] for p in block.parameters()}
    for name, parameter in network.named_parameters():
        moved = not torch.equal(parameter, before[name])
        assert moved == (id(parameter) in last or not name.startswith("features.")), name


def test_blocks_further_from_the_end_learn_more_slowly() -> None:
    network = make_classifier(TUNED, fresh=True)
    rates = [group["rate"] for group in trunk_groups(network, TUNED)]
    assert rates == [TUNED.rate_trunk * 0.5, TUNED.rate_trunk]
    with pytest.raises(TrainingError, match="tuned_blocks"):
        frozen_blocks_of(network, msgspec.structs.replace(TUNED, tuned_blocks=99))


def test_a_resumed_training_ends_in_the_same_bits(tmp_path: Path) -> None:
    config = msgspec.structs.replace(TUNED, mask_warm_start=1)
    rois, parts = tiny_rois(), tiny_parts()
    whole = train_classifier(rois, parts, config, tmp_path / "whole").network.state_dict()
    epochs: list[int] = []

    def after_one(event: Event) -> None:
        if isinstance(event, Metrics):
            epochs.append(event.epoch)

    with pytest.raises(Cancelled):
        train_classifier(rois, parts, config, tmp_path / "cut", emit=after_one, cancelled=lambda: bool(epochs))
    resumed = train_classifier(rois, parts, config, tmp_path / "cut").network.state_dict()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_kept_features_are_those_that_a_training_computes_for_itself(tmp_path: Path) -> None:
    """Without augmentations, whose draws depend on the set that they are drawn for."""
    rois, parts = tiny_rois(), tiny_parts()
    config = msgspec.structs.replace(TUNED, base=changed(BASE, cached_augmentations=0))
    network = make_classifier(config, fresh=True)
    fixed = fixed_draws(network, rois, config.base, blocks=frozen_blocks_of(network, config))
    kept = KeptFeatures(fixed=fixed, lesion_ids=rois.lesion_ids)
    own = train_classifier(rois, parts, config, tmp_path / "own").network.state_dict()
    given = train_classifier(rois, parts, config, tmp_path / "given", kept=kept).network.state_dict()
    assert all(torch.equal(own[name], given[name]) for name in own)


def test_a_classifier_is_evaluated_on_known_features_as_without_them(tmp_path: Path) -> None:
    rois, parts = tiny_rois(), tiny_parts()
    model = train_classifier(rois, parts, TUNED, tmp_path)
    blocks = frozen_blocks_of(model.network, TUNED)
    fixed = fixed_draws(model.network, rois, changed(BASE, cached_augmentations=0), blocks=blocks)
    kept = KeptFeatures(fixed=fixed, lesion_ids=rois.lesion_ids)
    controls = controls_of(rois, drawn=rois)
    plain = judge_classifier(model, rois, name="a", controls=controls)
    known = judge_classifier(model, rois, name="a", controls=controls, known=KnownFeatures(plain=kept, drawn=kept))
    for method, found in plain.items():
        assert np.array_equal(found.logits, known[method].logits)
        for scale, one in found.scales.items():
            np.testing.assert_array_equal(one.pairs.value, known[method].scales[scale].pairs.value, scale)


def test_the_experiment_keeps_features_by_what_they_follow_from(tmp_path: Path) -> None:
    """Random weights are a model's own: nothing is shared. ``drop_features`` leaves nothing behind."""
    rois = tiny_rois()

    def keep(config: ClassifierConfig) -> Path | None:
        return keep_features(tmp_path, config, rois, emit=lambda event: None, cancelled=lambda: False)

    assert keep(TUNED) is None and not (tmp_path / FEATURES).exists()
    drop_features(tmp_path)


def test_the_pretrained_black_box_trains_the_last_blocks() -> None:
    config = classifier_of(load_preset("pretrained"), "margin", masks=True)
    assert config.tuned_blocks == 3 and config.layer_decay < 1 and config.patience > 0
    assert config.mask_warm_start == load_preset("pretrained").epochs.warm_start
