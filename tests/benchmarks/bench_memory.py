"""Memory of regions of interest in training: what a process that trains holds of them, MB per 1,000.

    python -m tests.benchmarks.bench_memory [--rois 1000] [--size 224]

Of the whole set (pixels and both masks, a byte each, with the margin of context that augmentation needs), and of
the parts that are trained on and validated on, which are copies. Measured as resident memory, not counted up.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from core.data.roi_set import InputTransform
from core.training.batches import Augmented
from core.training.presets import load_preset
from tests.benchmarks.bench_projection import noise_rois


def resident_mb() -> float:
    return int(Path("/proc/self/status").read_text().split("VmRSS:")[1].split()[0]) / 1000


def measure(count: int, size: int) -> dict[str, float]:
    transform = InputTransform(input_size=size)
    config = load_preset("compact")
    noise_rois(8, transform)
    begin = resident_mb()
    rois = noise_rois(count, transform)
    rois = replace(rois, lesion=(rois.pixels > 99).astype(np.uint8), fine=(rois.pixels > 199).astype(np.uint8))
    whole = resident_mb()
    training, validation = rois.rows(np.arange(count) % 20 < 14), rois.rows(np.arange(count) % 20 >= 17)
    source = Augmented(training, config)
    source.load(np.arange(min(85, len(training))), 0, 0)
    trained = resident_mb()
    assert len(training) + len(validation) < count
    return {
        "rois": count,
        "stored_side_px": transform.stored_size,
        "MB per 1,000, the set": round(1000 * (whole - begin) / count, 1),
        "MB per 1,000, with what is trained and validated on": round(1000 * (trained - begin) / count, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rois", type=int, default=1000)
    parser.add_argument("--size", type=int, default=224)
    given = parser.parse_args()
    sys.stdout.write(json.dumps(measure(given.rois, given.size), indent=1) + "\n")


if __name__ == "__main__":
    main()
