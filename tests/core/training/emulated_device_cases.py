"""Everything that a GPU computes, on a device that refuses to mix devices and notes every wait."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch

from core.baselines.config import classifier_of
from core.baselines.judge import judge_classifier
from core.baselines.trainer import train_classifier
from core.domain.errors import Cancelled
from core.domain.events import Message, Metrics
from core.evaluation.judge import judge
from core.explain.explanation import explain, roi_input
from core.model import accelerator
from core.model.checkpoint import LoadedModel, load_model
from core.pruning.prune import prepare, prunable_state, prune
from core.training import resident, stage_loss, stages, trainer
from core.training.batches import everything, prefetched
from core.training.config import Epochs, Machine, TrainingConfig
from core.training.inference import infer
from core.training.resident import OnDevice
from core.training.table_rows import fit_table
from core.training.team import TeamBatchNorm2d
from core.training.trainer import train
from tests.core.training.tiny import changed, tiny_network, tiny_parts, tiny_rois
from tests.emulated_device import NAME, Log, emulated

CONFIG = changed(device="auto", epochs=Epochs(warm_start=1, warm_up=1, joint=2, project_every=2, draws=16))
SHORT = changed(device="auto", epochs=Epochs(warm_start=0, warm_up=0, joint=1, project_every=1, draws=16))
ONCE = {"_constants", "_hats"}
"""Functions that make a constant of the process."""


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Iterator[Log]:
    monkeypatch.setattr(accelerator, "accelerator_kind", lambda: NAME)
    torch.set_num_threads(1)
    with emulated() as log:
        yield log


def _interrupted(config: TrainingConfig, folder: Path) -> None:
    """Between two epochs that share an optimiser."""
    seen: list[object] = []

    def cancelled() -> bool:
        return any(isinstance(event, Metrics) and event.stage == "A1" for event in seen)

    with pytest.raises(Cancelled):
        train(tiny_rois(), tiny_parts(), config, folder, emit=seen.append, cancelled=cancelled)


def _on_processor(config: TrainingConfig, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same draws and steps with the processor in the place of the device."""
    with monkeypatch.context() as patch:
        patch.setattr(accelerator, "accelerator_kind", lambda: None)
        for module in (resident, stages, trainer):
            patch.setattr(module, "is_accelerator", lambda device: True)
        train(tiny_rois(), tiny_parts(), config, folder)


