"""How long a slice of a tomosynthesis takes to open: 60 frames of 2457 x 1890 pixels, lossless JPEG, SYNTHETIC.

    python -m tests.benchmarks.bench_tomosynthesis [--slices N] [--folder FOLDER] [--json FILE]

From the file: one frame through the decoding process, which reads none of the others. From the study: what the
window does when the wheel asks for a slice that was not read before, its pyramid and automatic window included.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

from app.widgets.viewer.picture import Picture
from core.data.importers.importing import run_import
from core.data.importers.layouts import make_plan
from core.imaging.worker import DecodeWorker
from core.phantom.config import PhantomConfig
from core.phantom.source import write_study_source
from core.store.study import Study
from core.tasks.studies.queries import StudyQueries

LIMIT_MS = 300
ROWS, COLUMNS = 2457, 1890


def measure(slices: int, place: Path, rows: int = ROWS, columns: int = COLUMNS) -> dict[str, float]:
    source, folder = place / "source", place / "study"
    config = PhantomConfig(patients=1, slices=slices, seed=3, height=rows, width=columns, spacing_mm=0.1)
    write_study_source(source, config, workers=2)
    file = sorted((source / "images").iterdir())[0]
    order = [(7 * k) % slices for k in range(min(slices, 20))]
    from_file, from_study = [], []
    with DecodeWorker() as worker:
        worker.read(file)
        for frame in order:
            started = time.perf_counter()
            worker.read(file, frame=frame)
            from_file.append(time.perf_counter() - started)
    with Study.create(folder, name="benchmark", synthetic=True) as study:
        started = time.perf_counter()
        report = run_import(study, make_plan(source))
        imported = time.perf_counter() - started
        reads, image = StudyQueries(study, ""), study.images.all()[0]
        for frame in order:
            started = time.perf_counter()
            loaded = reads.load(image.id, frame)
            Picture.of(image, loaded.levels)
            from_study.append(time.perf_counter() - started)
    assert report.images == 2 and image.frames == slices
    stored = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return {
        "frames": slices,
        "file_ms_median": 1000 * statistics.median(from_file),
        "file_ms_worst": 1000 * max(from_file),
        "study_ms_median": 1000 * statistics.median(from_study),
        "study_ms_worst": 1000 * max(from_study),
        "import_s_a_tomosynthesis": imported / 2,
        "file_mb": file.stat().st_size / 1e6,
        "stored_mb_a_tomosynthesis": stored / 2e6,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slices", type=int, default=60)
    parser.add_argument("--folder", type=Path, help="where files and study are put (default: a temporary folder)")
    parser.add_argument("--json", type=Path, help="file for the record")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-tomo-") as temporary:
        found = measure(options.slices, options.folder or Path(temporary))
    for name, value in found.items():
        sys.stdout.write(f"{name}: {value:.1f}\n")
    met = max(found["file_ms_worst"], found["study_ms_worst"]) <= LIMIT_MS
    sys.stdout.write(f"a slice in at most {LIMIT_MS} ms: {'met' if met else 'NOT met'}\n")
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
