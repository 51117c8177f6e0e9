"""B-19: a model that leaves the house holds no picture of a training image, and says what else it holds."""

from __future__ import annotations

import json
import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch

from core.cli.main import run_command_line
from core.domain.content import content_sha256
from core.domain.errors import BadFileError
from core.domain.geometry import Box
from core.domain.shapes import Rectangle
from core.domain.study import Finding, Image, Labels, Lesion, Patient, Window
from core.domain.vocabulary import MarginType
from core.exchange.models.archive import read_model_archive
from core.exchange.models.onnx import OUTPUTS
from core.exchange.models.share_model import import_model
from core.imaging.opencv import cv2
from core.model.checkpoint import load_model, save_model
from core.model.memorisation import closest_picture
from core.store.anchor import read_anchor
from core.store.study import Study
from core.tasks.review.model_in_study import open_model
from core.tasks.runs.lifecycle import find_run
from core.training.inference import network_input
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
    out = tmp_path / "tiny.marginalia-model"
    report = marginalia("export", trained_study, "--format", "model", "--run", "tiny", "--out", out)
    assert report["closest"]["correlation"] < 0.9
    assert report["closest"]["compared"] > 0
    assert report["latent_prototypes"] == 6
    assert report["pictures"] is False
    files = read_model_archive(out)
    assert {"README.txt", "contents.json", "model.json", "config.json", "metrics.json"} <= files.keys()
    assert len(files) == 6
    assert json.loads(files["contents.json"]) == report
    found = report["inversion"]
    assert found["prototypes"] == 6 and found["learned_from"] > 10 and -1 <= found["others"] <= 1
    assert f"mean correlation {found['own']:.2f} with the source" in " ".join(files["README.txt"].decode().split())
    assert "latent vector of a patch of a training" in files["README.txt"].decode()
    assert files["metrics.json"].startswith(b"[")


def test_a_model_and_a_page_anchor_the_audit_trail(own_study: Path, marginalia: Run, tmp_path: Path) -> None:
    """Whoever writes the whole trail anew cannot write the cards and pages that are elsewhere."""
    out, page = tmp_path / "tiny.marginalia-model", tmp_path / "figures"
    marginalia("export", own_study, "--format", "model", "--run", "tiny", "--out", out)
    marginalia("evaluate", own_study, "tiny", "--draws", "20", "--out", page)
    with Study.open(own_study, writable=False) as study:
        name = study.info.id
        kept = study.folder / study.runs.all()[0].folder / "model" / "model.json"
    places = [out, page / "index.html", kept]
    heads = [read_anchor(str(place), name) for place in places]
    assert heads[0].counter >= heads[2].counter > 1
    for head in heads:
        assert run_command_line(["check", str(own_study), "--against", str(head), "--quiet"]) == 0
    with closing(sqlite3.connect(own_study / "study.db")) as database:
        database.execute("DROP TRIGGER audit_no_update")
        database.execute("UPDATE audit SET sha256 = ? WHERE counter = ?", ("0" * 64, heads[2].counter))
        database.commit()
    for place in places[:2]:
        assert run_command_line(["check", str(own_study), "--against", str(place), "--quiet"]) == 1
    with pytest.raises(BadFileError, match="no head of this study"):
        read_anchor(str(out), "another")


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Study]:
    """Another study, with one lesion of another patient."""
    with Study.create(tmp_path / "elsewhere", name="elsewhere", synthetic=True) as made:
        pixels = np.random.default_rng(1).integers(0, 4096, (150, 200)).astype(np.uint16)
        made.patients.add(Patient(id="p", pseudonym="P1", source="phantom"))
        made.arrays.write_pixels("image-1", pixels)
        made.images.add(
            Image(
                id="image-1",
                patient_id="p",
                content_sha256=content_sha256(pixels),
                width=200,
                height=150,
                bits_stored=12,
                windows=(Window(centre=2048, width=4096),),
                synthetic=True,
            )
        )
        outline = Rectangle(box=Box(x0=80, y0=40, x1=130, y1=90))
        labels = Labels(margin=MarginType.SPICULATED)
        made.lesions.add_findings([Finding(id="f", patient_id="p")])
        made.lesions.add_many([Lesion(id="l", finding_id="f", image_id="image-1", outline=outline, labels=labels)])
        yield made


