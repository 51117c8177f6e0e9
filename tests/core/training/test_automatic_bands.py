"""A training on automatic bands: it learns from them, says so, and counts them as no annotation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from core.data.roi_set import RoiSet
from core.evaluation.judge import judge
from core.explain.report import provenance_of
from core.model.card import AUTOMATIC_BAND
from core.model.checkpoint import load_model
from core.training.request import data_fingerprint
from core.training.trainer import train
from tests.core.training.tiny import CONFIG, changed, tiny_parts, tiny_rois


def _without_annotations() -> RoiSet:
    rois = tiny_rois()
    return replace(rois, fine=np.zeros_like(rois.fine), has_fine=np.zeros(len(rois), np.bool_))


def test_bands_train_and_are_named_and_never_counted(tmp_path: Path) -> None:
    rois, parts = _without_annotations(), tiny_parts()
    banded = train(rois, parts, changed(automatic_bands=True), tmp_path / "banded")
    plain = train(rois, parts, CONFIG, tmp_path / "plain")
    training = int(((parts == "training") & (rois.label >= 0)).sum())
    assert banded.record.automatic_bands == training and plain.record.automatic_bands == 0
    assert f"{training} of {training} training lesions" in banded.card.notes[AUTOMATIC_BAND]
    assert AUTOMATIC_BAND not in plain.card.notes
    assert "Automatic band" in dict(provenance_of(banded.card, "x").details)
    weights = [load_model(run.model_folder).network.state_dict() for run in (banded, plain)]
    assert any(not torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    # nobody annotated a lesion: no figure at fine scale, and the data are the same as without bands
    model = load_model(banded.model_folder)
    assert judge(model, rois, name="x").fine_scale is None
    assert banded.record.data_fingerprint == data_fingerprint(rois, parts) == plain.record.data_fingerprint
