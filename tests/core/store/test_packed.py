"""Large pixels are packed in their file; what earlier versions stored stays readable and can be packed."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.domain.content import content_sha256
from core.domain.errors import ArrayLostError
from core.store import arrays as store_arrays
from core.store import packed
from core.store.array_check_child import ArrayCheckRequest, vet
from core.store.arrays import Array, pyramid
from core.store.packed import pack, unpack
from core.store.study import Study
from core.tasks.studies.compress import compress_pixels


def _breast(rows: int = 900, columns: int = 700, dtype: type = np.uint16) -> Array:
    """Smooth with little noise, as tissue is; air without any."""
    y, x = np.mgrid[:rows, :columns]
    noise = np.random.default_rng(0).integers(0, 8, (rows, columns))
    return np.where(x < columns * 0.7, (y // 3 + x // 2) % 200 + noise, 0).astype(dtype)


@settings(max_examples=30, deadline=None)
@given(
    kind=st.sampled_from([np.uint8, np.uint16, np.int16]),
    rows=st.integers(1, 40),
    columns=st.integers(1, 40),
    spread=st.sampled_from([1, 5, 1000]),
)
def test_unpacking_is_the_inverse_of_packing(kind: type, rows: int, columns: int, spread: int) -> None:
    limits = np.iinfo(kind)
    values = np.random.default_rng(rows).integers(-spread, spread, (rows, columns))
    array = np.clip(values, limits.min, limits.max).astype(kind)
    smallest, packed.SMALLEST = packed.SMALLEST, 0
    try:
        found = pack(array)
    finally:
        packed.SMALLEST = smallest
    if found is not None:
        again = unpack(*found)
        assert again.dtype == array.dtype and np.array_equal(again, array) and found[0].nbytes < array.nbytes


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int16])
def test_a_large_picture_takes_less_room_and_comes_back_level_by_level(study: Study, kind: type) -> None:
    pixels = _breast(dtype=kind)
    sha256 = study.arrays.write_pixels("a", pixels)
    assert sha256 == content_sha256(pixels)
    levels = study.arrays.read_pyramid("a")
    for level, expected in enumerate(pyramid(pixels)):
        assert np.array_equal(levels[level], expected) and levels[level].dtype == expected.dtype
        assert np.array_equal(study.arrays.read_pixels("a", level), expected)
    path = study.folder / "pixels" / "a.h5"
    assert path.stat().st_size < (0.75 if pixels.nbytes > packed.SMALLEST else 1.5) * 1.34 * pixels.nbytes


def test_a_changed_byte_of_a_packed_file_is_found(study: Study) -> None:
    study.arrays.write_pixels("a", _breast())
    path = study.folder / "pixels" / "a.h5"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ArrayLostError):
        study.arrays.read_pixels("a")
    assert not vet(ArrayCheckRequest(folder=str(study.folder), kind="pixels", name="a")).readable


def test_a_file_whose_small_level_is_damaged_keeps_its_pixels(study: Study) -> None:
    pixels = _breast()
    sha256 = study.arrays.write_pixels("a", pixels)
    with h5py.File(study.folder / "pixels" / "a.h5", "r+") as file:
        level = file["level1"]
        level[0, 0] = level[0, 0] + 1
    found = vet(ArrayCheckRequest(folder=str(study.folder), kind="pixels", name="a"))
    assert found.readable and not found.pyramid and found.sha256 == sha256 and found.shape == pixels.shape


@pytest.mark.parametrize(
    "form", [[100_000, 100_000, 1], [900, 700, 9], [900, 700, -1], [0, 700, 1], [900, 701, 1], [900, 699, 1], [1]]
)
def test_a_form_that_the_bytes_do_not_hold_is_refused(form: list[int]) -> None:
    found = pack(_breast())
    assert found is not None
    with pytest.raises(ValueError, match=r"packed"):
        unpack(found[0], np.array(form))
    with pytest.raises(ValueError, match=r"damaged"):
        unpack(found[0][::-1].copy(), found[1])


def test_a_constant_picture_is_not_packed_beyond_what_may_be_read(study: Study) -> None:
    pixels = np.full((1200, 1200), 7, np.uint16)
    study.arrays.write_pixels("a", pixels)
    assert np.array_equal(study.arrays.read_pixels("a"), pixels)


def test_files_of_earlier_versions_are_read_and_packed_without_a_change_of_content(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(store_arrays, "pack", lambda pixels: None)
        hashes = [study.arrays.write_pixels(name, _breast()) for name in ("a", "b")]
    path = Path(study.folder) / "pixels" / "a.h5"
    large, steps = path.stat().st_size, []
    assert np.array_equal(study.arrays.read_pixels("a"), _breast())
    done = compress_pixels(study, progress=lambda done, total: steps.append((done, total)))
    assert done.files == 2 and done.saved_bytes == 2 * (large - path.stat().st_size) > 0
    assert steps == [(1, 2), (2, 2)]
    assert [content_sha256(study.arrays.read_pixels(name)) for name in ("a", "b")] == hashes
    assert compress_pixels(study, progress=lambda done, total: None).files == 0
