"""B-03, B-27 to B-29: what only shows after many times. Short forms by default, full ones by name."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from core.domain.geometry import Box
from core.domain.shapes import Rectangle
from core.domain.study import Finding, Image, Labels, Lesion, Patient
from core.domain.vocabulary import MarginType
from core.explain.explanation import explain, roi_input
from core.store.study import Study
from tests.core.explain.world import make_world
from tests.core.store.helpers import add_case, drawing
from tests.safety.kept import go_on, keep

ROOT = Path(__file__).parents[2]


@pytest.mark.safety_full
@pytest.mark.timeout(0)
@pytest.mark.skipif(os.name == "nt", reason="kills as POSIX does")
def test_two_hundred_kills_in_training_change_no_bit(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.core.training.killed", str(tmp_path)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdin=pipe, stdout=pipe, text=True) as program:
        assert program.stdin is not None and program.stdout is not None

        def step(number: int) -> Counter[str]:
            program.stdin.write(f"{number}\n")
            program.stdin.flush()
            line = program.stdout.readline()
            assert line, "the program that trains and compares ended; its words are above"
            return Counter(json.loads(line))

        counted = go_on("B-03", 40, step)
        program.stdin.close()
    assert counted["kills"] == 200


def resident_kb() -> int:
    return int(Path("/proc/self/status").read_text().split("VmRSS:")[1].split()[0])


def slope_kb(times: int, warm: int, cycle: object) -> float:
    """Growth of the resident memory per cycle, between the means of the last two quarters."""
    assert callable(cycle)
    sizes = []
    for number in range(warm + times):
        cycle(number)
        if number >= warm:
            sizes.append(resident_kb())
    quarter = times // 4
    first, last = np.mean(sizes[2 * quarter : 3 * quarter]), np.mean(sizes[3 * quarter :])
    return float(last - first) / quarter


def memory_over(tmp_path: Path, times: int, *, rows: int, columns: int) -> tuple[float, float, int]:
    """kB per opened case and per explanation, and descriptors gained."""
    pixels = np.random.default_rng(1).integers(0, 4096, (rows, columns)).astype(np.uint16)
    with Study.create(tmp_path / "s", name="s") as study:
        add_case(study, 1)
        study.arrays.write_pixels("big", pixels)
    network, card, rois = make_world()

    def opened(number: int) -> None:
        with Study.open(tmp_path / "s", writable=number % 10 == 0) as study:
            assert study.arrays.read_pixels("big").shape == (rows, columns)
            study.arrays.read_pixels("big", 1)

    def explained(number: int) -> None:
        explain(network, card, roi_input(rois, number % 4))

    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    warm = max(10, times // 10)
    grown = slope_kb(times, warm, opened), slope_kb(times, warm, explained)
    return *grown, len(list(Path("/proc/self/fd").iterdir())) - descriptors


needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads memory from /proc")


@needs_proc
def test_memory_is_flat_over_cases_and_explanations(tmp_path: Path) -> None:
    opened, explained, descriptors = memory_over(tmp_path, 60, rows=1200, columns=900)
    assert opened < 200 and explained < 200, (opened, explained)
    assert descriptors <= 0


@pytest.mark.safety_full
@pytest.mark.timeout(3600)
@needs_proc
def test_memory_is_flat_over_a_thousand_cases_and_explanations(tmp_path: Path) -> None:
    opened, explained, descriptors = memory_over(tmp_path, 1000, rows=4664, columns=3064)
    figures = {"kB a case": round(opened, 1), "kB an explanation": round(explained, 1)}
    keep("B-27", {"cycles": 1000, **figures, "descriptors gained": descriptors})
    assert opened < 20 and explained < 20, (opened, explained)
    assert descriptors <= 0


def reader_for(tmp_path: Path, seconds: float) -> dict[str, float]:
    """Draw, undo, label, split, look and reopen for so long; p99 of a stroke in ms early and late."""
    chance, strokes = random.Random(2), []
    with Study.create(tmp_path / "s", name="s") as study:
        for number in range(1, 6):
            add_case(study, number)
        reader = study.readers.ensure("Dr A").id
    ends = time.monotonic() + seconds
    sittings = 0
    while time.monotonic() < ends:
        sittings += 1
        with Study.open(tmp_path / "s") as study:
            for _ in range(20):
                lesion = f"l{chance.randint(1, 5)}"
                began = time.perf_counter()
                done = study.annotations.commit(lesion, reader, drawing(chance.randint(0, 999)) * 3)
                strokes.append(1000 * (time.perf_counter() - began))
                if chance.random() < 0.3:
                    study.annotations.restore(lesion, reader, chance.randint(1, done.revision))
                if chance.random() < 0.2:
                    study.lesions.set_labels(lesion, Labels(margin=MarginType.INDISTINCT), reader_id=reader)
            study.annotations.all_current()
            study.arrays.read_pixels("i1")
    with Study.open(tmp_path / "s", writable=False) as study:
        assert study.audit.verify().good
    half = len(strokes) // 2
    early, late = (float(np.percentile(part, 99)) for part in (strokes[:half], strokes[half:]))
    return {"sittings": sittings, "early": early, "late": late}


def test_a_short_day_of_a_reader(tmp_path: Path) -> None:
    assert reader_for(tmp_path, 4)["sittings"] >= 2


@pytest.mark.safety_full
@pytest.mark.timeout(3600)
def test_twenty_minutes_of_a_reader(tmp_path: Path) -> None:
    figures = reader_for(tmp_path, 1200)
    assert figures["late"] < 1.5 * figures["early"], figures


@pytest.mark.safety_full
@pytest.mark.timeout(3600)
def test_a_hundred_thousand_cases_open_and_page_quickly(tmp_path: Path) -> None:
    with Study.create(tmp_path / "s", name="s", synthetic=True) as study, study.batch():
        for start in range(0, 100_000, 10_000):
            numbers = range(start, start + 10_000)
            study.patients.add_many(Patient(id=f"p{n}", pseudonym=f"P{n}", source="s") for n in numbers)
            size = {"width": 30, "height": 40, "bits_stored": 12, "content_sha256": "0" * 64, "synthetic": True}
            study.images.add_many(Image(id=f"i{n}", patient_id=f"p{n}", **size) for n in numbers)
            study.lesions.add_findings(Finding(id=f"f{n}", patient_id=f"p{n}") for n in numbers)
            outline = Rectangle(box=Box(x0=1, y0=1, x1=9, y1=9))
            study.lesions.add_many(
                Lesion(id=f"l{n}", finding_id=f"f{n}", image_id=f"i{n}", outline=outline) for n in numbers
            )
    began = time.monotonic()
    with Study.open(tmp_path / "s", writable=False) as study:
        assert study.images.count() == 100_000
        opened = time.monotonic() - began
        began = time.monotonic()
        assert len(study.images.page(73_000, 200)) == 200
        page = time.monotonic() - began
    keep("B-29", {"cases": 100_000, "s to open": round(opened, 2), "ms for a page of 200": round(1000 * page, 1)})
    assert opened < 2 and page < 0.15, (opened, page)
