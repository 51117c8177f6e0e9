"""How near the proposed margin comes to the true one, beside the ellipse in the same box.

    python -m tests.benchmarks.bench_margin [--masses N] [--cesm FOLDER] [--choose MINUTES] [--json FILE]

Phantom: SYNTHETIC masses whose margin is known, of a seed on which nothing was chosen. CDD-CESM: the
radiologist's contours that the importer takes. A distance is the mean of both directions along the two lines: in
mm on the phantom, over the radius of the circle of the same area on CDD-CESM, which has no pixel spacing.
Intervals: 95%, bootstrap over patients. ``--choose`` searches settings on the training part (phantom seed
``TRAINING_SEED`` and half of the patients of CDD-CESM, by hash) and prints them; without it the default settings
are measured, on all masses and for CDD-CESM also on the patients that were not chosen on.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from core.domain.geometry import Box
from core.domain.shapes import Rectangle, bounds
from core.domain.study import LesionOutline
from core.imaging.margin.frame import ring_of
from core.imaging.margin.proposal import DEFAULT, ProposalSettings, propose_margin
from core.phantom.config import PhantomConfig
from core.phantom.patient import make_patient

TRAINING_SEED, SEED = 501, 90210
JITTER = 0.1
_PLACES = 720
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Mass:
    patient: str
    margin: str
    pixels: NDArray[Any]
    truth: Floats
    outline: LesionOutline
    unit: float
    """Length of a pixel in what distances are given in: mm, or equivalent radii."""

    @property
    def box(self) -> Box:
        (x0, y0), (x1, y1) = self.truth.min(axis=0), self.truth.max(axis=0)
        return Box(x0=x0, y0=y0, x1=x1, y1=y1)


def ring_distance(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Mean distance between two closed lines, of both directions, in the unit of their points (n, 2)."""
    a, b = _evenly(a), _evenly(b)
    return float((cKDTree(a).query(b)[0].mean() + cKDTree(b).query(a)[0].mean()) / 2)


def _evenly(ring: NDArray[np.floating]) -> Floats:
    closed = np.vstack([ring, ring[:1]]).astype(np.float64)
    way = np.append(0.0, np.cumsum(np.hypot(*np.diff(closed, axis=0).T)))
    at = np.linspace(0, way[-1], _PLACES, endpoint=False)
    return np.stack([np.interp(at, way, closed[:, axis]) for axis in (0, 1)], axis=1)


def phantom_masses(count: int, seed: int) -> Iterator[Mass]:
    """SYNTHETIC masses, two views of each patient."""
    config = PhantomConfig(patients=(count + 1) // 2, seed=seed)
    for index in range(config.patients):
        patient = make_patient(config, index)
        for view in patient.views[: count - 2 * index]:
            margin = patient.labels.margin
            yield Mass(
                patient=patient.patient_id,
                margin="" if margin is None else margin.value,
                pixels=view.pixels,
                truth=np.asarray(view.true_margin.points, np.float64),
                outline=view.outline,
                unit=config.spacing_mm,
            )


def cesm_masses(folder: Path) -> Iterator[Mass]:
    """The masses of CDD-CESM with a drawn contour that the importer takes; no ellipses or circles."""
    from core.data.importers.cdd_cesm import read_cdd_cesm
    from core.imaging.opencv import cv2

    def grey(path: Path) -> NDArray[Any]:
        return np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE))

    for image in read_cdd_cesm(folder, read_mask=grey).images:
        for lesion in image.lesions:
            points = getattr(lesion.outline, "points", None)
            if points is not None:
                x, y = np.asarray(points, np.float64).T
                area = abs(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)) / 2
                yield Mass(
                    patient=image.patient,
                    margin="",
                    pixels=grey(image.path),
                    truth=np.stack([x, y], axis=1),
                    outline=lesion.outline,
                    unit=1 / float(np.sqrt(area / np.pi)),
                )


def jittered(box: Box, rng: np.random.Generator) -> Box:
    """Each edge moved by up to a tenth of the box's side."""
    x, y = (rng.uniform(-JITTER, JITTER, 2) * side for side in (box.width, box.height))
    return Box(x0=box.x0 + x[0], y0=box.y0 + y[0], x1=box.x1 + x[1], y1=box.y1 + y[1])


INPUTS = ("box", "box moved by 10%", "reader's outline", "box of the reader's outline")


def measure(masses: Sequence[Mass], settings: ProposalSettings = DEFAULT, *, inputs: int = 4) -> Floats:
    """(masses, inputs, 2): distance of the proposal and of the ellipse (or of the outline itself)."""
    rng = np.random.default_rng(0)
    rows = []
    for mass in masses:
        starts: list[LesionOutline] = [
            Rectangle(box=mass.box),
            Rectangle(box=jittered(mass.box, rng)),
            mass.outline,
            Rectangle(box=bounds(mass.outline)),
        ][:inputs]
        rows.append(
            [
                [
                    mass.unit * ring_distance(propose_margin(mass.pixels, start, settings=settings), mass.truth),
                    mass.unit * ring_distance(ring_of(start), mass.truth),
                ]
                for start in starts
            ]
        )
    return np.asarray(rows)


def interval(values: Floats, patients: Sequence[str], middle: Any = np.mean) -> tuple[float, float, float]:
    """The mean (or another middle) with its 95% interval by resampling patients."""
    names, group = np.unique(np.asarray(patients), return_inverse=True)
    of_patient = [np.flatnonzero(group == g) for g in range(len(names))]
    rng = np.random.default_rng(1)
    draws = [
        middle(values[np.concatenate([of_patient[g] for g in rng.integers(0, len(names), len(names))])])
        for _ in range(2000)
    ]
    low, high = np.percentile(draws, (2.5, 97.5))
    return float(middle(values)), float(low), float(high)


