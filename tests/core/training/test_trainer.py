from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch

from core.domain.errors import Cancelled, TrainingError
from core.domain.events import Message, Metrics, Progress
from core.domain.vocabulary import Part
from core.model.checkpoint import load_model
from core.training import stage_loss, trainer
from core.training.config import Epochs, LossWeights
from core.training.inference import infer, infer_one
from core.training.similarity_table import load_table
from core.training.stages import CHANGES, part_hashes, plan
from core.training.state import STATE_NAME, load
from core.training.trainer import Trainer, train
from tests.core.training.tiny import CLASSES, CONFIG, changed, tiny_parts, tiny_rois


def _weights(folder: Path) -> dict[str, torch.Tensor]:
    return dict(load_model(folder / "model").network.state_dict())


def _same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_a_run_ends_in_a_projected_model_a_table_and_a_record(tmp_path: Path) -> None:
    rois, events = tiny_rois(), []
    result = train(rois, tiny_parts(), CONFIG, tmp_path, emit=events.append)
    assert {p.name for p in tmp_path.iterdir()} == {
        "config.json", "machine.json", "state.safetensors", "history.json", "table.h5", "run.json", "model",
    }  # fmt: skip
    model = load_model(result.model_folder)
    assert model.card == result.card
    for record in model.card.prototypes:
        row = rois.lesion_ids.index(record.lesion_id)
        found = infer_one(model.network, rois, row)
        assert found.similarities[0, record.index][record.cell].item() == pytest.approx(math.log(1e4), abs=1e-6)
        assert torch.equal(found.latent[0][:, *record.cell], model.network.prototypes[record.index].flatten())
        assert tiny_parts()[row] == Part.TRAINING.value
        assert CLASSES[rois.label[row]] == record.class_name
    table = load_table(tmp_path / "table.h5")
    assert len(table) == len(rois)
    order = [rois.lesion_ids.index(name) for name in table.lesion_ids]
    np.testing.assert_allclose(table.scores, infer(model.network, rois).scores[order], rtol=1e-5)
    assert [e.stage for e in events if isinstance(e, Metrics)][:3] == ["warm start", "warm-up", "A1"]
    progress = [e for e in events if isinstance(e, Progress)]
    assert [p.done for p in progress] == sorted(p.done for p in progress)
    assert model.card.precedent_threshold is not None and model.card.synthetic
    assert result.record.malignancy_left_out == 1 and result.record.lesions["training"] == 12


def test_each_stage_changes_only_its_own_parameters(tmp_path: Path) -> None:
    trainer = Trainer(tiny_rois(), tiny_parts(), CONFIG, tmp_path, lambda event: None, lambda: False)
    seen = set()
    while True:
        before = part_hashes(trainer.network)
        step = trainer.advance()
        if step is None:
            break
        after = part_hashes(trainer.network)
        differing = {part for part in before if before[part] != after[part]}
        assert differing <= set(CHANGES[step.stage]), step
        if step.stage != "selection":
            assert differing == set(CHANGES[step.stage]), step
        seen.add(step.stage)
    assert seen == set(CHANGES)


def test_two_runs_of_one_seed_are_equal_and_another_seed_differs(tmp_path: Path) -> None:
    for name, config in (("a", CONFIG), ("b", CONFIG), ("c", changed(seed=2))):
        train(tiny_rois(), tiny_parts(), config, tmp_path / name)
    assert _same(_weights(tmp_path / "a"), _weights(tmp_path / "b"))
    assert not _same(_weights(tmp_path / "a"), _weights(tmp_path / "c"))


@pytest.mark.parametrize("table_rows", ["unaugmented", "augmented"])
def test_validation_and_test_images_never_reach_the_weights(tmp_path: Path, table_rows: str) -> None:
    config = changed(select_on_validation=False, table_rows=table_rows)
    rois, parts = tiny_rois(), tiny_parts()
    train(rois, parts, config, tmp_path / "a")
    other = rois.pixels.copy()
    other[parts != Part.TRAINING.value] = 0
    train(replace(rois, pixels=other), parts, config, tmp_path / "b")
    assert _same(_weights(tmp_path / "a"), _weights(tmp_path / "b"))


def test_selection_keeps_the_projected_epoch_with_the_best_validation(tmp_path: Path) -> None:
    events: list[object] = []
    config = changed(epochs=Epochs(warm_start=1, warm_up=0, joint=4, project_every=1, draws=16))
    result = train(tiny_rois(), tiny_parts(), config, tmp_path, emit=events.append)
    found = [
        (e.values["validation_auroc"], -e.values["validation_cross_entropy"], -e.epoch)
        for e in events if isinstance(e, Metrics) and e.stage == "A3"
    ]  # fmt: skip
    assert -max(found)[2] == result.record.best_epoch


