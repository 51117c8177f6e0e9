"""How fast mammograms come into a study, against the bare decoding of the same files by the same decoder.

    python -m tests.benchmarks.bench_import [--images N] [--folder FOLDER] [--json FILE]

SYNTHETIC lossless-JPEG mammograms of 3000 x 2400 pixels, 12 bits. Bare: two processes, each decoding half of the
codestreams, which are in memory, with the decoder that the import uses. Import: `run_import` with its two decoding
processes, into a new study. 1,000 images (the default) take 7 GB as files and 19 GB in the study.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.encaps import generate_frames

from core.data.importers.images import read_images
from core.data.importers.importing import run_import
from core.domain.events import Event, Progress
from core.domain.vocabulary import Laterality, ViewPosition
from core.imaging.formats.codestream import jpeg_header
from core.imaging.formats.codestream_pixels import decode_jpeg
from core.imaging.opencv import cv2
from core.imaging.write_dicom import Encoding, MammogramHeader, write_mammogram
from core.store.study import Study

ROWS, COLUMNS = 3000, 2400
PROCESSES = 2
SHARE = 0.6
"""Of the bare decoder's images a second that the import must reach."""
_DISTINCT = 8
_LOOK_EVERY = 5
"""Images between two looks at the memory, which take time from the import."""


def mammogram(seed: int, rows: int = ROWS, columns: int = COLUMNS) -> NDArray[np.uint16]:
    """Blobs of tissue with the noise of a detector beside air, which packs well; SYNTHETIC."""
    rng = np.random.default_rng(seed)
    coarse = rng.random((rows // 60 + 2, columns // 60 + 2)).astype(np.float32)
    grey = cv2.resize(coarse, (columns, rows), interpolation=cv2.INTER_CUBIC) * 1500 + 900
    grey += rng.normal(0, 12, (rows, columns)).astype(np.float32)
    down, right = np.mgrid[:rows, :columns].astype(np.float32)
    air = (right / (0.75 * columns)) ** 2 + ((down - rows / 2) / (0.48 * rows)) ** 2 > 1
    grey[air] = 0
    return np.clip(np.rint(grey), 0, 4095).astype(np.uint16)


def write_files(folder: Path, count: int, rows: int = ROWS, columns: int = COLUMNS) -> list[Path]:
    """``count`` files, no two with the same pixels, two a patient."""
    folder.mkdir(parents=True, exist_ok=True)
    made = [mammogram(seed, rows, columns) for seed in range(min(_DISTINCT, count))]
    paths = []
    for number in range(count):
        pixels = made[number % len(made)]
        # the number of the file in the bits of its first pixels
        pixels[0, :16] = [4095 if number >> bit & 1 else 0 for bit in range(16)]
        header = MammogramHeader(
            patient_id=f"SYN-{number // 2:05d}",
            laterality=Laterality.LEFT,
            view=(ViewPosition.CC, ViewPosition.MLO)[number % 2],
            spacing_mm=0.08,
            synthetic=True,
        )
        paths.append(folder / f"{number:05d}.dcm")
        if not paths[-1].exists():
            write_mammogram(paths[-1], pixels, header, encoding=Encoding.JPEG_LOSSLESS)
    return paths


def bare(paths: list[Path]) -> tuple[float, float]:
    """Images a second of ``PROCESSES`` processes that do nothing but decode, and ms of processor time an image."""
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(PROCESSES + 1, timeout=600)
    used = context.Array("d", PROCESSES)
    workers = [
        context.Process(target=_decode, args=(paths[first::PROCESSES], ready, used, first))
        for first in range(PROCESSES)
    ]
    for worker in workers:
        worker.start()
    ready.wait()
    started = time.perf_counter()
    ready.wait()
    seconds = time.perf_counter() - started
    for worker in workers:
        worker.join()
    return len(paths) / seconds, 1e3 * sum(used[:]) / len(paths)


def _decode(paths: list[Path], ready: Barrier, used: Any, place: int) -> None:
    codes = [next(iter(generate_frames(dcmread(path).PixelData, number_of_frames=1))) for path in paths]
    headers = [jpeg_header(code) for code in codes]
    ready.wait()
    started = time.process_time()
    for code, header in zip(codes, headers, strict=True):
        assert header is not None
        decode_jpeg(code, header)
    used[place] = time.process_time() - started
    ready.wait()


def import_files(folder: Path, study_folder: Path) -> dict[str, float]:
    """Images a second, and megabytes of memory over the import's course."""
    memory: list[float] = []

    def watch(event: Event) -> None:
        if isinstance(event, Progress) and event.done % _LOOK_EVERY == 0:
            memory.append(resident_mb())

    with Study.create(study_folder, name="benchmark", synthetic=True) as study:
        plan = read_images(folder, source="benchmark")
        started, used = time.perf_counter(), sum(os.times()[:4])
        report = run_import(study, plan, emit=watch)
        seconds, used = time.perf_counter() - started, sum(os.times()[:4]) - used
    assert report.images == len(plan.images), report.issues
    stored = sum(path.stat().st_size for path in study_folder.rglob("*") if path.is_file())
    quarter = len(memory) // 4
    return {
        "images_a_second": report.images / seconds,
        "cpu_ms_an_image": 1e3 * used / report.images,
        "mb_at_a_quarter": max(memory[: quarter + 1]),
        "mb_at_the_end": max(memory[-quarter - 1 :]),
        "stored_gb": stored / 1e9,
    }


def resident_mb() -> float:
    """Of this process and its children, where the system tells."""
    total = 0
    for pid in (os.getpid(), *_children()):
        try:
            total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except OSError:
            continue
    return total / 1e6


def _children() -> list[int]:
    try:
        tasks = list(Path("/proc/self/task").iterdir())
        return [int(pid) for task in tasks for pid in (task / "children").read_text().split()]
    except OSError:
        return []


def measure(count: int, place: Path, rows: int = ROWS, columns: int = COLUMNS) -> dict[str, float]:
    """Everything, in a folder that is left with the source files only."""
    paths = write_files(place / "files", count, rows, columns)
    # the bare decoder holds its codestreams in memory: a sample is enough for a rate
    rate, cpu_ms = bare(paths[: min(count, 120)])
    study = Path(tempfile.mkdtemp(prefix="import-", dir=place)) / "study"
    try:
        found = import_files(place / "files", study)
    finally:
        shutil.rmtree(study.parent, ignore_errors=True)
    files = sum(path.stat().st_size for path in paths) / 1e9
    return {
        "images": count,
        "bare_images_a_second": rate,
        "bare_cpu_ms_an_image": cpu_ms,
        "share_of_bare": found["images_a_second"] / rate,
        # what the share is where nothing else runs: both use all of two processors
        "share_by_processor_time": cpu_ms / found["cpu_ms_an_image"],
        "files_gb": files,
        **found,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--folder", type=Path, help="where files and study are put (default: a temporary folder)")
    parser.add_argument("--json", type=Path, help="file for the record")
    options = parser.parse_args()
    place = options.folder or Path(tempfile.mkdtemp(prefix="bench-import-"))
    place.mkdir(parents=True, exist_ok=True)
    found = measure(options.images, place)
    if options.folder is None:
        shutil.rmtree(place)
    for name, value in found.items():
        sys.stdout.write(f"{name}: {value:.3f}\n")
    met = found["share_of_bare"] >= SHARE
    sys.stdout.write(f"at least {SHARE} of the bare decoder: {'met' if met else 'NOT met'}\n")
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
