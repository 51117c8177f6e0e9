"""Every benchmark of the engine as one table, each figure as a ratio to its reference in the same run, and a file.

    python -m tests.benchmarks [--json FILE] [--quick]
    python -m tests.benchmarks growth [--quick]

Processor time where the row does not say otherwise, so that what else the machine does counts little. ``--quick``
leaves VGG-16 out. The references are the bare backbone, or the naive implementation of ``tests/benchmarks/naive``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch

from core.data.roi_set import InputTransform
from core.training.machine import cpu_computes_bfloat16
from tests.benchmarks import (
    bench_bootstrap,
    bench_growth,
    bench_import,
    bench_parts,
    bench_projection,
    bench_prune,
    bench_repaint,
    bench_stages,
    bench_step,
    bench_training,
)

COMPACT = bench_step.Case(backbone="compact", size=112, batch=42, channels=64, bf16=False, rounds=5)
IMAGES = 24
"""Of those that are imported: bench_import alone takes 1,000."""
Row = dict[str, object]


def row(figure: str, value: float, limit: float, unit: str = "") -> Row:
    return {"figure": figure, "value": round(value, 4), "limit": limit, "unit": unit, "met": value <= limit}


def training_rows() -> Iterator[Row]:
    found = bench_training.measure(bench_training.configuration("vgg16", 224, 10), rounds=2)
    limits = (0.55, 1.10, 1.05, 0.05)
    for (name, (_, processor)), limit in zip(found.ratios().items(), limits, strict=True):
        yield row(f"{name}, VGG-16 at 224 px, batch 10, {found.choice.words}", processor, limit)


def stage_rows() -> Iterator[Row]:
    rois = bench_projection.noise_rois(500, InputTransform(input_size=112))
    found = bench_stages.measure(rois, bench_stages.network_of("compact", 112), epochs=20)
    p, same = found.projection.processor, "" if found.equal else " (DIFFERENT patches)"
    yield row(
        f"A2 of 500 ROIs / loop over the prototypes that writes pictures{same}", p / found.loop.processor, 0.1
    )
    yield row(f"the same / a loop over each class's own images{same}", p / found.loop_own_class.processor, 0.2)
    a3 = found.table.processor + found.fit.processor
    worse = "" if found.objective <= found.objective_of_epochs else " (WORSE objective)"
    yield row(f"A3 after A2 / 20 epochs through the backbone{worse}", a3 / found.epochs.processor, 0.01)


def step_rows(case: bench_step.Case) -> Iterator[Row]:
    found = bench_step.measure(case)
    yield row(f"forward and backward of a training step / bare backbone ({case})", found.step / found.bare, 1.15)
    yield row(f"fine-annotation loss / training step ({case})", found.fine / found.step, 0.02)


def part_rows() -> Iterator[Row]:
    fast, slow = bench_parts.fine_loss()
    yield row("fine-annotation loss, quadratic form / upsampled maps", fast / slow, 0.05)
    fast, slow = bench_parts.augmented()
    yield row("augmentation of a batch / one image after another", fast / slow, 0.25)
    yield row("main.py --help, by the wall", bench_parts.started("main.py", "--help"), 0.3, "s")
    _, processor, loaded = bench_parts.window_up()
    yield row(f"window painted, torch {'LOADED' if loaded else 'not loaded'}", processor, 1.0, "s")


def file_rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory(prefix="bench-import-") as place:
        found = bench_import.measure(IMAGES, Path(place))
    yield row(
        f"import of {IMAGES} mammograms / bare decoder, time an image by the wall", 1 / found["share_of_bare"],
        1 / bench_import.SHARE,
    )  # fmt: skip
    frame, naive = bench_repaint.measure()
    yield row("frame of a window/level drag, 28 megapixels / repaint of the whole image", frame / naive, 0.1)


def other_rows() -> Iterator[Row]:
    forward, projection = bench_projection.measure()
    yield row("A2 of 500 ROIs / one forward pass over them", projection / forward, 1.1)
    pruning = bench_prune.measure()
    yield row("prune 3 of 15 on 15,000 rows and refit h1 and h2", pruning["out-of-fold"], 100, "ms")
    statistics = bench_bootstrap.main()
    yield row("5,000 resamples of every metric, 1,000 images", float(str(statistics["total_s"])), 10, "s")


def all_rows(*, quick: bool) -> Iterator[Row]:
    if not quick:
        yield from training_rows()
    torch.set_num_threads(1)
    yield from stage_rows()
    yield from part_rows()
    yield from file_rows()
    yield from other_rows()
    yield from step_rows(COMPACT)


def machine() -> str:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    bfloat16 = "bfloat16 in the processor" if cpu_computes_bfloat16() else "no bfloat16"
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    versions = f"Python {platform.python_version()}, torch {torch.__version__}"
    return f"{platform.machine()}, {platform.system()}, {cores} cores, {bfloat16}, {gpu}; {versions}"


def main() -> None:
    if sys.argv[1:2] == ["growth"]:
        bench_growth.main(sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="file for the record")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    sys.stdout.write(f"{machine()}\n\n| figure | measured | at most |  |\n| --- | --- | --- | --- |\n")
    rows = []
    for one in all_rows(quick=options.quick):
        rows.append(one)
        verdict = "met" if one["met"] else "NOT met"
        sys.stdout.write(
            f"| {one['figure']} | {one['value']} {one['unit']} | {one['limit']} {one['unit']} | {verdict} |\n"
        )
        sys.stdout.flush()
    if options.json is not None:
        options.json.write_text(json.dumps({"machine": machine(), "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