def test_cancelling_at_any_batch_keeps_the_last_finished_step_and_goes_on_from_there(tmp_path: Path) -> None:
    train(tiny_rois(), tiny_parts(), CONFIG, tmp_path / "whole")
    folder, calls = tmp_path / "cut", 0
    while True:
        asked = 0

        def cancelled() -> bool:
            nonlocal asked
            asked += 1
            return asked > 7

        calls += 1
        try:
            train(tiny_rois(), tiny_parts(), CONFIG, folder, cancelled=cancelled)
            break
        except Cancelled:
            assert not (folder / "run.json").exists()
            assert calls < 40
    assert calls > 2
    assert _same(_weights(tmp_path / "whole"), _weights(folder))


def test_a_loss_that_is_not_finite_stops_within_one_step_and_keeps_the_last_finite_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = stage_loss.joint_loss, 0

    def poisoned(*arguments: object, **named: object) -> dict[str, torch.Tensor]:
        nonlocal calls
        calls += 1
        parts = real(*arguments, **named)  # type: ignore[arg-type]
        return {**parts, "cluster": parts["cluster"] * math.nan} if calls == 5 else parts

    monkeypatch.setattr(stage_loss, "joint_loss", poisoned)
    with pytest.raises(TrainingError, match=r"epoch 1 of A1, batch 2 \(lesions lesion\d+.*and 3 more\)"):
        train(tiny_rois(), tiny_parts(), CONFIG, tmp_path)
    assert calls == 5
    facts, tensors = load(tmp_path)
    assert plan(CONFIG)[facts.position].stage == "A1"
    assert all(torch.isfinite(t).all() for t in tensors.values() if t.is_floating_point())
    monkeypatch.setattr(stage_loss, "joint_loss", real)
    train(tiny_rois(), tiny_parts(), CONFIG, tmp_path)
    train(tiny_rois(), tiny_parts(), CONFIG, tmp_path / "whole")
    assert _same(_weights(tmp_path), _weights(tmp_path / "whole"))


def test_when_memory_runs_out_the_batch_is_halved_and_the_user_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, sizes = stage_loss.joint_loss, []

    def hungry(network: object, found: object, batch: object, weights: object) -> dict[str, torch.Tensor]:
        sizes.append(len(batch))  # type: ignore[arg-type]
        if len(batch) > 3:  # type: ignore[arg-type]
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(network, found, batch, weights)  # type: ignore[arg-type]

    monkeypatch.setattr(stage_loss, "joint_loss", hungry)
    events: list[object] = []
    result = train(tiny_rois(), tiny_parts(), CONFIG, tmp_path, emit=events.append)
    assert sizes[:3] == [8, 4, 2] and max(sizes[3:]) == 2
    assert result.record.images_at_once == 2 and result.record.memory_halvings == 2
    assert any(isinstance(e, Message) and e.level == "warning" and "2 images" in e.text for e in events)


def test_memory_that_does_not_suffice_for_one_image_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    def hungry(*arguments: object) -> dict[str, torch.Tensor]:
        raise MemoryError

    monkeypatch.setattr(stage_loss, "joint_loss", hungry)
    with pytest.raises(TrainingError, match="single image"):
        train(tiny_rois(), tiny_parts(), CONFIG, tmp_path)


def test_a_class_without_training_lesions_is_refused(tmp_path: Path) -> None:
    rois = tiny_rois(labels=[i % 2 for i in range(24)])
    with pytest.raises(TrainingError, match="spiculated"):
        train(rois, tiny_parts(), CONFIG, tmp_path)


def test_a_class_with_one_patient_and_lesions_without_a_class_can_be_trained(tmp_path: Path) -> None:
    labels = [i % 2 for i in range(24)]
    labels[0], labels[4], labels[5] = 2, -1, -1
    result = train(tiny_rois(labels=labels), tiny_parts(), CONFIG, tmp_path)
    sources = {p.lesion_id for p in result.card.prototypes if p.class_name == "spiculated"}
    assert sources == {"lesion000"}


def test_without_validation_or_biopsies_a_run_still_ends(tmp_path: Path) -> None:
    rois = replace(tiny_rois(), malignant=np.full(24, -1))
    events: list[object] = []
    parts = np.full(24, Part.TRAINING.value)
    result = train(rois, parts, changed(select_on_validation=False), tmp_path, emit=events.append)
    assert result.record.best_epoch == 2 and result.card.precedent_threshold is None
    assert "malignancy" in result.card.notes and result.card.malignancy_ridge is None
    assert "every lesion" in result.card.notes["precedent"]
    assert any(isinstance(e, Message) and "Malignancy" in e.text for e in events)


