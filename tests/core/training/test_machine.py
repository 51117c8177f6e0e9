from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import msgspec
import pytest
import torch

from core.baselines.config import classifier_of
from core.baselines.trainer import train_classifier
from core.domain.errors import Cancelled, TrainingError
from core.domain.events import Message, Progress
from core.training import machine
from core.training.config import Machine
from core.training.machine import (
    MACHINE_NAME,
    MachineChoice,
    choose_machine,
    cpu_computes_bfloat16,
    read_choice,
    threads_of,
    usual_precision,
    write_choice,
)
from core.training.state import load
from core.training.trainer import train
from tests.core.training.test_trainer import _same, _weights
from tests.core.training.tiny import CONFIG, changed, tiny_network, tiny_parts, tiny_rois

CPU = torch.device("cpu")
OPEN = changed(precision="auto")


def test_the_precision_is_the_users_or_what_the_processor_computes_in() -> None:
    vgg = msgspec.structs.replace(CONFIG.architecture, backbone="vgg16")
    usual = "bfloat16" if cpu_computes_bfloat16() else "float32"
    assert usual_precision(changed(precision="float32"), CPU) == "float32"
    assert usual_precision(changed(precision="auto", architecture=vgg), CPU) == usual
    assert usual_precision(changed(precision="auto", architecture=vgg, frozen_backbone=True), CPU) == "float32"
    assert usual_precision(OPEN, CPU) == usual


def test_what_the_configuration_fixes_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_Timing", None)
    fixed = changed(machine=Machine(layout="contiguous", compiled="no", threads=1))
    choice = choose_machine(tiny_network(), fixed, CPU, lesions=12)
    assert choice == MachineChoice(precision="float32", channels_last=False, threads=1)


def test_a_short_run_takes_what_is_usual_and_a_long_one_what_was_fastest(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = choose_machine(tiny_network(), OPEN, CPU, lesions=12)
    assert usual.how == "usual" and usual.channels_last and not usual.seconds
    monkeypatch.setattr(machine, "SHORT_S", 0.0)
    network = tiny_network()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    found = choose_machine(network, OPEN, CPU, lesions=12)
    assert found.how == "measured" and len(found.seconds) >= 2 and min(found.seconds.values()) > 0
    assert _same(before, network.state_dict()) and all(p.grad is None for p in network.parameters())


def test_the_way_with_the_least_time_wins_only_where_it_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    times = {True: 1.0, False: 0.97}
    monkeypatch.setattr(machine, "SHORT_S", 0.0)
    monkeypatch.setattr(machine._Timing, "seconds", lambda self, way, wall=False: times[way.channels_last])
    assert choose_machine(tiny_network(), CONFIG, CPU, lesions=12).channels_last
    times[False] = 0.5
    assert not choose_machine(tiny_network(), CONFIG, CPU, lesions=12).channels_last


def test_no_way_that_fits_the_memory_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine._Timing, "seconds", lambda self, way, wall=False: None)
    with pytest.raises(TrainingError, match="memory"):
        choose_machine(tiny_network(), CONFIG, CPU, lesions=12)


def test_a_resumed_run_keeps_the_choice_whatever_a_new_measurement_would_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "core.training.begin_or_resume.choose_machine", lambda *a, **k: MachineChoice(channels_last=False)
    )
    said: list[object] = []

    def stop() -> bool:
        return any(isinstance(event, Progress) and event.stage == "A1" for event in said)

    with pytest.raises(Cancelled):
        train(tiny_rois(), tiny_parts(), CONFIG, tmp_path / "a", emit=said.append, cancelled=stop)
    assert load(tmp_path / "a")[0].machine.channels_last is False
    train(tiny_rois(), tiny_parts(), CONFIG, tmp_path / "whole")
    monkeypatch.setattr("core.training.begin_or_resume.choose_machine", lambda *a, **k: MachineChoice())
    result = train(tiny_rois(), tiny_parts(), CONFIG, tmp_path / "a")
    assert result.record.machine.channels_last is False
    assert _same(_weights(tmp_path / "a"), _weights(tmp_path / "whole"))


