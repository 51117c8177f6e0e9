"""A first model with the preset ``frozen``, from ROIs in memory to a model on disk: VGG-16 at 224 px, its features
computed once.

    python -m tests.benchmarks.bench_frozen [--rois 400]

Noise with masks, of which 70% are trained on and 15% choose the epoch; random weights (no ImageNet weights are
needed here): the time depends on neither. Goal: 400 ROIs in minutes on two cores. Seconds by the wall and of the
processor, by stage as the run's record says them; what is not a stage is mostly the backbone's features.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import msgspec
import numpy as np

from core.data.roi_set import RoiSet
from core.domain.vocabulary import Part
from core.training.config import TrainingConfig
from core.training.presets import load_preset
from core.training.trainer import train
from tests.benchmarks.bench_projection import noise_rois


def configuration() -> TrainingConfig:
    preset = load_preset("frozen")
    return msgspec.structs.replace(
        preset, architecture=msgspec.structs.replace(preset.architecture, weights="random"), device="cpu"
    )


def regions(count: int, config: TrainingConfig) -> RoiSet:
    rois = noise_rois(count, config.transform)
    middle = slice(config.transform.stored_size // 3, 2 * config.transform.stored_size // 3)
    rois.lesion[:, middle, middle] = 1
    rois.fine[: count // 10, middle, middle.start : middle.start + 12] = 1
    rois.has_fine[: count // 10] = True
    return rois


def measure(count: int, config: TrainingConfig | None = None) -> dict[str, object]:
    config = config or configuration()
    rois = regions(count, config)
    place = np.arange(count) / count
    parts = np.select([place < 0.7, place < 0.85], [Part.TRAINING.value, Part.VALIDATION.value], Part.TEST.value)
    with tempfile.TemporaryDirectory(prefix="bench-frozen-") as folder:
        wall, processor = time.perf_counter(), time.process_time()
        result = train(rois, parts, config, Path(folder))
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
    stages = {stage: round(seconds, 1) for stage, seconds in result.record.seconds.items()}
    return {
        "rois": count,
        "training": int((parts == Part.TRAINING.value).sum()),
        "wall_s": round(wall, 1),
        "processor_s": round(processor, 1),
        "stages_s": stages,
        "features_and_rest_s": round(wall - sum(stages.values()), 1),
        "machine": result.record.machine.words,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rois", type=int, default=400)
    sys.stdout.write(json.dumps(measure(parser.parse_args().rois), indent=1) + "\n")


if __name__ == "__main__":
    main()