def test_a_shared_model_opens_in_another_study_with_its_prototypes_linked(
    own_study: Path, elsewhere: Study, marginalia: Run, tmp_path: Path
) -> None:
    out = tmp_path / "tiny.marginalia-model"
    marginalia("export", own_study, "--format", "model", "--run", "tiny", "--with-pictures", "--out", out)
    assert sum(name.startswith("pictures/") for name in read_model_archive(out)) == 6
    done = marginalia("import-model", own_study, out, "--name", "back", "--split", "default")
    assert (done["prototypes"], done["linked"], done["same_pseudonym"], done["pictures"]) == (6, 6, 6, True)
    with Study.open(own_study, writable=False) as own:
        first, second = (open_model(own, find_run(own, name)) for name in ("tiny", "back"))
        assert len(second.pictures) > 0
        for name, value in first.model.network.state_dict().items():
            assert torch.equal(value, second.model.network.state_dict()[name])
        for a, b in zip(first.patches(), second.patches(), strict=True):
            np.testing.assert_array_equal(a.source, b.source)
            np.testing.assert_array_equal(a.activation, b.activation)
    done = import_model(elsewhere, out)
    assert (done.linked, done.same_pseudonym) == (0, 0)
    opened = open_model(elsewhere, find_run(elsewhere, "tiny"))
    assert len(opened.patches()) == 6


def test_a_model_without_pictures_is_explained_and_listed_in_another_study(
    own_study: Path, elsewhere: Study, marginalia: Run, refused: Run, tmp_path: Path
) -> None:
    out = tmp_path / "tiny.marginalia-model"
    marginalia("export", own_study, "--format", "model", "--run", "tiny", "--out", out)
    folder = elsewhere.folder
    elsewhere.close()
    marginalia("import-model", folder, out)
    [page] = marginalia("explain", folder, "tiny", "--out", tmp_path / "pages")["explanations"]
    assert Path(page["page"]).read_text("utf-8").count("picture not shared") == 3 * 6
    listed = marginalia("prototypes", folder, "tiny")["prototypes"]
    assert [(one["number"], one["purity"], one["auroc_cost"]) for one in listed] == [
        (number, "", None) for number in range(1, 7)
    ]
    assert all(len(one["weights"]) == 3 for one in listed)
    assert "--split NAME" in refused("prune", folder, "tiny", 1)


def hostile(path: Path, change: str) -> Path:
    """The file with a member that has no place in it, or one that is not what its hash says."""
    out = path.with_name(f"{change}.marginalia-model")
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(out, "w") as made:
        for info in archive.infolist():
            content = archive.read(info)
            if change == "altered" and info.filename.endswith(".safetensors"):
                content = content[:-1] + bytes([content[-1] ^ 1])
            kind = zipfile.ZIP_DEFLATED if change == "bomb" else zipfile.ZIP_STORED
            made.writestr(info.filename, content, compress_type=kind)
        if change == "outside":
            made.writestr("../evil.json", b"{}")
        if change == "pickle":
            made.writestr("model.pt", b"cos\nsystem\n")
    return out


@pytest.mark.parametrize("change", ["altered", "bomb", "outside", "pickle"])
def test_a_hostile_file_is_refused_and_leaves_nothing(
    trained_study: Path, marginalia: Run, tmp_path: Path, change: str
) -> None:
    out = tmp_path / "tiny.marginalia-model"
    marginalia("export", trained_study, "--format", "model", "--run", "tiny", "--out", out)
    with Study.create(tmp_path / "empty", name="test") as empty:
        with pytest.raises(BadFileError, match="shared model"):
            import_model(empty, hostile(out, change))
        assert empty.runs.all() == ()
        assert list((empty.folder / "runs").iterdir()) == []
    assert not (tmp_path / "evil.json").exists()


def test_onnx_gives_the_same_numbers(trained_study: Path, marginalia: Run, tmp_path: Path) -> None:
    runtime = pytest.importorskip("onnxruntime")
    out = tmp_path / "network.onnx"
    marginalia("export", trained_study, "--format", "onnx", "--run", "tiny", "--out", out)
    with Study.open(trained_study, writable=False) as study:
        opened = open_model(study, find_run(study, "tiny"))
    session = runtime.InferenceSession(str(out))
    for rows in (np.arange(1), np.arange(7)):
        pixels = network_input(opened.rois, rows, torch.device("cpu"))
        with torch.no_grad():
            own = opened.model.network(pixels)
        found = dict(zip(OUTPUTS, session.run(list(OUTPUTS), {"pixels": pixels.numpy()}), strict=True))
        for name in OUTPUTS:
            np.testing.assert_allclose(found[name], getattr(own, name).numpy(), atol=1e-4)


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
