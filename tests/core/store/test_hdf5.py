"""Array files: the same arrays, by whichever way they were written; what rots on the disk is found."""

from __future__ import annotations

import struct
from pathlib import Path

import h5py
import numpy as np
import pytest

from core.domain.content import content_sha256
from core.domain.errors import ArrayLostError
from core.store import page_buffer
from core.store.hdf5 import Array, read_arrays, write_arrays
from core.store.page_buffer import PageBuffers
from tests.core.store.helpers import picture

ARRAYS: dict[str, Array] = {
    "level0": picture(rows=300, columns=217),
    "small": np.arange(7, dtype=np.int8),
    "scalar": np.array(3.5),
    "none": np.zeros((0, 4), np.int64),
    "mask": np.random.default_rng(0).random((20, 20)) < 0.5,
    "big_endian": np.arange(12, dtype=">u2").reshape(3, 4),
    "across": np.asfortranarray(np.arange(12.0).reshape(3, 4)),
}


def written(path: Path, buffers: PageBuffers | None = None, arrays: dict[str, Array] | None = None) -> Path:
    whole = ARRAYS if arrays is None else arrays
    write_arrays(path, whole, sha256=content_sha256(whole["level0"]), hashed="level0", buffers=buffers)
    return path


def test_arrays_come_back_each_in_its_type_and_shape(tmp_path: Path) -> None:
    found, sha256 = read_arrays(written(tmp_path / "a.h5"))
    assert sha256 == content_sha256(ARRAYS["level0"]) and found.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype and found[name].shape == array.shape
        np.testing.assert_array_equal(found[name], array)


def test_files_of_one_shape_each_have_their_own_values_and_hashes(tmp_path: Path) -> None:
    hashes = set()
    for seed in (1, 2, 3):
        arrays = {name: np.roll(array, seed) for name, array in ARRAYS.items()}
        found, sha256 = read_arrays(written(tmp_path / f"{seed}.h5", arrays=arrays))
        hashes.add(sha256)
        for name, array in arrays.items():
            np.testing.assert_array_equal(found[name], array)
    assert len(hashes) == 3
    with pytest.raises(ValueError, match="SHA-256"):
        write_arrays(tmp_path / "b.h5", ARRAYS, sha256="abc")


def test_each_array_lies_in_one_piece_that_a_flipped_bit_is_found_in(tmp_path: Path) -> None:
    path = written(tmp_path / "a.h5")
    whole = path.read_bytes()
    random = np.random.default_rng(3)
    for name, array in ARRAYS.items():
        content = np.ascontiguousarray(array).tobytes()
        if not content:
            continue
        assert whole.count(content) == 1
        for at in {0, len(content) - 1, *random.integers(0, len(content), 8).tolist()}:
            damaged = bytearray(whole)
            damaged[whole.index(content) + at] ^= 1 << int(random.integers(8))
            path.write_bytes(damaged)
            with pytest.raises(ArrayLostError, match="rebuild or restore"):
                read_arrays(path, (name,))
    path.write_bytes(whole.replace(b'"small":', b'"other":'))
    with pytest.raises(ArrayLostError):
        read_arrays(path, ("small",))


def test_files_of_the_first_layout_are_read_and_their_damage_is_found(tmp_path: Path) -> None:
    path, array = tmp_path / "old.h5", ARRAYS["level0"]
    with h5py.File(path, "w") as file:
        file.attrs["schema"], file.attrs["sha256"] = 1, "0" * 64
        file.create_dataset("level0", data=array, chunks=(300, 217), fletcher32=True)
    np.testing.assert_array_equal(read_arrays(path)[0]["level0"], array)
    whole = bytearray(path.read_bytes())
    whole[whole.index(array.tobytes()) + 1000] ^= 4
    path.write_bytes(whole)
    with pytest.raises(ArrayLostError):
        read_arrays(path)


def test_an_array_that_would_end_outside_its_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    write_arrays(path, {"level0": np.ones((5, 7), np.uint8)}, sha256="0" * 64)
    data = path.read_bytes()
    sides, size = struct.pack("<2Q", 5, 7), struct.pack("<Q", 35)
    assert data.count(sides) >= 1 and data.count(size) == 1
    large = data.replace(sides, struct.pack("<2Q", 30_000, 30_000)).replace(size, struct.pack("<Q", 900_000_000))
    path.write_bytes(large)
    with pytest.raises(ArrayLostError):
        read_arrays(path)


def test_a_file_is_the_same_past_the_cache_and_through_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = written(tmp_path / "plain.h5").read_bytes()
    buffers = PageBuffers()
    # what lay in the memory before must not get into the next file
    written(tmp_path / "larger.h5", buffers, {"level0": np.full((900, 700), 0xAAAA, np.uint16)})
    assert written(tmp_path / "past.h5", buffers).read_bytes() == expected
    monkeypatch.setattr(page_buffer, "write_past_cache", lambda *_: False)  # as on a file system in memory
    assert written(tmp_path / "through.h5", buffers).read_bytes() == expected
    assert {path.name for path in tmp_path.iterdir()} == {"plain.h5", "larger.h5", "past.h5", "through.h5"}