def test_a_run_never_waits_in_a_step_goes_on_after_a_stop_and_equals_the_processors(
    device: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # weights in the layout that is not inference's: (a) moments must follow them after a resume
    config = msgspec.structs.replace(CONFIG, machine=Machine(layout="contiguous"), table_rows="augmented")
    _interrupted(config, tmp_path / "device")
    result = train(tiny_rois(), tiny_parts(), config, tmp_path / "device")
    assert result.record.device == NAME
    assert {wait.frames[0] for wait in device.in_steps()} <= ONCE
    _on_processor(config, tmp_path / "processor", monkeypatch)
    mine, other = (load_model(tmp_path / name / "model") for name in ("device", "processor"))
    for name, value in mine.network.state_dict().items():
        torch.testing.assert_close(value, other.network.state_dict()[name], rtol=1e-4, atol=1e-5)
    _explained_judged_and_pruned_alike(mine, device)


def _explained_judged_and_pruned_alike(model: LoadedModel, device: Log) -> None:
    rois = tiny_rois()
    there = replace(model, network=copy.deepcopy(model.network).to(torch.device(NAME)))
    before = device.operations
    for row in (0, 5):
        roi = roi_input(rois, row)
        mine, other = (explain(one.network, one.card, roi) for one in (there, model))
        np.testing.assert_allclose(mine.logits, other.logits, rtol=1e-5)
        np.testing.assert_allclose(mine.rows[0].activation, other.rows[0].activation, rtol=1e-4, atol=1e-5)
    found, expected = (judge(one, rois, name="it") for one in (there, model))
    np.testing.assert_allclose(found.logits, expected.logits, rtol=1e-5)
    for scale, precision in expected.scales.items():
        np.testing.assert_allclose(found.scales[scale].pairs.value, precision.pairs.value, atol=1e-6)
    assert device.operations > before
    table = fit_table(there.network, rois, CONFIG)
    outcomes = [prune(prepare(table), prunable_state(one.network, one.card), {1}) for one in (there, model)]
    np.testing.assert_array_equal(outcomes[0].after.heads.weights, outcomes[1].after.heads.weights)


def test_a_classifier_never_waits_in_a_step_and_goes_on_after_a_stop(device: Log, tmp_path: Path) -> None:
    config = msgspec.structs.replace(classifier_of(CONFIG, "margin"), epochs=2, mask_warm_start=1)
    asked = 0

    def cancelled() -> bool:
        nonlocal asked
        asked += 1
        return asked > 9

    with pytest.raises(Cancelled):
        train_classifier(tiny_rois(), tiny_parts(), config, tmp_path, cancelled=cancelled)
    assert (tmp_path / "classifier-state.safetensors").exists()
    model = train_classifier(tiny_rois(), tiny_parts(), config, tmp_path)
    assert {wait.frames[0] for wait in device.in_steps()} <= ONCE
    there = replace(model, network=model.network.to(torch.device(NAME)))
    assert set(judge_classifier(there, tiny_rois(), name="VGG")) == {"GradCAM", "GradCAM++"}


def test_an_allocation_that_fails_halves_the_batch_and_is_told(
    device: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[object] = []
    real, calls = stage_loss.joint_loss, 0
    device.message = "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"

    def failing_next(*arguments: object, **named: object) -> dict[str, torch.Tensor]:
        nonlocal calls
        calls += 1
        if calls == 1:
            device.fails_at = 0
        return real(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(stage_loss, "joint_loss", failing_next)
    result = train(tiny_rois(), tiny_parts(), SHORT, tmp_path, emit=events.append)
    assert result.record.memory_halvings == 1 and result.record.images_at_once == 4
    told = [one.text for one in events if isinstance(one, Message) and "memory" in one.text]
    assert told == ["Not enough memory: continuing with 4 images at a time."]


def test_streamed_rois_reach_the_device_that_was_chosen_from_any_thread(device: Log) -> None:
    with emulated(current=1):
        chosen = accelerator.resolve_device("auto")
        assert chosen == torch.device(NAME, 1)
        source = OnDevice(tiny_rois(), CONFIG, chosen, "streamed")
        batches = list(prefetched(source, source.order(0), 0, everything))
    assert {batch.inputs.device for batch in batches} == {chosen}


def test_batch_statistics_of_a_team_copy_no_number_to_the_device(
    device: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda *values, **options: None)
    norm = TeamBatchNorm2d(4).to(torch.device(NAME))
    inputs = torch.rand(2, 4, 3, 3).to(torch.device(NAME))
    norm(inputs)
    assert device.in_function("forward") == []


def test_the_augmented_table_is_cut_on_the_device_and_read_once(device: Log) -> None:
    config, rois = msgspec.structs.replace(CONFIG, table_rows="augmented"), tiny_rois()
    place = accelerator.resolve_device("auto")
    network, plain = tiny_network().to(place), tiny_network()
    source = OnDevice(rois, config, place, "resident")
    table = fit_table(network, rois, config, source=source)
    waits = [wait for wait in device.in_function("fit_table") if wait.frames[0] not in ONCE | {"_rows", "_lost"}]
    assert [wait.operation for wait in waits] == ["_to_copy"]
    np.testing.assert_allclose(table.scores, fit_table(plain, rois, config).scores, rtol=0.02)


def test_inference_reads_the_device_once_whatever_the_number_of_batches(device: Log) -> None:
    network = tiny_network().to(torch.device(NAME))
    infer(network, tiny_rois(8), batch=4)
    first = len(device.in_function("_joined"))
    infer(network, tiny_rois(), batch=4)
    assert len(device.in_function("_joined")) == 2 * first == 6
