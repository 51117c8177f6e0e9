"""B-08 and B-09: mutants of good files, in numbers; B-11: what bombs cost the process that meets them."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import numpy as np
import pydicom
import pytest

from core.imaging.decoded import Refusal, RefusedImageError
from core.imaging.worker import DecodeWorker
from core.imaging.write_dicom import Encoding
from tests.core.imaging import samples
from tests.core.imaging.test_worker import bundled, mutated
from tests.safety.fuzz.guided import fuzz, lines_of
from tests.safety.fuzz.targets import TARGETS, seeds
from tests.safety.kept import go_on, keep


@pytest.mark.parametrize("name", sorted(TARGETS))
@pytest.mark.filterwarnings("ignore")
def test_nothing_but_refusals_comes_out_of_a_parser(name: str) -> None:
    random = np.random.default_rng(11)
    for seed in seeds()[name]:
        TARGETS[name](seed)
        for _ in range(150):
            TARGETS[name](mutated(seed, random))


def test_inputs_that_reach_a_new_line_join_the_corpus_and_a_failure_names_its_bytes() -> None:
    given, others = [b"[]"], [b"[]", b"[{}]", b'[{"00100020":{"Value":["P"]}}]', b'[{"x":1}]', b"[1]"]

    def another(data: bytes, random: np.random.Generator) -> bytes:
        return others[int(random.integers(len(others)))]

    run = fuzz(TARGETS["answers"], given, another, seed=3, cpu_s=60, tries=40)
    assert set(given) < set(run.corpus) <= set(others) and len(set(run.corpus)) == len(run.corpus)
    assert lines_of(TARGETS["answers"], others[2]) <= run.lines

    def fails(data: bytes) -> None:
        assert data == given[0]

    with pytest.raises(AssertionError) as caught:
        fuzz(fails, given, another, seed=3, cpu_s=60, tries=40)
    assert "of seed 3: b'" in caught.value.__notes__[0]


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


def bombs(folder: Path) -> list[Path]:
    """Files of a few kilobytes that announce what would fill the memory."""
    found = samples.dataset(folder)

    def put(name: str, data: bytes) -> Path:
        (folder / name).write_bytes(data)
        return folder / name

    made = [
        samples.save(samples.dataset(folder, Rows=60_000, Columns=60_000), folder / "rows.dcm"),
        samples.save(samples.dataset(folder, NumberOfFrames=2_000_000_000), folder / "frames.dcm"),
        samples.deflated_bomb(folder / "deflated.dcm", found),
        put("lies.png", samples.png_that_lies(50_000, 50_000)),
        put("wide.png", samples.png_that_lies(8000, 8000)),
        put("lies.pgm", b"P5 50000 50000 65535\n" + bytes(100)),
    ]
    for encoding in (Encoding.RLE, Encoding.JPEG_2000):
        small = pydicom.dcmread(samples.mammogram(folder, encoding=encoding))
        small.Rows = small.Columns = 12_000
        small.save_as(folder / f"big-{encoding.name}.dcm")
        made.append(folder / f"big-{encoding.name}.dcm")
    code = samples.mammogram(folder, encoding=Encoding.JPEG_2000).read_bytes()
    at = code.index(b"\xff\x4f\xff\x51") + 8
    made.append(put("code.dcm", code[:at] + (60_000).to_bytes(4, "big") * 2 + code[at + 8 :]))
    nested = samples.dataset(folder, Rows=60_000, Columns=60_000)
    data = samples.save(nested, folder / "n.dcm").read_bytes()
    at = data.index(b"\xe0\x7f\x10\0OW")
    made.append(put("nested.dcm", data[:at] + samples.nested(3000, undefined=True) + data[at:]))
    return made


def met_bombs(folder: Path) -> dict[str, float]:
    """What the bombs cost: the time by the wall until each is refused, and the memory of the process they met."""
    slowest = 0.0
    with DecodeWorker() as worker:
        worker.read(samples.mammogram(folder))
        for path in bombs(folder):
            began = time.monotonic()
            with pytest.raises(RefusedImageError) as caught:
                worker.read(path)
            slowest = max(slowest, time.monotonic() - began)
            assert caught.value.reason not in (Refusal.CRASHED, Refusal.TIMED_OUT), path.name
        status = Path(f"/proc/{worker.pid}/status").read_text()
    peak = int(status.split("VmHWM:")[1].split()[0]) // 1024
    return {"bombs refused": len(bombs(folder)), "most ms": round(1000 * slowest), "most MB of the decoder": peak}


needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads memory from /proc")


@needs_proc
def test_bombs_are_refused_within_300_megabytes(tmp_path: Path) -> None:
    figures = met_bombs(tmp_path)
    assert figures["bombs refused"] >= 10 and figures["most MB of the decoder"] < 300, figures


@needs_proc
@pytest.mark.safety_full
def test_bombs_are_measured(tmp_path: Path) -> None:
    figures = met_bombs(tmp_path)
    keep("B-11", figures)
    assert figures["most ms"] < 1000 and figures["most MB of the decoder"] < 300, figures


def test_the_version_of_the_parser_is_one_that_was_fuzzed() -> None:
    assert pydicom.__version_info__[0] == "3"
