from __future__ import annotations

import json
import os
import pickle
import struct
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import safetensors.torch
import torch

from core.data.roi_set import InputTransform
from core.domain.errors import ModelError
from core.model import checkpoint
from core.model.architecture import Architecture
from core.model.card import SCHEMA, ModelCard
from core.model.checkpoint import load_model, save_model
from core.model.network import PrototypeNetwork, without_prototypes
from core.platform import atomic

NAMES = ("circumscribed", "indistinct", "spiculated")
ARCHITECTURE = Architecture(backbone="compact", weights="random", latent_channels=8, top_k=4)


def network_of(classes: tuple[int, ...] = (0, 0, 1, 2), seed: int = 0) -> PrototypeNetwork:
    torch.manual_seed(seed)
    return PrototypeNetwork(ARCHITECTURE, class_names=NAMES, prototype_class=classes, input_size=32)


def card_of(network: PrototypeNetwork) -> ModelCard:
    return ModelCard(
        method="iaia-bl",
        label="margin",
        class_names=NAMES,
        prototype_class=tuple(network.prototype_class.tolist()),
        transform=InputTransform(input_size=32),
        architecture=network.architecture,
        synthetic=True,
    )


def saved(folder: Path, seed: int = 0) -> Path:
    """A saved model; returns its weights file."""
    network = network_of(seed=seed)
    save_model(folder, network, card_of(network))
    (path,) = folder.glob("*.safetensors")
    return path


def rewrite(folder: Path, content: bytes) -> None:
    """Replace the weights and let the card vouch for them, as a forger would."""
    import hashlib

    (old,) = folder.glob("*.safetensors")
    old.unlink()
    sha256 = hashlib.sha256(content).hexdigest()
    name = f"model-{sha256[:16]}.safetensors"
    (folder / name).write_bytes(content)
    manifest = json.loads((folder / "model.json").read_text())
    manifest.update(weights=name, sha256=sha256)
    (folder / "model.json").write_text(json.dumps(manifest))


def edit_card(folder: Path, **changes: object) -> None:
    manifest = json.loads((folder / "model.json").read_text())
    manifest["card"].update(changes)
    (folder / "model.json").write_text(json.dumps(manifest))


def with_header(header: dict[str, object], data: bytes = b"") -> bytes:
    raw = json.dumps(header).encode()
    return struct.pack("<Q", len(raw)) + raw + data


def test_what_is_loaded_is_what_was_saved_bit_for_bit(tmp_path: Path) -> None:
    network = network_of().train()
    network(torch.rand(4, 3, 32, 32))  # running statistics differ from their start
    sha256 = save_model(tmp_path / "m", network, card_of(network))
    loaded = load_model(tmp_path / "m")
    assert loaded.sha256 == sha256
    assert loaded.card == card_of(network)
    assert not loaded.network.training
    assert network.state_dict().keys() == loaded.network.state_dict().keys()
    for key, value in network.state_dict().items():
        assert torch.equal(value, loaded.network.state_dict()[key])
    x = torch.rand(2, 3, 32, 32)
    assert torch.equal(network.eval()(x).logits, loaded.network(x).logits)
    assert all(p.requires_grad and p.device.type == "cpu" for p in loaded.network.parameters())


def test_a_pruned_network_round_trips(tmp_path: Path) -> None:
    pruned = without_prototypes(network_of(), {1})
    save_model(tmp_path, pruned, card_of(pruned))
    assert load_model(tmp_path).network.prototype_class.tolist() == [0, 1, 2]


@pytest.mark.parametrize("path", ["/home/someone/secret/trunk.pth", r"C:\\Users\\someone\\trunk.pth"])
def test_a_saved_model_names_the_file_of_its_first_weights_but_not_its_folder(tmp_path: Path, path: str) -> None:
    network = network_of()
    network.architecture = msgspec.structs.replace(ARCHITECTURE, weights=path)
    save_model(tmp_path, network, card_of(network))
    assert "someone" not in (tmp_path / "model.json").read_text()
    loaded = load_model(tmp_path)
    assert loaded.card.architecture.weights == "trunk.pth"
    save_model(tmp_path, loaded.network, loaded.card)  # and it can be saved again, as pruning does


