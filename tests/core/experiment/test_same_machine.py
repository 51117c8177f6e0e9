"""One choice of precision and layout for every model of a table."""

from __future__ import annotations

from pathlib import Path

import msgspec

from core.baselines.config import classifier_of
from core.baselines.trainer import train_classifier
from core.experiment.same_machine import SETTLED, SettledMachine, hand_to_part, settle_for_all
from core.platform.atomic import atomic_write
from core.training.machine import MachineChoice, read_choice
from core.training.trainer import train
from tests.core.training.tiny import CONFIG, changed, tiny_parts, tiny_rois

UNUSUAL = MachineChoice(precision="bfloat16", channels_last=False, threads=1, how="measured")


def test_every_part_computes_as_was_chosen_once(tmp_path: Path) -> None:
    config = changed(precision="auto", device="cpu")
    atomic_write(tmp_path / SETTLED, msgspec.json.encode(SettledMachine(device="cpu", choice=UNUSUAL)))
    assert settle_for_all(tmp_path, config, lesions=30, emit=print).choice == UNUSUAL
    classifier = msgspec.structs.replace(classifier_of(config, "margin"), epochs=1)
    for name, wanted in (("ours", config), ("theirs", classifier)):
        hand_to_part(tmp_path, tmp_path / name, wanted)
        assert read_choice(tmp_path / name) == UNUSUAL
    ours = train(tiny_rois(), tiny_parts(), config, tmp_path / "ours").record.machine
    theirs = train_classifier(tiny_rois(), tiny_parts(), classifier, tmp_path / "theirs").card.machine
    assert ours == theirs == UNUSUAL


def test_a_part_on_another_kind_of_device_chooses_for_itself(tmp_path: Path) -> None:
    atomic_write(tmp_path / SETTLED, msgspec.json.encode(SettledMachine(device="cuda", choice=UNUSUAL)))
    hand_to_part(tmp_path, tmp_path / "part", changed(device="cpu"))
    assert read_choice(tmp_path / "part") is None


def test_the_choice_is_made_once_and_kept(tmp_path: Path) -> None:
    first = settle_for_all(tmp_path, CONFIG, lesions=30, emit=lambda event: None)
    assert settle_for_all(tmp_path, CONFIG, lesions=30, emit=lambda event: None) == first
    hand_to_part(tmp_path / "elsewhere", tmp_path / "part", CONFIG)
    assert not (tmp_path / "part").exists()
