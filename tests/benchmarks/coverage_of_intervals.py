"""What the 95% intervals cover: simulated patients of two correlated images, synthetic scores.

``python -m tests.benchmarks.coverage_of_intervals`` prints one line of JSON and a table: for each interval and
number of images what it is (primary, or only reported), the share of simulations in which it holds the truth, and
how often it lies wholly above or below it. Primary intervals (starred in the names) must cover 93-97%; a table
without ``--draws`` is made from 2,000 simulations. The exit code is 1 where a primary interval does not.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np
from scipy.special import expit

from core.statistics.agreement import agreement, confusion, kappa_of
from core.statistics.auroc import auroc, compare_aurocs, components
from core.statistics.bootstrap import bootstrap_auroc, mean_estimate, resample
from core.statistics.calibration import calibration
from core.statistics.estimate import Estimate
from core.statistics.multiclass import multiclass_auroc
from core.statistics.proportion import proportion
from tests.core.statistics.simulate import patients_of, readings, three_classes

NAMES = ("a", "b", "c")
SIZES = (78, 300)
Judged = Iterator[tuple[str, Estimate, float]]
"""Name of the interval, what it says, the truth."""


def binary(theta: float) -> Callable[[np.random.Generator, int, int], Judged]:
    """Intervals of one AUROC and of the difference of two equal ones."""

    def draw(rng: np.random.Generator, n: int, resamples: int) -> Judged:
        y, s, patients = readings(rng, n, theta, models=2)
        yield "* AUROC, clustered DeLong", auroc(y, s[:, 0], patients), theta
        yield "AUROC, DeLong as in the paper", auroc(y, s[:, 0]), theta
        found = resample(patients, n, draws=resamples, seed=int(rng.integers(2**31)))
        yield "AUROC, patient bootstrap", bootstrap_auroc(y, s[:, 0], found), theta
        yield "* AUROC difference, clustered", compare_aurocs(y, s[:, 0], s[:, 1], patients).difference, 0.0
        yield "AUROC difference, unclustered", compare_aurocs(y, s[:, 0], s[:, 1]).difference, 0.0

    return draw


def multiclass(strength: float) -> Callable[[np.random.Generator, int, int], Judged]:
    """Weighted mean AUROC, kappa and accuracy of a three-class model, and means of values in [0, 1]."""
    y, p = three_classes(np.random.default_rng(1), 400_000, strength)
    areas = components(y[:, None] == np.arange(3), p).auroc
    kappa = float(kappa_of(confusion(y, p.argmax(1), 3)))
    mean, accuracy = float(p[np.arange(len(y)), y].mean()), float((p.argmax(1) == y).mean())

    def draw(rng: np.random.Generator, n: int, resamples: int) -> Judged:
        y, p = three_classes(rng, n, strength)
        patients, size = patients_of(n), np.bincount(y, minlength=3) / n
        truth = float(size @ areas)  # class sizes are taken as given
        yield "* mean AUROC, clustered", multiclass_auroc(y, p, NAMES, patients).mean, truth
        yield "mean AUROC, as in the paper", multiclass_auroc(y, p, NAMES).mean, truth
        found = resample(patients, n, draws=resamples, seed=int(rng.integers(2**31)))
        judged = agreement(y, p.argmax(1), NAMES, found)
        yield "* kappa, patient bootstrap", judged.overall, kappa
        yield "* mean of values in [0, 1], patient bootstrap", mean_estimate(p[np.arange(n), y], found), mean
        plain = resample(None, n, draws=resamples, seed=int(rng.integers(2**31)))
        yield "kappa, image bootstrap", agreement(y, p.argmax(1), NAMES, plain).overall, kappa
        yield "mean of values in [0, 1], image bootstrap", mean_estimate(p[np.arange(n), y], plain), mean
        yield "* share, clustered Wilson", proportion(p.argmax(1) == y, patients), accuracy

    return draw


def malignancy(rng: np.random.Generator, n: int, resamples: int) -> Judged:
    """Calibration of overconfident predictions (true slope 0.5)."""
    x = np.repeat(rng.normal(size=n // 2), 2) + 0.5 * rng.normal(size=n)
    y = rng.random(n) < expit(x)
    found = resample(patients_of(n), n, draws=resamples, seed=int(rng.integers(2**31)))
    judged = calibration(y, expit(2 * x), found)
    yield "calibration slope, patient bootstrap", judged.slope, 0.5
    yield "calibration intercept, patient bootstrap", judged.intercept, 0.0


SCENARIOS: dict[str, Callable[[np.random.Generator, int, int], Judged]] = {
    "AUROC 0.80": binary(0.80),
    "AUROC 0.95": binary(0.95),
    "malignancy": malignancy,
}
STRENGTHS = {"three classes, AUROC 0.80": 0.95, "three classes, AUROC 0.95": 1.8}


def coverage(
    scenario: Callable[[np.random.Generator, int, int], Judged],
    n: int,
    *,
    draws: int,
    resamples: int,
    seed: int = 0,
) -> dict[str, dict[str, float]]:
    """Shares, among the simulations with an interval, that cover, lie above the truth or lie below it."""
    rng = np.random.default_rng([seed, n])
    counts: Counter[tuple[str, str]] = Counter()
    for _ in range(draws):
        for name, estimate, truth in scenario(rng, n, resamples):
            if estimate.low is None or estimate.high is None:
                counts[name, "undefined"] += 1
                continue
            verdict = "above" if estimate.low > truth else "below" if estimate.high < truth else "covers"
            counts[name, verdict] += 1
    return {
        name: {
            word: round(counts[name, word] / max(1, draws - counts[name, "undefined"]), 4)
            for word in ("covers", "above", "below")
        }
        | {"undefined": counts[name, "undefined"]}
        for name in dict.fromkeys(name for name, _ in counts)
    }


def main(draws: int, resamples: int, *, only: str = "", sizes: tuple[int, ...] = SIZES) -> list[dict[str, object]]:
    """One row for each scenario (whose name starts with ``only``), number of images and interval."""
    rows: list[dict[str, object]] = []
    for label in (name for name in (*SCENARIOS, *STRENGTHS) if name.startswith(only)):
        scenario = SCENARIOS[label] if label in SCENARIOS else multiclass(STRENGTHS[label])
        for n in sizes:
            found = coverage(scenario, n, draws=draws, resamples=resamples)
            rows += [{"scenario": label, "images": n, "interval": name, **row} for name, row in found.items()]
    return rows


LOW, HIGH = 0.93, 0.97
PRIMARY = "* "


def table(report: list[dict[str, object]]) -> list[str]:
    """Markdown, a line a row of the report."""
    lines = [
        "| simulated | images | interval | offered as | covers | above | below | undefined | in 93-97% |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in report:
        name = str(row["interval"])
        share, primary = float(str(row["covers"])), name.startswith(PRIMARY)
        held = "yes" if LOW <= share <= HIGH else "no"
        shares = " | ".join(f"{100 * float(str(row[key])):.1f}%" for key in ("covers", "above", "below"))
        lines.append(
            f"| {row['scenario']} | {row['images']} | {name.removeprefix(PRIMARY)} | "
            f"{'primary' if primary else 'reported only'} | {shares} | {row['undefined']} | {held} |"
        )
    return lines


def missed(report: list[dict[str, object]]) -> list[str]:
    """Primary intervals that do not cover 93-97%."""
    return [
        f"{row['scenario']}, n = {row['images']}: {row['interval']}"
        for row in report
        if str(row["interval"]).startswith(PRIMARY) and not LOW <= float(str(row["covers"])) <= HIGH
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--only", default="", help="scenarios whose name starts with this")
    parser.add_argument("--images", type=int, nargs="+", default=SIZES)
    arguments = parser.parse_args()
    report = main(arguments.draws, arguments.resamples, only=arguments.only, sizes=tuple(arguments.images))
    sys.stdout.write(json.dumps(report) + "\n")
    sys.stdout.write("\n".join(table(report)) + "\n")
    for line in missed(report):
        sys.stderr.write(f"Not within 93-97%: {line}\n")
    sys.exit(1 if missed(report) else 0)
