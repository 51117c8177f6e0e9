"""B-19: a model that leaves the house holds no picture of a training image, and says what else it holds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from core.imaging.opencv import cv2
from core.model.checkpoint import load_model, save_model
from core.model.likeness import closest_picture
from core.store.study import Study
from core.tasks.runs import find_run
from tests.core.cli.conftest import Run
from tests.core.explain.world import make_network

RNG = np.random.default_rng(3)


def crops(count: int = 20, side: int = 64) -> np.ndarray:
    """Smooth pictures, as mammograms are."""
    coarse = RNG.normal(size=(count, side // 8, side // 8))
    return np.kron(coarse, np.ones((8, 8))) + RNG.normal(scale=0.2, size=(count, side, side))


PICTURES = crops()


@pytest.mark.parametrize(
    "hidden",
    [
        PICTURES[7],
        -0.003 * PICTURES[7] + 5,
        PICTURES[7].reshape(-1),
        PICTURES[7][None, None],
        PICTURES[7][16:48, 16:48],
        np.stack([RNG.normal(size=4096), PICTURES[7].reshape(-1)]),
        PICTURES[7] + RNG.normal(scale=0.3, size=(64, 64)),
        PICTURES[7][::4, ::4].reshape(1, 256, 1, 1),
        (100 * PICTURES[7]).astype(np.int64),
    ],
    ids=["plain", "scaled", "flat", "4-d", "middle", "row", "noisy", "reduced", "integers"],
)
def test_a_picture_in_a_tensor_is_found(hidden: np.ndarray) -> None:
    found = closest_picture({"a": RNG.normal(size=(64, 64)), "hidden": hidden}, PICTURES)
    assert found.is_picture
    assert (found.tensor, found.crop) == ("hidden", 7)


def test_weights_are_no_pictures() -> None:
    network = make_network()
    tensors = {name: value.numpy() for name, value in network.state_dict().items()}
    tensors |= {"wide": RNG.normal(size=(128, 144)), "bias": RNG.normal(size=64), "flat": np.ones((16, 16))}
    found = closest_picture(tensors, PICTURES)
    assert not found.is_picture
    assert found.compared > 0


def test_a_shared_model_has_no_picture_and_says_that_its_prototypes_are_latents(
    trained_study: Path, marginalia: Run, tmp_path: Path
) -> None:
    out = tmp_path / "model"
    report = marginalia("export", trained_study, "--format", "model", "--run", "tiny", "--out", out)
    assert report["closest"]["correlation"] < 0.9
    assert report["closest"]["compared"] > 0
    assert report["latent_prototypes"] == 6
    assert report["pictures"] is False
    names = sorted(path.name for path in out.iterdir())
    assert names[:3] == ["README.txt", "contents.json", names[2]]
    assert [name.split("-")[0].split(".")[0] for name in names] == ["README", "contents", "model", "model"]
    assert json.loads((out / "contents.json").read_bytes()) == report
    loaded = load_model(out)
    assert loaded.sha256 == report["model_sha256"]
    assert loaded.card.contains_patient_images is False
    assert "latent vector of a patch of a training" in (out / "README.txt").read_text()


def test_a_model_with_a_picture_in_it_is_not_exported(own_study: Path, refused: Run, tmp_path: Path) -> None:
    with Study.open(own_study) as study:
        run = find_run(study, "tiny")
        folder = study.run_folder(run.id) / "model"
        derived, _ = study.arrays.read_derived(study.arrays.derived_files()[0])
    loaded = load_model(folder)
    rois = derived["pixels"][:, 16:80, 16:80]
    with torch.no_grad():
        kernels = loaded.network.state_dict()["features.12.weight"]
        for row, roi in enumerate(rois):
            small = cv2.resize(roi, (24, 24), interpolation=cv2.INTER_AREA)
            kernels[row] = torch.from_numpy(small / 255).reshape(64, 3, 3)
    save_model(folder, loaded.network, loaded.card)
    sentence = refused("export", own_study, "--format", "model", "--run", "tiny", "--out", tmp_path / "model")
    assert "is a picture of training lesion" in sentence
    assert not (tmp_path / "model").exists()
