from __future__ import annotations

from pathlib import Path

import pytest
import safetensors.torch
import torch

from core.domain.errors import ModelError
from core.model.tensor_file import load_state, save_state


def moments() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    whole = torch.rand(4, 6)
    return {
        "adam.0.exp_avg": whole,
        "adam.0.a view": whole[:, 1:3],
        "turned": whole.t(),
        "pixels": torch.rand(2, 3, 4, 4).contiguous(memory_format=torch.channels_last),
        "step": torch.tensor(7.0),
        "count": torch.tensor([1, 2, 3]),
        "rng": torch.get_rng_state(),
        "half": torch.rand(3).bfloat16(),
        "not finite": torch.tensor([float("nan"), float("inf")]),
        "empty": torch.empty(0, 3),
    }


def test_round_trips_tensors_and_data(tmp_path: Path) -> None:
    tensors, meta = (
        moments(),
        {"epoch": 3, "stage": "A1", "losses": [0.1, 1e-300], "name": "Жуков", "deep": {"a": None}},
    )
    save_state(tmp_path / "state.safetensors", tensors, meta)
    loaded, found = load_state(tmp_path / "state.safetensors")
    assert found == meta
    assert loaded.keys() == tensors.keys()
    for name, value in tensors.items():
        assert loaded[name].dtype == value.dtype
        torch.testing.assert_close(loaded[name], value, rtol=0, atol=0, equal_nan=True)


def test_the_same_state_is_the_same_file(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save_state(tmp_path / name, moments() | {"rng": torch.arange(5)}, {"epoch": 1})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_loaded_tensors_can_be_written_to(tmp_path: Path) -> None:
    save_state(tmp_path / "a", {"w": torch.zeros(3)}, {})
    loaded, _ = load_state(tmp_path / "a")
    loaded["w"] += 1
    assert loaded["w"].tolist() == [1, 1, 1]


def test_one_flipped_bit_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a"
    save_state(path, {"w": torch.rand(100)}, {})
    content = bytearray(path.read_bytes())
    content[-17] ^= 4
    path.write_bytes(content)
    with pytest.raises(ModelError, match="altered"):
        load_state(path)


@pytest.mark.parametrize("part", [0, 1, 3, 5, 7])
def test_a_file_cut_short_is_refused(tmp_path: Path, part: int) -> None:
    path = tmp_path / "a"
    save_state(path, {"w": torch.rand(100)}, {"epoch": 1})
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * part // 8])
    with pytest.raises(ModelError, match="cut short"):
        load_state(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        load_state(tmp_path / "nothing")


def test_tensors_without_a_state_are_refused(tmp_path: Path) -> None:
    safetensors.torch.save_file({"w": torch.zeros(1)}, tmp_path / "a")
    with pytest.raises(ModelError, match="not a saved state"):
        load_state(tmp_path / "a")


def test_a_failed_write_leaves_the_earlier_state(tmp_path: Path) -> None:
    path = tmp_path / "a"
    save_state(path, {"w": torch.zeros(1)}, {"epoch": 1})
    with pytest.raises(TypeError):
        save_state(path, {"w": torch.ones(1)}, {"epoch": object()})
    assert load_state(path)[1] == {"epoch": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a"]
