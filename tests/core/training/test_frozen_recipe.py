"""What the preset `pretrained` adds to a run on a frozen trunk, on a tiny one."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch

from core.data.augment import Augmentation
from core.domain.errors import Cancelled, TrainingError
from core.domain.events import Message
from core.model.checkpoint import load_model
from core.training.batches import TrainingBatch
from core.training.begin_or_resume import make_network
from core.training.config import Epochs, Rates
from core.training.fixed_draws import KeptFeatures, features_of, fixed_draws
from core.training.inference import infer_one
from core.training.losses import cell_targets, without_corners
from core.training.presets import PRESETS, default_preset, load_preset, read_preset
from core.training.request import check_request
from core.training.run_inputs import RunStart
from core.training.stages import make_optimiser, part_hashes
from core.training.trainer import Trainer, train
from tests.core.training.tiny import CONFIG, cached_draws, changed, tiny_network, tiny_parts, tiny_rois

FROZEN = changed(
    frozen_backbone=True,
    architecture=msgspec.structs.replace(CONFIG.architecture, standardised=True),
    rates=Rates(joint_last=1e-2, decoupled_decay=True, weight_decay=1e-2),
    epochs=Epochs(warm_start=2, warm_up=0, joint=2, project_every=1, draws=24),
    augmentation=Augmentation(quarter_turns=True, random_context=0.5),
    cached_augmentations=2,
    feature_dropout=0.25,
)


def _trainer(tmp_path: Path, config=FROZEN) -> Trainer:
    return Trainer(tiny_rois(), tiny_parts(), config, tmp_path, lambda event: None, lambda: False)


def test_a_frozen_trunk_stays_and_the_warm_start_trains_the_add_on_alone(tmp_path: Path) -> None:
    trainer = _trainer(tmp_path)
    trunk = part_hashes(trainer.network)["features"]
    seen = {}
    while True:
        before = part_hashes(trainer.network)
        step = trainer.advance()
        if step is None:
            break
        after = part_hashes(trainer.network)
        seen.setdefault(step.stage, {part for part in before if before[part] != after[part]})
    assert part_hashes(trainer.network)["features"] == trunk
    assert seen["warm start"] == {"addon"}
    assert seen["A1"] == {"addon", "prototypes", "last"}


def test_features_are_standardised_over_the_training_rois(tmp_path: Path) -> None:
    trainer = _trainer(tmp_path)
    layer, features = trainer.network.standardise, trainer.features()
    assert features is not None
    out = layer(features)
    torch.testing.assert_close(out.mean((0, 2, 3)), torch.zeros(out.shape[1]), atol=1e-4, rtol=0)
    spread = features.std((0, 2, 3)) > 1e-6
    torch.testing.assert_close(out.std((0, 2, 3))[spread], torch.ones(int(spread.sum())), atol=1e-2, rtol=0)


def test_a_resumed_run_ends_in_the_same_bits(tmp_path: Path) -> None:
    train(tiny_rois(), tiny_parts(), FROZEN, tmp_path / "whole")
    calls = 0

    def after_some() -> bool:
        nonlocal calls
        calls += 1
        return calls > 12

    with pytest.raises(Cancelled):
        train(tiny_rois(), tiny_parts(), FROZEN, tmp_path / "cut", cancelled=after_some)
    train(tiny_rois(), tiny_parts(), FROZEN, tmp_path / "cut")
    a, b = (load_model(tmp_path / name / "model") for name in ("whole", "cut"))
    assert a.sha256 == b.sha256
    assert a.card.architecture.standardised


def test_dropped_channels_are_at_their_mean_and_the_others_make_up_for_them() -> None:
    network, rois = tiny_network(), tiny_rois()
    plain = cached_draws(network, rois, changed(FROZEN, feature_dropout=0.0))
    dropping = cached_draws(network, rois, FROZEN)
    rows = np.arange(12)
    whole, dropped = (source.load(rows, 3, 0).inputs for source in (plain, dropping))
    gone = (dropped - torch.from_numpy(dropping.mean)).abs().amax((2, 3)) < 1e-6
    varies = (whole - torch.from_numpy(plain.mean)).abs().amax((2, 3)) > 1e-3
    assert 0.1 < float(gone[varies].float().mean()) < 0.45
    torch.testing.assert_close(
        (dropped - torch.from_numpy(dropping.mean))[~gone],
        ((whole - torch.from_numpy(plain.mean)) / 0.75)[~gone],
        rtol=1e-4, atol=1e-4,
    )  # fmt: skip
    assert torch.equal(dropping.load(rows, 3, 0).inputs, dropped)  # the same in a resumed run


def test_masks_of_the_cache_are_those_of_the_draws() -> None:
    rois = tiny_rois()
    source = cached_draws(tiny_network(), rois, changed(FROZEN, cached_augmentations=0))
    batch = source.load(np.arange(8), 1, 0)
    assert torch.equal(batch.lesion, torch.from_numpy(rois.central(rois.lesion)[:8].copy()))


def test_the_parts_of_a_trunk_make_what_the_whole_makes() -> None:
    network, images = tiny_network().eval(), torch.rand(3, 3, 32, 32)
    with torch.no_grad():
        whole = network.feature_maps(images)
        for blocks in range(len(network.blocks()) + 1):
            early = network.early_maps(images, blocks)
            assert torch.equal(network.features_of_early(early, blocks), whole), blocks
        assert torch.equal(early, whole)


def test_a_run_on_kept_features_projects_onto_patches_that_its_network_computes(tmp_path: Path) -> None:
    rois, parts = tiny_rois(), tiny_parts()
    network = make_network(FROZEN, fresh=True)
    fixed = fixed_draws(network, rois, FROZEN, blocks=len(network.blocks()))
    kept = KeptFeatures(fixed=fixed, lesion_ids=rois.lesion_ids)
    some = rois.rows([7, 2])
    assert torch.equal(kept.of(some).plain, features_of(network, some)) and kept.of(some).drawn.shape[:2] == (2, 2)
    train(rois, parts, FROZEN, tmp_path, start=RunStart(kept=kept))
    model = load_model(tmp_path / "model")
    for prototype in model.card.prototypes:
        row = rois.lesion_ids.index(prototype.lesion_id)
        maps = infer_one(model.network, rois, row).similarities[0, prototype.index]
        assert float(maps[prototype.cell]) == pytest.approx(math.log(1 / 1e-4), abs=1e-5)


def _box_batch(label: int = 1) -> TrainingBatch:
    mask = torch.zeros(1, 32, 32, dtype=torch.uint8)
    mask[:, 8:24, 4:28] = 1
    return TrainingBatch(
        inputs=torch.zeros(1, 3, 32, 32), label=torch.tensor([label]), mask=mask, lesion=mask, irrelevant=1 - mask,
        lesion_ids=("a",), whole=1,
    )  # fmt: skip


def test_a_box_loses_its_corners_and_other_shapes_stay() -> None:
    mask = _box_batch().mask
    inner = without_corners(mask)
    assert float(inner.sum() / mask.sum()) == pytest.approx(math.pi / 4, abs=0.02)
    assert inner[0, 16, 4:28].all() and not inner[0, 8, 4]
    y, x = np.mgrid[:32, :32]
    triangle = torch.from_numpy((x > y).astype(np.uint8))[None]
    empty = torch.zeros(1, 32, 32, dtype=torch.uint8)
    for shape in (triangle, empty, inner):
        assert torch.equal(without_corners(shape), shape)


def test_cells_in_the_corners_of_a_box_are_ignored() -> None:
    target = cell_targets(_box_batch(), (8, 8), 3)[0]
    assert target[4, 4] == 1 and target[2, 1] == -1 and target[0, 0] == 3


def test_a_training_that_learns_nothing_says_so(tmp_path: Path) -> None:
    events: list[object] = []
    slow = Rates(warm_start=1e-9, joint_features=1e-9, joint_addon=1e-9, joint_prototypes=1e-9, warm_addon=1e-9)
    config = changed(FROZEN, rates=slow, prototype_start="random")
    train(tiny_rois(), tiny_parts(), config, tmp_path / "slow", emit=events.append)
    said = [e.text for e in events if isinstance(e, Message) and e.level == "warning"]
    assert any("learned nothing" in text and "ln 3 = 1.10" in text for text in said)


def test_weights_see_the_input_that_they_were_trained_on() -> None:
    config = load_preset("pretrained")
    wrong = changed(config, transform=msgspec.structs.replace(config.transform, mean=(0.485, 0.456, 0.406)))
    rois = replace(tiny_rois(), transform=wrong.transform)
    with pytest.raises(TrainingError, match=r"efficientnet_lite0 expect an input normalised with mean 0\.498"):
        check_request(rois, tiny_parts(), wrong)


@pytest.mark.parametrize("name", ["pretrained", "frozen"])
def test_the_number_of_steps_does_not_follow_from_the_size_of_the_study(name: str) -> None:
    config = load_preset(name)
    steps = config.epochs.draws * config.epochs.joint / (config.batch_lesion + config.batch_fine)
    assert config.frozen_backbone
    assert steps >= 300


def test_every_departure_of_the_preset_has_its_reason() -> None:
    from core.training.presets import deviations

    for name in PRESETS:
        rows = deviations(read_preset(name).config)
        assert all(row.why for row in rows), [row.field for row in rows if not row.why]


def test_the_default_preset_needs_no_weights_where_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for there, name in ((True, "pretrained"), (False, "compact")):
        monkeypatch.setattr("core.training.presets.packaged_at_hand", lambda _name, there=there: there)
        assert default_preset() == name
        assert default_preset(synthetic=True) == "compact"


def test_blocks_that_are_fixed_keep_their_weights_and_statistics(tmp_path: Path) -> None:
    config = changed(frozen_blocks=2)
    trainer = Trainer(tiny_rois(), tiny_parts(), config, tmp_path, lambda event: None, lambda: False)
    before = {name: value.clone() for name, value in trainer.network.features.state_dict().items()}
    while trainer.advance() is not None:
        pass
    with_weights = [
        name for name, child in trainer.network.features.named_children() if any(True for _ in child.parameters())
    ]
    after = trainer.network.features.state_dict()
    changed_names = {name.split(".")[0] for name, value in after.items() if not torch.equal(value, before[name])}
    assert changed_names == set(with_weights[2:])


def test_late_blocks_of_a_frozen_trunk_are_trained_in_a1_and_projection_sees_them_so(tmp_path: Path) -> None:
    config = changed(FROZEN, tuned_blocks=2, rates=Rates(joint_features=1e-2, layer_decay=0.5))
    trainer = _trainer(tmp_path, config)
    last = {id(p) for block in trainer.network.blocks()[-2:] for p in block.parameters()}
    before = {name: value.clone() for name, value in trainer.network.features.named_parameters()}
    seen = set()
    while (step := trainer.advance()) is not None:
        moved = {n for n, p in trainer.network.features.named_parameters() if not torch.equal(p, before[n])}
        seen |= {step.stage} if moved else set()
        assert moved <= {n for n, p in trainer.network.features.named_parameters() if id(p) in last}
        if step.stage == "A2":
            known = trainer.features()
            assert known is not None and torch.equal(known, features_of(trainer.network, trainer.data.training))
    assert "warm start" not in seen and "A1" in seen


def test_late_blocks_of_a_trunk_that_is_not_frozen_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="frozen_backbone=true"):
        train(tiny_rois(), tiny_parts(), changed(tuned_blocks=1), tmp_path)


def test_rates_fall_from_the_end_of_the_trunk_to_its_input() -> None:
    network = tiny_network()
    rates = Rates(joint_features=1e-3, layer_decay=0.5)
    optimiser = make_optimiser(network, "A1", rates, head=None, frozen_backbone=False, frozen_blocks=1)
    blocks = network.blocks()
    rate_of = {id(p): group["rate"] for group in optimiser.param_groups for p in group["params"]}
    assert [id(p) in rate_of for p in blocks[0].parameters()] == [False]
    assert rate_of[id(next(blocks[-1].parameters()))] == pytest.approx(1e-3)
    assert rate_of[id(next(blocks[-3].parameters()))] == pytest.approx(1e-3 / 4)
    assert rate_of[id(network.prototypes)] == Rates().joint_prototypes


def test_fixing_every_block_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="leaves nothing of the trunk to train"):
        train(tiny_rois(), tiny_parts(), changed(frozen_blocks=50), tmp_path)