def test_the_ridge_is_chosen_once_and_kept_for_every_later_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen, fitted = [], []
    choose, fit = trainer.choose_ridge, trainer.refit

    def counting(*arguments: object) -> object:
        chosen.append(choose(*arguments))  # type: ignore[arg-type]
        return chosen[-1]

    def noting(*arguments: object, ridge: float) -> object:
        fitted.append(ridge)
        return fit(*arguments, ridge=ridge)  # type: ignore[arg-type]

    monkeypatch.setattr(trainer, "choose_ridge", counting)
    monkeypatch.setattr(trainer, "refit", noting)
    result = train(tiny_rois(), tiny_parts(), CONFIG, tmp_path)
    assert len(chosen) == 1 and fitted == [chosen[0].chosen] * 2
    assert result.card.ridge == chosen[0].chosen


def test_without_a_validation_part_the_last_projected_epoch_is_kept(tmp_path: Path) -> None:
    parts = np.where(tiny_parts() == Part.VALIDATION.value, Part.TEST.value, tiny_parts())
    assert train(tiny_rois(), parts, CONFIG, tmp_path).record.best_epoch == 2


def test_a_frozen_backbone_refuses_augmented_rows_of_the_table(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="table_rows=unaugmented"):
        train(tiny_rois(), tiny_parts(), changed(frozen_backbone=True, table_rows="augmented"), tmp_path)


def test_a_folder_of_another_run_is_refused(tmp_path: Path) -> None:
    train(tiny_rois(), tiny_parts(), CONFIG, tmp_path)
    with pytest.raises(TrainingError, match="another configuration"):
        train(tiny_rois(), tiny_parts(), changed(seed=9), tmp_path)
    with pytest.raises(TrainingError, match="other data"):
        train(tiny_rois(seed=5), tiny_parts(), CONFIG, tmp_path)


def test_rois_of_another_transform_or_class_list_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="extract them again"):
        train(tiny_rois(), tiny_parts(), changed(class_names=("a", "b", "c")), tmp_path)


def test_a_finished_run_is_finished_again_without_a_change(tmp_path: Path) -> None:
    train(tiny_rois(), tiny_parts(), CONFIG, tmp_path)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir() if p.suffix == ".json"}
    state = (tmp_path / STATE_NAME).read_bytes()
    train(tiny_rois(), tiny_parts(), CONFIG, tmp_path)
    assert before == {p.name: p.read_bytes() for p in tmp_path.iterdir() if p.suffix == ".json"}
    assert (tmp_path / STATE_NAME).read_bytes() == state


def test_the_frozen_mode_trains_on_cached_features_and_leaves_the_backbone(tmp_path: Path) -> None:
    config = changed(frozen_backbone=True)
    trainer = Trainer(tiny_rois(), tiny_parts(), config, tmp_path, lambda event: None, lambda: False)
    before = part_hashes(trainer.network)
    trainer.run()
    after = part_hashes(trainer.network)
    assert before["features"] == after["features"]
    assert all(before[part] != after[part] for part in ("addon", "prototypes", "last", "malignancy"))
    model = load_model(tmp_path / "model")
    for record in model.card.prototypes:
        found = infer_one(model.network, tiny_rois(), int(record.lesion_id[-3:]))
        assert found.distances[0, record.index][record.cell].item() == 0.0


def test_protopnet_trains_without_masks(tmp_path: Path) -> None:
    architecture = msgspec.structs.replace(CONFIG.architecture, top_k=1)
    config = changed(method="protopnet", architecture=architecture, warm_start="image", loss=LossWeights(fine=0))
    rois, parts = tiny_rois(), tiny_parts()
    train(rois, parts, config, tmp_path / "a")
    bare = replace(rois, fine=np.zeros_like(rois.fine), lesion=np.zeros_like(rois.lesion))
    train(bare, parts, config, tmp_path / "b")
    # augmentation draws again where a crop loses a mask; the disc of these ROIs is never lost
    assert _same(_weights(tmp_path / "a"), _weights(tmp_path / "b"))


def test_a_run_with_bfloat16_gradients_still_projects_and_explains_in_float32(tmp_path: Path) -> None:
    result = train(tiny_rois(), tiny_parts(), changed(precision="bfloat16"), tmp_path)
    assert result.record.precision == "bfloat16"
    model = load_model(result.model_folder)
    for record in model.card.prototypes:
        found = infer_one(model.network, tiny_rois(), int(record.lesion_id[-3:]))
        assert found.similarities[0, record.index][record.cell].item() == pytest.approx(math.log(1e4), abs=1e-6)
