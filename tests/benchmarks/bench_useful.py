"""How many annotations "Most useful first" saves: a simulation in which labels and bands are revealed when chosen.

    python -m tests.benchmarks.bench_useful phantom [--patients N] [--seeds N] [--json FILE]
    python -m tests.benchmarks.bench_useful FOLDER  [--most N] [--seeds N] [--json FILE]   # such as cbis-ddsm

Features: the frozen trunk of preset ``pretrained``, one pass. The model of each step is fitted in closed form on
what is annotated so far: a linear add-on by ridge regression of the cells onto class or background, prototypes by
k-means of the cells in the mask of their class, moved to the nearest such cell, and the last layer by the
program's own refit. It is the update without its gradient steps; figures of real trainings are higher.

Each seed draws its own test part (a third of the patients) and its own first 12 lesions. Arms: ``useful`` (the
program's order, from the features of the lesions), ``random``, and ``bad model`` (the same order from random
features and probabilities). Precision: share of the top 5% of a cell map of the true class in the mask of a test
lesion (fine annotation, or automatic band). Target: the mean of the random arm at 60. Intervals: 95%, bootstrap
over seeds.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2

from core.data.automatic_band import with_automatic_bands
from core.data.roi_set import RoiSet
from core.data.training_set import build_roi_set
from core.statistics.activation import activation_precision
from core.statistics.auroc import auroc
from core.store.study import Study
from core.tasks.review.lesion_features import mean_inside, reduced
from core.tasks.review.useful_order import Candidate, useful_order
from core.tasks.runs.run_data import roi_request
from core.training.begin_or_resume import make_network
from core.training.fixed_draws import features_of
from core.training.presets import load_preset
from core.training.refit import initial_weights, refit

Floats = NDArray[np.float32]
FIRST, STEP, TARGET, LAST = 12, 6, 60, 60
SIZES = tuple(range(FIRST, LAST + 1, STEP))
PER_CLASS, TOP, EPSILON = 4, 9, 1e-4
_CELL_RIDGE, _HEAD_RIDGE = 30.0, 0.01


@dataclass(frozen=True, kw_only=True, eq=False)
class Pool:
    """Lesions with features (n, cells, C), masks of the margin and the lesion on the cells (n, cells)."""

    cells: Floats
    fine: NDArray[np.bool_]
    inside: NDArray[np.bool_]
    label: NDArray[np.int64]
    patients: tuple[str, ...]
    classes: int
    grid: int
    features: NDArray[np.float64]
    """(n, F) ``core.tasks.review.lesion_features``."""


def pool_of(study: Path, most: int = 0) -> Pool:
    config = load_preset("pretrained")
    with Study.open(study) as opened:
        rois = build_roi_set(opened, roi_request(config)).rois
    rois = rois.rows(rois.label >= 0)
    if most and len(rois) > most:
        patients = np.array(rois.patient_ids)
        order = np.random.default_rng(0).permutation(np.unique(patients))
        kept = np.cumsum([np.sum(patients == p) for p in order]) <= most
        rois = rois.rows(np.isin(patients, order[kept]))
    network = make_network(config, fresh=True)
    features = features_of(network, rois).numpy()
    n, channels, height, width = features.shape
    cells = features.reshape(n, channels, height * width).transpose(0, 2, 1)
    cells = (cells - cells.mean((0, 1))) / (cells.std((0, 1)) + 1e-6)
    banded, _ = with_automatic_bands(rois)
    return Pool(
        cells=np.ascontiguousarray(cells, np.float32),
        fine=_on_cells(banded, banded.fine, height, 0.35),
        inside=_on_cells(banded, banded.lesion, height, 0.5),
        label=rois.label,
        patients=rois.patient_ids,
        classes=len(rois.class_names),
        grid=height,
        features=reduced(mean_inside(features, banded.central(banded.lesion))),
    )


def _on_cells(rois: RoiSet, stored: NDArray[np.uint8], grid: int, share: float) -> NDArray[np.bool_]:
    """(n, cells) True where the mask covers at least this share of the cell, or the most covered one."""
    masks = rois.central(stored).astype(np.float32)
    side = masks.shape[-1] // grid
    covered = masks.reshape(len(masks), grid, side, grid, side).mean((2, 4)).reshape(len(masks), -1)
    limit = np.minimum(share, covered.max(axis=1, keepdims=True))
    return np.asarray((covered >= limit) & (covered > 0))


@dataclass(frozen=True, kw_only=True, eq=False)
class Fitted:
    addon: Floats
    prototypes: Floats
    prototype_class: NDArray[np.int64]
    weights: NDArray[np.float64]

    def maps(self, cells: Floats) -> Floats:
        """(n, m, cells) similarities."""
        latent = cells @ self.addon
        d = (
            (latent**2).sum(-1)[:, None, :]
            - 2 * np.einsum("ncd,md->nmc", latent, self.prototypes)
            + (self.prototypes**2).sum(-1)[None, :, None]
        )
        d = np.maximum(d, 0)
        return np.asarray(np.log((d + 1) / (d + EPSILON)), np.float32)


def scores_of(maps: Floats) -> Floats:
    return np.asarray(np.partition(maps, -TOP, axis=-1)[..., -TOP:].mean(-1))


def fit(pool: Pool, rows: NDArray[np.int64], seed: int) -> Fitted:
    cells = pool.cells[rows]
    wanted = np.full(pool.inside[rows].shape, -1)
    wanted[~pool.inside[rows]] = pool.classes
    marked = pool.fine[rows]
    wanted[marked] = np.repeat(pool.label[rows], marked.sum(1))
    used = wanted >= 0
    x, y = cells[used].astype(np.float64), wanted[used]
    target = np.eye(pool.classes + 1)[y]
    weight = 1 / np.bincount(y, minlength=pool.classes + 1).clip(1)[y]
    weight /= weight.mean()
    gram = (x * weight[:, None]).T @ x + _CELL_RIDGE * len(x) / 100 * np.eye(x.shape[1])
    addon = np.linalg.solve(gram, (x * weight[:, None]).T @ (target - target.mean(0))) * 4
    latent = cells @ addon.astype(np.float32)
    prototypes, owner = [], []
    for c in range(pool.classes):
        own = latent[(wanted == c)]
        if len(own) == 0:
            continue
        count = min(PER_CLASS, len(own))
        centres, _ = kmeans2(own, own[:: max(len(own) // count, 1)][:count].copy(), minit="matrix", seed=seed)
        nearest = ((own[None] - centres[:, None]) ** 2).sum(-1).argmin(1)
        prototypes.append(own[nearest])
        owner += [c] * len(nearest)
    bare = Fitted(
        addon=addon.astype(np.float32),
        prototypes=np.concatenate(prototypes),
        prototype_class=np.array(owner),
        weights=initial_weights(owner, pool.classes),
    )
    scores = scores_of(bare.maps(cells))
    weights = refit(scores, pool.label[rows], bare.weights, ridge=_HEAD_RIDGE)
    return Fitted(
        addon=bare.addon, prototypes=bare.prototypes, prototype_class=bare.prototype_class, weights=weights
    )


def figures(pool: Pool, model: Fitted, rows: NDArray[np.int64]) -> tuple[float, float]:
    """Mean AUROC over the classes, weighted by their size, and mean precision, on these lesions."""
    maps = model.maps(pool.cells[rows])
    logits = scores_of(maps) @ model.weights.T
    label = pool.label[rows]
    values, sizes = [], []
    for c in range(pool.classes):
        if 0 < (label == c).sum() < len(label):
            others = np.delete(logits, c, axis=1).max(axis=1)
            values.append(float(auroc(label == c, logits[:, c] - others).value))
            sizes.append(int((label == c).sum()))
    own = model.prototype_class[None, :] == label[:, None]
    lesion, prototype = np.nonzero(own)
    grid = (pool.grid, pool.grid)
    precision = activation_precision(
        maps[lesion, prototype].reshape(-1, *grid), pool.fine[rows][lesion].astype(np.float64).reshape(-1, *grid)
    )
    return float(np.average(values, weights=sizes)), float(np.nanmean(precision))


Choose = Callable[[Pool, Fitted, NDArray[np.int64], NDArray[np.int64], int], Sequence[int]]
"""From the pool, the model, the open rows, the annotated rows and a seed to the next rows."""


def useful(pool: Pool, model: Fitted, left: NDArray[np.int64], done: NDArray[np.int64], seed: int) -> list[int]:
    scores = scores_of(model.maps(pool.cells[left]))
    logits = scores @ model.weights.T
    shares = np.exp(logits - logits.max(1, keepdims=True))
    shares /= shares.sum(1, keepdims=True)
    own = model.prototype_class[None, :] == logits.argmax(1)[:, None]
    evidence = np.where(own, scores, -np.inf).max(1)
    known = scores_of(model.maps(pool.cells[done])).max(1)
    return _first(pool, left, done, Seen(shares, evidence, float(np.percentile(known, 5)), pool.features), seed)


def bad(pool: Pool, model: Fitted, left: NDArray[np.int64], done: NDArray[np.int64], seed: int) -> list[int]:
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.ones(pool.classes), len(left))
    features = np.random.default_rng(5).normal(size=pool.features.shape)
    return _first(pool, left, done, Seen(shares, rng.random(len(left)), 0.05, features), seed)


def at_random(pool: Pool, model: Fitted, left: NDArray[np.int64], done: NDArray[np.int64], seed: int) -> list[int]:
    return np.random.default_rng(seed).permutation(left)[:STEP].tolist()


@dataclass(frozen=True)
class Seen:
    """What a model makes of the open lesions."""

    shares: NDArray[Any]
    evidence: NDArray[Any]
    limit: float
    features: NDArray[np.float64]
    """(n, F) of the whole pool."""


def _first(pool: Pool, left: NDArray[np.int64], done: NDArray[np.int64], seen: Seen, seed: int) -> list[int]:
    candidates = [
        Candidate(
            lesion_id=str(row), patient_id=pool.patients[row], probabilities=seen.shares[i],
            evidence=float(seen.evidence[i]), has_precedent=bool(seen.evidence[i] >= seen.limit),
            features=seen.features[row],
        )
        for i, row in enumerate(left.tolist())
    ]  # fmt: skip
    candidates += [
        Candidate(lesion_id=str(row), patient_id=pool.patients[row], annotated=True, features=seen.features[row])
        for row in done.tolist()
    ]
    return [int(one.lesion_id) for one in useful_order(candidates, seed=seed)[:STEP]]


ARMS: dict[str, Choose] = {"random": at_random, "useful": useful, "bad model": bad}


def simulate(pool: Pool, seeds: int) -> dict[str, NDArray[np.float64]]:
    """By arm (seeds, sizes, 2): AUROC and precision on the seed's test part."""
    found = {name: np.zeros((seeds, len(SIZES), 2)) for name in ARMS}
    patients = np.array(pool.patients)
    for seed in range(seeds):
        rng = np.random.default_rng(1000 + seed)
        order = rng.permutation(np.unique(patients))
        tested = np.isin(patients, order[: len(order) // 3])
        train, test = rng.permutation(np.flatnonzero(~tested)), np.flatnonzero(tested)
        per_class = [train[pool.label[train] == c][: FIRST // pool.classes] for c in range(pool.classes)]
        start = np.concatenate(per_class)
        for name, choose in ARMS.items():
            done = start
            for k, _ in enumerate(SIZES):
                model = fit(pool, done, seed)
                found[name][seed, k] = figures(pool, model, test)
                left = np.setdiff1d(train, done)
                done = np.concatenate([done, choose(pool, model, left, done, 100 * seed + k)])
        sys.stderr.write(f"seed {seed}: {found['useful'][seed, -1]} random {found['random'][seed, -1]}\n")
    return found


def needed(curve: NDArray[np.float64], target: float) -> float:
    """Annotations at which a curve (sizes,) first reaches the target, between sizes by a line; inf if never."""
    for k, value in enumerate(curve):
        if value >= target:
            if k == 0:
                return float(SIZES[0])
            part = (target - curve[k - 1]) / (value - curve[k - 1])
            return float(SIZES[k - 1] + part * STEP)
    return float("inf")


def report(found: dict[str, NDArray[np.float64]]) -> dict[str, Any]:
    rng, seeds = np.random.default_rng(0), len(found["random"])
    draws = rng.integers(0, seeds, (2000, seeds))
    lines: dict[str, Any] = {"seeds": seeds, "sizes": list(SIZES)}
    for figure, name in ((0, "AUROC"), (1, "precision")):
        random_, chosen, worst = (found[arm][:, :, figure] for arm in ("random", "useful", "bad model"))
        for arm in ARMS:
            lines[f"{name}, {arm}"] = [round(float(v), 4) for v in found[arm][:, :, figure].mean(0)]
        target = SIZES.index(TARGET)
        counts = [needed(chosen[d].mean(0), float(random_[d, target].mean())) for d in draws]
        whole = needed(chosen.mean(0), float(random_[:, target].mean()))
        low, high = np.percentile(counts, (2.5, 97.5), method="nearest")
        lines[f"{name}: annotations for what {TARGET} random ones reach"] = (
            f"{whole:.0f} ({low:.0f} to {high:.0f})"
        )
        for arm, values in (("useful", chosen), ("bad model", worst)):
            gap = (values - random_).mean(1)
            low, high = np.percentile(gap[draws].mean(1), (2.5, 97.5))
            lines[f"{name}, {arm} - random, mean over sizes"] = f"{gap.mean():+.4f} ({low:+.4f} to {high:+.4f})"
    return lines


def study_of(source: str, patients: int, place: Path) -> Path:
    from core.cli.main import run_command_line
    from core.phantom.config import PhantomConfig
    from core.phantom.source import write_study_source

    folder = Path(source)
    if source == "phantom":
        folder = place / "source"
        write_study_source(folder, PhantomConfig(patients=patients, seed=4711))
    study = place / "study"
    if run_command_line(["study", "create", str(study)]) or run_command_line(
        ["import", str(study), str(folder), "--quiet"]
    ):
        raise SystemExit(f"{folder} could not be imported")
    return study


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", help="phantom, or a folder that import takes")
    parser.add_argument("--patients", type=int, default=150, help="of the phantom")
    parser.add_argument("--most", type=int, default=0, help="lesions, of patients drawn at random")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-useful-") as place:
        pool = pool_of(study_of(options.source, options.patients, Path(place)), options.most)
    counts = np.bincount(pool.label, minlength=pool.classes).tolist()
    found = {"source": options.source, "lesions": len(pool.label), "by class": counts}
    found |= report(simulate(pool, options.seeds))
    sys.stdout.write(json.dumps(found, indent=1) + "\n")
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
