"""An update begins with its parent's network, keeps the trunk's features, and uses the masks of today."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch

from core.data.roi_set import RoiSet
from core.model.checkpoint import load_model
from core.training import frozen_source
from core.training.config import Machine
from core.training.feature_cache import FILE
from core.training.frozen_source import ParentRun
from core.training.run_inputs import RunStart
from core.training.trainer import Trainer, train
from tests.core.training.test_frozen_recipe import FROZEN
from tests.core.training.tiny import tiny_parts, tiny_rois

UPDATE = msgspec.structs.replace(
    FROZEN,
    epochs=msgspec.structs.replace(FROZEN.epochs, warm_start=0, joint=1),
    prototype_start="random",
    precision="float32",
    machine=Machine(layout="contiguous", compiled="no", threads=1),
)
"""The ways of computing are fixed: what is measured could differ from run to run."""


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parent")
    train(tiny_rois(), tiny_parts(), FROZEN, folder)
    return folder


def _parent(folder: Path, features: Path | None = None) -> ParentRun:
    return ParentRun(network=load_model(folder / "model").network, features=features or folder)


def _trainer(folder: Path, parent: ParentRun, rois: RoiSet | None = None) -> Trainer:
    folder.mkdir(exist_ok=True)
    found = tiny_rois() if rois is None else rois
    return Trainer(
        found, tiny_parts(), UPDATE, folder, lambda event: None, lambda: False, start=RunStart(parent=parent)
    )


def test_it_begins_with_the_parents_network(parent: Path, tmp_path: Path) -> None:
    given = _parent(parent)
    begun = _trainer(tmp_path, given).network.state_dict()
    assert all(torch.equal(begun[name], value) for name, value in given.network.state_dict().items())


def test_kept_features_give_the_same_model_bit_for_bit(parent: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    rois, parts = tiny_rois(), tiny_parts()
    train(rois, parts, UPDATE, first, start=RunStart(parent=_parent(parent)))
    assert (first / FILE).is_file() and not (parent / FILE).exists()
    train(rois, parts, UPDATE, second, start=RunStart(parent=_parent(parent, first)))
    assert not (second / FILE).exists(), "one copy serves all updates"
    one, other = (load_model(folder / "model").network.state_dict() for folder in (first, second))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_the_trunk_is_not_asked_again(parent: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _trainer(tmp_path / "first", _parent(parent))

    def refuse(*_: object, **__: object) -> torch.Tensor:
        raise AssertionError("the trunk was asked")

    monkeypatch.setattr(frozen_source, "features_of", refuse)
    monkeypatch.setattr(frozen_source, "fixed_draws", refuse)
    trainer = _trainer(tmp_path / "second", _parent(parent, tmp_path / "first"))
    early = trainer.inputs.early
    assert early is not None and len(early.maps) == len(trainer.data.training)


def test_new_masks_take_the_kept_features_and_reach_the_draws(parent: Path, tmp_path: Path) -> None:
    _trainer(tmp_path / "first", _parent(parent))
    rois = tiny_rois()
    fine = np.zeros_like(rois.fine)
    fine[:, 8:20, 8:20] = 1
    drawn = replace(rois, fine=fine, has_fine=np.ones(len(rois), np.bool_))
    kept = _trainer(tmp_path / "second", _parent(parent, tmp_path / "first"), drawn)
    anew = _trainer(tmp_path / "third", _parent(parent), drawn)
    assert not (tmp_path / "second" / FILE).exists()
    np.testing.assert_array_equal(kept.inputs.source.masks, anew.inputs.source.masks)  # type: ignore[attr-defined]
    torch.testing.assert_close(kept.inputs.source.features, anew.inputs.source.features, rtol=0, atol=0)  # type: ignore[attr-defined]


def test_other_regions_are_computed(parent: Path, tmp_path: Path) -> None:
    _trainer(tmp_path / "first", _parent(parent))
    rois = tiny_rois()
    brighter = replace(rois, pixels=np.minimum(rois.pixels, 250) + 5)
    _trainer(tmp_path / "second", _parent(parent, tmp_path / "first"), brighter)
    assert (tmp_path / "second" / FILE).is_file()


def test_a_damaged_file_is_computed_again(parent: Path, tmp_path: Path) -> None:
    _trainer(tmp_path / "first", _parent(parent))
    file = tmp_path / "first" / FILE
    file.write_bytes(file.read_bytes()[:-7])
    _trainer(tmp_path / "second", _parent(parent, tmp_path / "first"))
    assert (tmp_path / "second" / FILE).is_file()
