"""5,000 patient-level resamples of every metric, for 1,000 images of 500 patients and 15 prototypes.

``python -m tests.benchmarks.bench_bootstrap`` prints one line of JSON and one for people. Synthetic numbers.
Seconds are processor time summed over threads, hence those of one core. The target is
10 s.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import expit, softmax

from core.statistics.activation_summary import PairTable, over_images, summarise
from core.statistics.agreement import agreement
from core.statistics.bootstrap import (
    auroc_draws,
    bootstrap_auroc,
    interval,
    mean_estimate,
    multiclass_auroc_draws,
    resample,
)
from core.statistics.calibration import calibration
from core.statistics.decision import decision_curve

NAMES = ("circumscribed", "indistinct", "spiculated")
PAIR_METRICS = (
    "lesion precision",
    "fine precision",
    "margin over the blob, lesion",
    "margin over the blob, fine",
    "energy, lesion",
    "energy, fine",
    "fires inside",
)


def pair_table(rng: np.random.Generator, label: np.ndarray) -> PairTable:
    """Five prototypes a class: five pairs an image."""
    image = np.repeat(np.arange(len(label)), 5)
    klass = label[image]
    return PairTable(
        image=image,
        prototype=5 * klass + np.tile(np.arange(5), len(label)),
        klass=klass,
        value=rng.random(len(image)),
    )


def main(images: int = 1000, draws: int = 5000) -> dict[str, object]:
    """Seconds of each part, and in all."""
    rng = np.random.default_rng(0)
    patients = np.arange(images) // 2
    label = np.repeat(rng.choice(3, images // 2), 2)
    probability = softmax(2 * np.eye(3)[label] + rng.normal(size=(images, 3)), axis=1)
    malignant = rng.random(images) < expit(label - 1.0)
    risk = expit(label - 1.0 + 0.5 * rng.normal(size=images))
    table = pair_table(rng, label)
    seconds: dict[str, float] = {}

    def timed(name: str, run: Callable[[], Any]) -> Any:
        start = time.process_time()
        result = run()
        seconds[name] = time.process_time() - start
        return result

    found = timed("resamples", lambda: resample(patients, images, draws=draws))
    each, mean = timed("margin AUROC, classes and mean", lambda: multiclass_auroc_draws(label, probability, found))
    timed("intervals of these", lambda: [interval(0.9, d, found) for d in (mean, *each.T)])
    timed("malignancy AUROC", lambda: bootstrap_auroc(malignant, risk, found))
    timed("difference of two AUROCs", lambda: interval(0, auroc_draws(malignant, -risk, found), found))
    timed("kappa and accuracy", lambda: agreement(label, probability.argmax(1), NAMES, found))
    timed("calibration and Brier", lambda: calibration(malignant, risk, found))
    timed("decision curve", lambda: decision_curve(malignant, risk, found))
    for name in PAIR_METRICS:
        timed(name, lambda: summarise(table, NAMES, found))
    timed("ever fires", lambda: over_images(table, found, how="max"))
    timed("abstention, stability, faithfulness", lambda: [mean_estimate(risk, found) for _ in range(6)])
    return {
        "images": images,
        "patients": int(patients[-1]) + 1,
        "prototypes": 15,
        "resamples": draws,
        "total_s": round(sum(seconds.values()), 3),
        "target_s": 10,
        "parts_s": {name: round(value, 3) for name, value in seconds.items()},
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--draws", type=int, default=5000)
    arguments = parser.parse_args()
    report = main(arguments.images, arguments.draws)
    sys.stdout.write(json.dumps(report) + "\n")
    sys.stdout.write(
        f"{report['resamples']:,} resamples of {report['patients']} patients, every metric: {report['total_s']} s "
        f"on one core (target {report['target_s']} s)\n"
    )
