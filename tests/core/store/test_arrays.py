from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.domain.content import content_sha256
from core.domain.errors import ArrayLostError, StudyError
from core.store.arrays import Array, ArrayStore, pyramid
from core.store.study import Study
from tests.core.store.helpers import picture


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16])
def test_pixels_come_back_in_their_own_type(study: Study, dtype: type) -> None:
    limits = np.iinfo(dtype)
    array = np.random.default_rng(1).integers(limits.min, limits.max, (700, 513), endpoint=True).astype(dtype)
    sha256 = study.arrays.write_pixels("a", array)
    found = study.arrays.read_pixels("a")
    assert found.dtype == dtype
    assert np.array_equal(found, array)
    assert sha256 == content_sha256(array) == content_sha256(found)


def test_levels_halve_until_the_longer_side_is_below_512(study: Study) -> None:
    study.arrays.write_pixels("a", picture(rows=2050, columns=600))
    shapes = [level.shape for level in study.arrays.read_pyramid("a")]
    assert shapes == [(2050, 600), (1025, 300), (513, 150), (257, 75)]
    assert study.arrays.levels("a") == 4
    assert study.arrays.read_pixels("a", 2).shape == (513, 150)


def test_a_level_is_the_average_of_areas() -> None:
    array = np.zeros((512, 2), dtype=np.uint16)
    array[:4] = [[10, 20], [30, 40], [0, 4], [0, 0]]
    level = pyramid(array)[1]
    assert level[:3, 0].tolist() == [25, 1, 0]


@settings(max_examples=20, deadline=None)
@given(rows=st.integers(512, 700), columns=st.integers(1, 700), value=st.integers(-500, 500))
def test_averaging_keeps_a_constant_image(rows: int, columns: int, value: int) -> None:
    for level in pyramid(np.full((rows, columns), value, dtype=np.int16)):
        assert (level == value).all()


def test_pixels_are_written_once(study: Study) -> None:
    study.arrays.write_pixels("a", picture(1))
    with pytest.raises(StudyError, match="never changed"):
        study.arrays.write_pixels("a", picture(2))
    assert np.array_equal(study.arrays.read_pixels("a"), picture(1))


_BYTE = np.uint8
NOT_PIXELS = [np.zeros((3, 3)), np.zeros((3, 3), np.int32), np.zeros((2, 3, 3), _BYTE), np.zeros((0, 3), _BYTE)]


@pytest.mark.parametrize("array", NOT_PIXELS)
def test_other_types_and_shapes_are_a_defect(study: Study, array: Array) -> None:
    with pytest.raises(ValueError, match="pixels must be"):
        study.arrays.write_pixels("a", array)


@pytest.mark.parametrize("name", ["../a", "a/b", "", ".hidden", "a\0", "x" * 200, "a b"])
def test_a_name_cannot_leave_the_study(study: Study, name: str) -> None:
    with pytest.raises(ValueError, match="cannot name"):
        study.arrays.write_derived(name, {})


def test_derived_arrays_come_back_with_their_attributes(study: Study) -> None:
    arrays = {
        "masks": np.random.default_rng(0).integers(0, 2, (7, 300, 301)).astype(np.uint8),
        "has": np.array([True, False]),
        "table": np.random.default_rng(0).normal(size=(15, 4)).astype(np.float32),
        "none": np.zeros((0, 4), np.int64),
        "scalar": np.array(3.5),
        "complex": np.array([1j]),
        "deep": np.zeros((2, 3, 4, 5), np.int8),
    }
    attributes: dict[str, object] = {"lesion_ids": [f"lesion {i}" for i in range(9000)], "k": 9, "text": "王"}
    study.arrays.write_derived("set-1", arrays, attributes)
    found, read = study.arrays.read_derived("set-1")
    assert read == attributes
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        assert np.array_equal(found[name], array)
    study.arrays.write_derived("set-1", {"other": np.arange(3)})
    assert list(study.arrays.read_derived("set-1")[0]) == ["other"]
    assert study.arrays.derived_files() == ("set-1",)
    study.arrays.delete_derived("set-1")
    assert not study.arrays.has_derived("set-1")


def test_texts_belong_in_the_attributes(study: Study) -> None:
    with pytest.raises(ValueError, match="numbers"):
        study.arrays.write_derived("a", {"names": np.array(["x"])})


def test_lost_and_damaged_derived_files_say_so(study: Study) -> None:
    with pytest.raises(ArrayLostError, match=r"derived/a\.h5 is missing"):
        study.arrays.read_derived("a")
    array = np.random.default_rng(0).integers(0, 255, (64, 64)).astype(np.uint8)
    study.arrays.write_derived("a", {"x": array})
    path = study.folder / "derived" / "a.h5"
    whole = path.read_bytes()
    at = whole.index(array.tobytes())
    flipped = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
    for damaged in (whole[: len(whole) // 2], b"", b"nothing", flipped):
        path.write_bytes(damaged)
        with pytest.raises(ArrayLostError, match="rebuild"):
            study.arrays.read_derived("a")


def test_a_damaged_level_is_rebuilt_from_the_pixels(study: Study) -> None:
    array = picture(rows=600, columns=40)
    study.arrays.write_pixels("a", array)
    path = study.folder / "pixels" / "a.h5"
    with h5py.File(path, "r+") as file:
        del file["level1"]
    with pytest.raises(ArrayLostError):
        study.arrays.read_pixels("a", 1)
    study.arrays.rebuild_pyramid("a")
    assert np.array_equal(study.arrays.read_pixels("a"), array)
    assert study.arrays.read_pixels("a", 1).shape == (300, 20)


def test_what_a_killed_writer_left_is_cleared_at_the_next_opening(tmp_path: Path) -> None:
    Study.create(tmp_path / "s", name="s").close()
    left = tmp_path / "s" / "pixels" / ".a.h5.x1y2.part"
    left.write_bytes(b"half")
    with Study.open(tmp_path / "s", writable=False):
        assert left.exists()
    with Study.open(tmp_path / "s"):
        assert not left.exists()


def test_a_store_for_reading_writes_nothing(tmp_path: Path) -> None:
    store = ArrayStore(tmp_path, writable=False)
    with pytest.raises(StudyError, match="reading only"):
        store.write_derived("a", {"x": np.arange(2)})
    assert list(tmp_path.iterdir()) == []


def test_the_content_hash_depends_on_type_shape_and_values_only() -> None:
    array = picture()
    assert content_sha256(array) == content_sha256(np.asfortranarray(array)) == content_sha256(array.astype(">u2"))
    different = [array.T, array.astype(np.int16), array.reshape(30, 40), array + np.uint16(1), array[:, :-1]]
    assert len({content_sha256(other) for other in [array, *different]}) == 6