def test_loading_draws_no_random_numbers(tmp_path: Path) -> None:
    saved(tmp_path)
    state = torch.get_rng_state()
    load_model(tmp_path)
    assert torch.equal(state, torch.get_rng_state())


def test_loading_does_not_wait_for_torchs_compiler(tmp_path: Path) -> None:
    saved(tmp_path)
    code = (
        "import sys; from pathlib import Path; from core.model.checkpoint import load_model; "
        "load_model(Path(sys.argv[1])); sys.exit('torch._dynamo' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)


def test_only_the_last_generation_is_kept(tmp_path: Path) -> None:
    first = saved(tmp_path, seed=0)
    second = saved(tmp_path, seed=1)
    assert first != second
    assert {p.name for p in tmp_path.iterdir()} == {"model.json", second.name}


def test_a_crash_between_weights_and_card_leaves_the_previous_generation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved(tmp_path, seed=0)
    before = load_model(tmp_path).sha256
    real = atomic.atomic_write

    def dies_at_the_card(path: Path, content: bytes) -> None:
        if path.name == "model.json":
            raise KeyboardInterrupt
        real(path, content)

    monkeypatch.setattr(checkpoint, "atomic_write", dies_at_the_card)
    network = network_of(seed=1)
    with pytest.raises(KeyboardInterrupt):
        save_model(tmp_path, network, card_of(network))
    monkeypatch.undo()
    assert load_model(tmp_path).sha256 == before
    save_model(tmp_path, network, card_of(network))
    assert load_model(tmp_path).sha256 != before


def test_refuses_to_save_weights_that_are_not_finite(tmp_path: Path) -> None:
    saved(tmp_path)
    before = load_model(tmp_path).sha256
    network = network_of(seed=1)
    with torch.no_grad():
        network.last.weight[0, 0] = float("nan")
    with pytest.raises(ModelError, match=r"not finite numbers in last\.weight"):
        save_model(tmp_path, network, card_of(network))
    assert load_model(tmp_path).sha256 == before


def test_refuses_to_save_under_another_networks_card(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="a different network"):
        save_model(tmp_path, network_of(), card_of(network_of((0, 1, 1, 2))))
    assert not (tmp_path / "model.json").exists()


@pytest.mark.parametrize("part", range(0, 16, 3))
def test_refuses_a_file_cut_short_anywhere(tmp_path: Path, part: int) -> None:
    path = saved(tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * part // 16])
    with pytest.raises(ModelError, match="cut short"):
        load_model(tmp_path)


def test_refuses_an_altered_file(tmp_path: Path) -> None:
    path = saved(tmp_path)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelError, match="altered or mixed up"):
        load_model(tmp_path)


class Canary:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch canary",)


@pytest.mark.parametrize("kind", ["pickle", "archive"])
def test_never_executes_a_pickle_under_the_weights_name(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    saved(tmp_path)
    if kind == "pickle":
        content = pickle.dumps({"weights": Canary()})
    else:
        torch.save({"weights": Canary()}, tmp_path / "a.pt")
        content = (tmp_path / "a.pt").read_bytes()
    rewrite(tmp_path, content)
    with pytest.raises(ModelError, match="pickle"):
        load_model(tmp_path)
    assert not (tmp_path / "canary").exists()


def test_refuses_a_pickle_given_as_the_model(tmp_path: Path) -> None:
    torch.save({}, tmp_path / "model.pt")
    with pytest.raises(ModelError, match="could run code"):
        load_model(tmp_path / "model.pt")


def test_refuses_a_folder_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"model\.json is missing"):
        load_model(tmp_path / "nowhere")


def test_refuses_a_newer_layout_and_says_so(tmp_path: Path) -> None:
    saved(tmp_path)
    edit_card(tmp_path, schema=SCHEMA + 1, something_new=1)
    with pytest.raises(ModelError, match="newer version"):
        load_model(tmp_path)


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b"\xff\xfe", b"[" * 100_000, b'{"card": {"schema": 1}}', b'{"card": {"schema": "x"}}'],
)
def test_refuses_a_card_that_is_none(tmp_path: Path, content: bytes) -> None:
    saved(tmp_path)
    (tmp_path / "model.json").write_bytes(content)
    with pytest.raises(ModelError, match="not the card"):
        load_model(tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"architecture": {"backbone": "vgg11", "latent_channels": 8, "top_k": 1}},
        {"architecture": {"backbone": "compact", "latent_channels": 9, "top_k": 4}},
        {"prototype_class": [0, 0, 1, 1, 2]},
        {"class_names": ["a", "b"], "prototype_class": [0, 0, 1, 1]},
    ],
)
def test_refuses_weights_of_another_architecture(tmp_path: Path, changes: dict[str, object]) -> None:
    saved(tmp_path)
    edit_card(tmp_path, **changes)
    with pytest.raises(ModelError, match="does not have the architecture"):
        load_model(tmp_path)


