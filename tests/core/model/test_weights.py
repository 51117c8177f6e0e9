from __future__ import annotations

import hashlib
import os
from pathlib import Path
from urllib.error import URLError

import pytest
import safetensors.torch
import torch
from torch import Tensor

from core.domain.errors import WeightsUnavailableError
from core.model import weights as subject
from core.model import weights_places
from core.model.backbones import make_backbone
from core.model.torchvision_shim import models
from core.model.weights import imagenet_tensors, read_weights
from core.model.weights_places import weights_cache

NAME = "resnet18"


@pytest.fixture(autouse=True)
def no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own, and a fetch that fails as it does without a network."""

    def unreachable(*_: object, **__: object) -> None:
        raise URLError("no route")

    monkeypatch.setattr(torch.hub, "download_url_to_file", unreachable)
    monkeypatch.setattr(weights_places, "user_cache_path", lambda _name: tmp_path / "cache")
    return tmp_path


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    torch.manual_seed(3)
    found: dict[str, Tensor] = models.get_model(NAME, weights=None).state_dict()
    return found


def filled(path: Path) -> dict[str, Tensor]:
    return make_backbone(NAME, weights=str(path), input_size=64).module.state_dict()


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors"])
def test_a_local_file_fills_the_trunk(tmp_path: Path, state: dict[str, Tensor], suffix: str) -> None:
    path = tmp_path / f"mine{suffix}"
    if suffix == ".safetensors":
        safetensors.torch.save_file(state, path)
    else:
        torch.save(state, path)
    trunk = filled(path)
    assert all(torch.equal(value, state[key]) for key, value in trunk.items())
    assert not any(key.startswith("fc") for key in trunk)


def trunk_of(name: str) -> dict[str, Tensor]:
    """Random weights without the classifier, which is most of a VGG and which no trunk has."""
    with torch.device("meta"):
        shapes = models.get_model(name, weights=None).state_dict()
    return {key: torch.rand(value.shape) for key, value in shapes.items() if not key.startswith("classifier")}


def test_names_of_a_vgg_and_of_old_densenet_files_are_understood(tmp_path: Path) -> None:
    for name in ("vgg11", "densenet121"):
        state = trunk_of(name)
        for digit in "12":  # old files write norm.1 for norm1, and count no batches
            state = {
                k.replace(f"norm{digit}.", f"norm.{digit}.").replace(f"conv{digit}.", f"conv.{digit}.")
                if "denselayer" in k
                else k: v
                for k, v in state.items()
                if "num_batches" not in k
            }
        torch.save(state, tmp_path / "old.pth")
        trunk = make_backbone(name, weights=str(tmp_path / "old.pth"), input_size=64).module.state_dict()
        first = next(iter(trunk))
        assert torch.equal(trunk[first], state[f"features.{first}"])


class Canary:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch canary",)


def test_a_pickle_with_code_is_not_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"conv1.weight": Canary()}, tmp_path / "bad.pth")
    with pytest.raises(WeightsUnavailableError, match=r"bad\.pth is a pickle that holds more than tensors"):
        filled(tmp_path / "bad.pth")
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_truncated_file_is_refused(tmp_path: Path, suffix: str, share: float) -> None:
    path, tensors = tmp_path / f"cut{suffix}", {"conv1.weight": torch.rand(64, 3, 7, 7)}
    if suffix == ".safetensors":
        safetensors.torch.save_file(tensors, path)
    else:
        torch.save(tensors, path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(WeightsUnavailableError, match=r"cut\."):
        filled(path)


def test_weights_of_another_architecture_are_refused(tmp_path: Path) -> None:
    torch.save(trunk_of("vgg11"), tmp_path / "vgg.pth")
    with pytest.raises(WeightsUnavailableError, match=r"not those of resnet18: the file lacks conv1\.weight"):
        filled(tmp_path / "vgg.pth")
    torch.save({"conv1.weight": torch.zeros(64, 1, 7, 7)}, tmp_path / "grey.pth")
    with pytest.raises(WeightsUnavailableError, match="another shape"):
        filled(tmp_path / "grey.pth")


def test_weights_that_are_not_finite_are_refused(tmp_path: Path, state: dict[str, Tensor]) -> None:
    torch.save({**state, "bn1.weight": torch.full((64,), float("nan"))}, tmp_path / "nan.pth")
    with pytest.raises(WeightsUnavailableError, match="not finite"):
        filled(tmp_path / "nan.pth")


@pytest.mark.parametrize("content", [[1, 2], {"epoch": 3, "model": {}}])
def test_a_file_of_something_else_is_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(WeightsUnavailableError, match="dictionary of tensors"):
        filled(tmp_path / "other.pth")


def test_a_hash_in_the_name_is_checked(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1)}, tmp_path / "plain.pth")
    content = (tmp_path / "plain.pth").read_bytes()
    right = tmp_path / f"net-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    right.write_bytes(content)
    assert read_weights(right)["a"].item() == 0
    (tmp_path / "net-00000000.pth").write_bytes(content)
    with pytest.raises(WeightsUnavailableError, match="hash in its name"):
        read_weights(tmp_path / "net-00000000.pth")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsUnavailableError, match=r"nowhere\.pth"):
        filled(tmp_path / "nowhere.pth")


def test_without_network_the_sentence_says_which_file_to_put_where() -> None:
    with pytest.raises(WeightsUnavailableError) as refusal:
        imagenet_tensors(NAME)
    assert str(weights_cache() / "resnet18-f37072fd.pth") in str(refusal.value)
    assert "https://" in str(refusal.value)


def test_a_published_file_put_in_the_cache_is_converted_once(
    state: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = weights_cache()
    cache.mkdir(parents=True)
    torch.save(state, cache / "draft")
    content = (cache / "draft").read_bytes()
    published = f"resnet18-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    (cache / "draft").rename(cache / published)
    monkeypatch.setattr(subject, "_published_url", lambda _name: f"https://example.org/{published}")
    first = imagenet_tensors(NAME)
    (cache / published).unlink()
    (converted,) = cache.iterdir()
    assert converted.suffix == ".safetensors"
    again = imagenet_tensors(NAME)
    assert first.keys() == again.keys() == state.keys()
    assert all(torch.equal(again[key], state[key]) for key in state)
    trunk = make_backbone(NAME, weights="imagenet", input_size=64).module.state_dict()
    assert torch.equal(trunk["conv1.weight"], state["conv1.weight"])
    damaged = bytearray(converted.read_bytes())
    damaged[-1] ^= 1
    converted.write_bytes(damaged)
    with pytest.raises(WeightsUnavailableError, match="could not be downloaded"):
        imagenet_tensors(NAME)


def test_a_download_is_checked_and_kept(
    tmp_path: Path, state: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save(state, tmp_path / "published")
    content = (tmp_path / "published").read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()

    def fetch(_url: str, target: str, hash_prefix: str | None, progress: bool) -> None:
        assert hash_prefix == sha256[:8]
        assert not progress
        Path(target).write_bytes(content)

    monkeypatch.setattr(torch.hub, "download_url_to_file", fetch)
    monkeypatch.setattr(subject, "_published_url", lambda _name: f"https://example.org/net-{sha256[:8]}.pth")
    fetched = imagenet_tensors(NAME)
    assert torch.equal(fetched["conv1.weight"], state["conv1.weight"])
    assert [path.suffix for path in weights_cache().iterdir()] == [".safetensors"]