def _said(values: Floats, patients: Sequence[str], middle: Any = np.mean) -> str:
    return "{:.3f} ({:.3f} to {:.3f})".format(*interval(values, patients, middle))


def phantom_report(masses: Sequence[Mass], found: Floats) -> dict[str, Any]:
    patients = [mass.patient for mass in masses]
    report: dict[str, Any] = {"masses": len(masses)}
    for k, name in enumerate(INPUTS):
        report[f"{name}: proposal, mm"] = _said(found[:, k, 0], patients)
        report[f"{name}: ellipse or outline itself, mm"] = _said(found[:, k, 1], patients)
        report[f"{name}: proposal / ellipse"] = round(float(found[:, k, 0].mean() / found[:, k, 1].mean()), 3)
    for margin in sorted({mass.margin for mass in masses}):
        chosen = np.array([mass.margin == margin for mass in masses])
        own = [p for p, c in zip(patients, chosen, strict=True) if c]
        report[f"box: proposal of {margin}, mm"] = _said(found[chosen, 0, 0], own)
        report[f"box: ellipse of {margin}, mm"] = _said(found[chosen, 0, 1], own)
    report["moved box / exact box"] = round(float(found[:, 1, 0].mean() / found[:, 0, 0].mean()), 3)
    return report


def cesm_report(masses: Sequence[Mass], found: Floats) -> dict[str, Any]:
    report: dict[str, Any] = {}
    held_out = np.array([not in_training(mass.patient) for mass in masses])
    for words, chosen in (("all", np.ones(len(masses), bool)), ("patients not chosen on", held_out)):
        patients = [mass.patient for mass, c in zip(masses, chosen, strict=True) if c]
        report[f"{words}: masses"] = f"{chosen.sum()} of {len(set(patients))} patients"
        for k, name in enumerate(INPUTS[:2]):
            ours, ellipse = found[chosen, k].T
            report[f"{words}, {name}: proposal, median"] = _said(ours, patients, np.median)
            report[f"{words}, {name}: ellipse, median"] = _said(ellipse, patients, np.median)
            report[f"{words}, {name}: proposal - ellipse, mean"] = _said(ours - ellipse, patients)
    return report


def in_training(patient: str) -> bool:
    return int(hashlib.sha256(patient.encode()).hexdigest(), 16) % 2 == 0


CHOICES: dict[str, tuple[float, ...]] = {
    "inner": (0.4, 0.5, 0.6),
    "outer": (1.3, 1.4, 1.5),
    "scale": (0.04, 0.06, 0.08, 0.1, 0.14),
    "along": (1, 2, 4, 6),
    "rounds": (1, 2, 3),
    "prior": (0.01, 0.02, 0.05, 0.1, 0.2),
    "place": (0.9, 0.95, 1.0),
    "stiffness": (0.05, 0.1, 0.3, 1, 3),
    "strongest": (2, 4, 8),
    "outwards": (0, 0.2, 0.4, 0.6, 0.8),
    "sharp": (0.05, 0.1, 0.15, 0.2),
    "smooth": (1, 2, 4),
}


def choose(phantom: Sequence[Mass], cesm: Sequence[Mass], minutes: float) -> ProposalSettings:
    """Random search for the settings with the smallest distances over those of the ellipse."""
    rng = np.random.default_rng(1)

    def cost(settings: ProposalSettings) -> float:
        total = 0.0
        for masses in (phantom, cesm):
            if masses:
                mean = measure(masses, settings, inputs=2).mean(axis=0)
                total += float((mean[:, 0] / mean[:, 1]).sum())
        return total

    best, least = DEFAULT, cost(DEFAULT)
    until = time.monotonic() + 60 * minutes
    while time.monotonic() < until:
        names = rng.choice(list(CHOICES), int(rng.integers(1, 4)), replace=False)
        values = {name: rng.choice(CHOICES[name]).item() for name in names}
        tried = ProposalSettings(**{**{f: getattr(best, f) for f in best.__struct_fields__}, **values})
        now = cost(tried)
        if now < least:
            best, least = tried, now
            sys.stdout.write(f"{least:.4f} {best}\n")
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--masses", type=int, default=300)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--cesm", type=Path, help="folder of CDD-CESM")
    parser.add_argument("--choose", type=float, metavar="MINUTES", default=0.0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    cesm = list(cesm_masses(options.cesm)) if options.cesm else []
    settings = DEFAULT
    if options.choose:
        training = list(phantom_masses(100, TRAINING_SEED))
        settings = choose(training, [m for m in cesm if in_training(m.patient)], options.choose)
    masses = list(phantom_masses(options.masses, options.seed))
    started = time.process_time()
    for mass in masses:
        propose_margin(mass.pixels, mass.outline, settings=settings)
    seconds = (time.process_time() - started) / len(masses)
    report: dict[str, Any] = {"settings": str(settings), "ms a proposal, processor": round(1000 * seconds, 1)}
    report["phantom"] = phantom_report(masses, measure(masses, settings))
    if cesm:
        report["cdd-cesm"] = cesm_report(cesm, measure(cesm, settings, inputs=2))
    sys.stdout.write(json.dumps(report, indent=1) + "\n")
    if options.json is not None:
        options.json.write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