def test_refuses_prototypes_of_other_classes(tmp_path: Path) -> None:
    saved(tmp_path)
    edit_card(tmp_path, prototype_class=[0, 1, 1, 2])
    with pytest.raises(ModelError, match="different classes"):
        load_model(tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"prototype_class": [0, 0, 1, 1]},
        {"architecture": {"backbone": "../../etc"}},
        {"architecture": {"backbone": "compact", "top_k": 1000}},
    ],
)
def test_refuses_a_card_that_describes_no_network(tmp_path: Path, changes: dict[str, object]) -> None:
    saved(tmp_path)
    edit_card(tmp_path, **changes)
    with pytest.raises(ModelError, match="describes no network"):
        load_model(tmp_path)


@pytest.mark.parametrize("name", ["../model-0123456789abcdef.safetensors", "/etc/passwd", "model.pt"])
def test_refuses_weights_outside_the_folder(tmp_path: Path, name: str) -> None:
    saved(tmp_path)
    manifest = json.loads((tmp_path / "model.json").read_text())
    manifest["weights"] = name
    (tmp_path / "model.json").write_text(json.dumps(manifest))
    with pytest.raises(ModelError, match="not beside it"):
        load_model(tmp_path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_refuses_weights_that_are_not_finite(tmp_path: Path, value: float) -> None:
    path = saved(tmp_path)
    tensors = safetensors.torch.load_file(path)
    tensors["addon.0.weight"][0, 0] = value
    rewrite(tmp_path, safetensors.torch.save(tensors))
    with pytest.raises(ModelError, match=r"not finite numbers \(addon.0.weight\)"):
        load_model(tmp_path)


def test_refuses_missing_and_extra_tensors(tmp_path: Path) -> None:
    path = saved(tmp_path)
    tensors = safetensors.torch.load_file(path)
    rewrite(tmp_path, safetensors.torch.save({**tensors, "stranger": torch.zeros(1)}))
    with pytest.raises(ModelError, match="holds stranger"):
        load_model(tmp_path)
    del tensors["last.weight"]
    rewrite(tmp_path, safetensors.torch.save(tensors))
    with pytest.raises(ModelError, match=r"lacks last\.weight"):
        load_model(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        struct.pack("<Q", 1 << 62) + b"{}",
        with_header({"a": {"dtype": "F32", "shape": [5_000_000_000, 5], "data_offsets": [0, 100_000_000_000]}}),
        with_header({"a": {"dtype": "F32", "shape": [1 << 62, 1 << 62], "data_offsets": [0, 4]}}, b"\0" * 4),
        with_header({"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}, b"\0" * 8),
        with_header({"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, -4]}}),
        with_header({"a": {"dtype": "F8_E4M3", "shape": [1], "data_offsets": [0, 1]}}, b"\0"),
        with_header({"a": 1}),
        with_header({}, b"trailing"),
        struct.pack("<Q", 200_000) + b'{"a":' * 40_000,
    ],
)
def test_refuses_absurd_headers_before_allocating(tmp_path: Path, content: bytes) -> None:
    saved(tmp_path)
    rewrite(tmp_path, content)
    with pytest.raises(ModelError) as refusal:
        load_model(tmp_path)
    assert str(refusal.value).count("\n") == 0
