"""The cache of regions of interest stays in proportion to the regions in use, and gives back what was put in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from core.data import roi_cache
from core.data.roi_cache import CachedRois, find_rois, keep_rois, key_of, no_rois
from core.data.roi_set import InputTransform
from core.store.study import Study

TRANSFORM = InputTransform(input_size=16, context="compact")
LESIONS = 30


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Study]:
    with Study.create(tmp_path / "study", name="test") as made:
        yield made


def open_regions(study: Study, versions: list[int], choice: str = "all") -> tuple[CachedRois, int]:
    """The regions of all lesions as an opened model wants them, and how many had to be cut out."""
    keys = [key_of((lesion, version)) for lesion, version in enumerate(versions)]
    found = find_rois(study, keys, TRANSFORM)
    new = np.flatnonzero(~found.known)
    for row in new:
        fill(found, int(row), versions[row])
    if len(new):
        keep_rois(study, found, new, [key_of((lesion, choice)) for lesion in range(len(keys))], TRANSFORM)
    return found, len(new)


def fill(found: CachedRois, row: int, version: int) -> None:
    random = np.random.default_rng((row, version))
    for array in (found.pixels, found.lesion, found.fine):
        array[row] = random.integers(0, 255, array[row].shape)


def expected(versions: list[int]) -> CachedRois:
    made = no_rois([b""] * len(versions), TRANSFORM)
    for row, version in enumerate(versions):
        fill(made, row, version)
    return made


def stored_regions(study: Study) -> int:
    return sum(
        len(study.arrays.peek_derived(name, "keys"))
        for name in study.arrays.derived_files()
        if name.startswith("roi-cache-")
    )


@pytest.mark.parametrize("rounds", [20, pytest.param(100, marks=pytest.mark.slow)])
def test_rounds_of_annotating_and_opening_do_not_grow_the_cache(study: Study, rounds: int) -> None:
    versions = [0] * LESIONS
    random = np.random.default_rng(5)
    assert open_regions(study, versions)[1] == LESIONS
    for _ in range(rounds):
        versions[random.integers(LESIONS)] += 1
        found, cut = open_regions(study, versions)
        assert cut == 1, "every other region comes from the cache"
        assert stored_regions(study) <= 1.2 * LESIONS + 1
        assert len(study.arrays.derived_files()) <= roi_cache._MOST_FILES + 1
    for name in ("pixels", "lesion", "fine"):
        assert np.array_equal(getattr(found, name), getattr(expected(versions), name))


def test_two_choices_of_readers_keep_their_own_regions(study: Study) -> None:
    ours, theirs = [1] * LESIONS, [2] * LESIONS
    open_regions(study, ours, "Dr. A")
    open_regions(study, theirs, "Dr. B")
    for versions, choice in ((ours, "Dr. A"), (theirs, "Dr. B")):
        found, cut = open_regions(study, versions, choice)
        assert cut == 0
        assert np.array_equal(found.pixels, expected(versions).pixels)


def test_files_of_the_former_layout_are_deleted_when_regions_are_kept(study: Study) -> None:
    study.arrays.write_derived("rois-00c0ffee" + "0" * 24, {"keys": np.zeros((1, 32), np.uint8)})
    open_regions(study, [0] * 3)
    assert not any(name.startswith("rois-") for name in study.arrays.derived_files())


def test_a_file_that_is_lost_or_damaged_costs_only_its_regions(study: Study) -> None:
    open_regions(study, [0] * 3)
    open_regions(study, [0] * 8)
    first, second = sorted((study.folder / "derived").glob("roi-cache-*.h5"))
    second.write_bytes(second.read_bytes()[:-100])
    found, cut = open_regions(study, [0] * 8)
    assert cut == 5 and np.array_equal(found.fine, expected([0] * 8).fine)
    first.unlink()
    assert open_regions(study, [0] * 8)[1] == 3