def test_a_choice_that_was_written_before_the_first_step_counts_unless_the_configuration_changed(
    tmp_path: Path,
) -> None:
    def at_once() -> bool:
        return True

    with pytest.raises(Cancelled):
        train(tiny_rois(), tiny_parts(), CONFIG, tmp_path, cancelled=at_once)
    assert read_choice(tmp_path) is not None
    write_choice(tmp_path, MachineChoice(channels_last=False, how="measured"))
    with pytest.raises(Cancelled):
        train(tiny_rois(), tiny_parts(), CONFIG, tmp_path, cancelled=at_once)
    assert json.loads((tmp_path / MACHINE_NAME).read_bytes())["channels_last"] is False
    with pytest.raises(Cancelled):
        train(tiny_rois(), tiny_parts(), changed(seed=2), tmp_path, cancelled=at_once)
    assert json.loads((tmp_path / MACHINE_NAME).read_bytes())["channels_last"] is True


def test_a_measured_choice_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "SHORT_S", 0.0)
    said: list[object] = []
    result = train(tiny_rois(), tiny_parts(), OPEN, tmp_path, emit=said.append)
    assert any(isinstance(e, Message) and result.record.machine.words in e.text for e in said)


def test_threads_are_put_back() -> None:
    before = torch.get_num_threads()
    with threads_of(MachineChoice(threads=1)):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("channels_last", [True, False])
def test_the_layout_of_gradients_leaves_inference_bit_for_bit(channels_last: bool) -> None:
    network, x = tiny_network(), torch.rand(3, 3, 32, 32)
    before = network.eval()(x).scores
    network.train().prepare_gradients(channels_last=channels_last)
    out = network.latent(x)
    assert out.is_contiguous(memory_format=torch.channels_last if channels_last else torch.contiguous_format)
    network.eval().prepare_inference()
    restored = tiny_network().eval()
    restored.load_state_dict(network.state_dict())
    assert torch.equal(network(x).scores, restored(x).scores) and before.shape == restored(x).scores.shape


def test_compiled_layers_serve_gradients_and_never_inference() -> None:
    network, x = tiny_network(), torch.rand(3, 3, 32, 32)
    called = []

    def compiled(given: torch.Tensor) -> torch.Tensor:
        called.append(given.shape)
        return network.addon(given)  # type: ignore[no-any-return]

    network._compiled = {"addon": compiled}
    assert set(network.state_dict()) == set(tiny_network().state_dict())
    network.eval()
    network(x)
    assert not called
    network.train()
    network.latent(x)
    assert len(called) == 1
    network.prepare_gradients(channels_last=True, compiled=False)
    network.latent(x)
    assert len(called) == 1


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The .grad attribute:UserWarning")
def test_measuring_leaves_torch_room_to_compile_this_network_and_a_later_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """torch compiles 8 variants of a function; beyond that it runs uncompiled without a word."""
    import torch._dynamo

    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    monkeypatch.setattr(machine, "SHORT_S", 0.0)
    ways = [MachineChoice(channels_last=layout, compiled=True) for layout in (True, False)]
    ways += [msgspec.structs.replace(way, precision="bfloat16") for way in ways]
    compiled = changed(machine=Machine(compiled="yes", layout="channels_last", threads=1))
    with monkeypatch.context() as patch, torch._dynamo.config.patch(fail_on_recompile_limit_hit=True):
        patch.setattr(machine, "_open_ways", lambda config, device: ways)
        choose_machine(tiny_network(), CONFIG, CPU, lesions=12)
        patch.undo()
        train(tiny_rois(), tiny_parts(), compiled, tmp_path / "first")
        later = msgspec.structs.replace(classifier_of(compiled, "margin"), epochs=1)
        train_classifier(tiny_rois(), tiny_parts(), later, tmp_path / "later")
