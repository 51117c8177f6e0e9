"""B-08 and B-09: mutants of good files, in numbers; B-11: what bombs cost the process that meets them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pydicom
import pytest

from core.imaging.decoded import Refusal, RefusedImageError
from core.imaging.worker import DecodeWorker
from tests.core.imaging import samples
from tests.core.imaging.test_worker import bundled, mutated
from tests.safety.fuzz.targets import TARGETS, seeds
from tests.safety.kept import go_on


@pytest.mark.parametrize("name", sorted(TARGETS))
@pytest.mark.filterwarnings("ignore")
def test_nothing_but_refusals_comes_out_of_a_parser(name: str) -> None:
    random = np.random.default_rng(11)
    for seed in seeds()[name]:
        TARGETS[name](seed)
        for _ in range(150):
            TARGETS[name](mutated(seed, random))


@pytest.mark.safety_full
@pytest.mark.timeout(0)
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", sorted(TARGETS))
def test_nothing_but_refusals_comes_out_of_a_parser_in_a_hundred_thousand_tries(name: str) -> None:
    given = seeds()[name]

    def step(start: int) -> Counter[str]:
        random = np.random.default_rng([12, start])
        for _ in range(1000):
            TARGETS[name](mutated(given[int(random.integers(len(given)))], random))
        return Counter(tries=1000)

    assert go_on(f"B-09-{name}", 100_000, step, at_once=1000)["tries"] == 100_000


@pytest.mark.safety_full
@pytest.mark.timeout(0)
def test_two_hundred_thousand_mutants_never_reach_the_program(tmp_path: Path) -> None:
    """Seeds: the files that come with pydicom, up to 100 kB each, and one file of each format that is read."""
    pixels = samples.texture()
    files = [path.read_bytes() for path in bundled() if path.stat().st_size <= 100_000]
    files += [samples.png(pixels), samples.pgm(pixels), samples.tiff(pixels, compression="tiff_lzw")]
    listed = {reason.name for reason in Refusal} | {"image"}

    def step(start: int) -> Counter[str]:
        random, outcomes = np.random.default_rng([13, start]), Counter[str]()
        path = tmp_path / "mutant"
        with DecodeWorker() as worker:
            for _ in range(500):
                path.write_bytes(mutated(files[int(random.integers(len(files)))], random))
                try:
                    worker.read(path)
                    outcomes["image"] += 1
                except RefusedImageError as error:
                    outcomes[error.reason.name] += 1
        return outcomes

    outcomes = go_on("B-08", 200_000, step, at_once=500)
    assert outcomes.total() == 200_000
    assert set(outcomes) <= listed


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak of memory from /proc")
def test_bombs_are_refused_within_300_megabytes(tmp_path: Path) -> None:
    """The time is asserted where the refusals are (tests/core/imaging/test_reader.py)."""
    found = samples.dataset(tmp_path)
    bombs = {
        "rows.dcm": samples.save(samples.dataset(tmp_path, Rows=60_000, Columns=60_000), tmp_path / "rows.dcm"),
        "deflated.dcm": samples.deflated_bomb(tmp_path / "deflated.dcm", found),
        "lies.png": tmp_path / "lies.png",
        "wide.png": tmp_path / "wide.png",
    }
    bombs["lies.png"].write_bytes(samples.png_that_lies(50_000, 50_000))
    bombs["wide.png"].write_bytes(samples.png_that_lies(8000, 8000))
    with DecodeWorker() as worker:
        for path in bombs.values():
            with pytest.raises(RefusedImageError):
                worker.read(path)
            assert worker.pid is not None
        status = Path(f"/proc/{worker.pid}/status").read_text()
    peak = int(status.split("VmHWM:")[1].split()[0]) // 1024
    assert peak < 300, f"the decoder needed {peak} MB"


def test_the_version_of_the_parser_is_one_that_was_fuzzed() -> None:
    assert pydicom.__version_info__[0] == "3"
