"""Optimal assignment of prototypes to patches, so that no two prototypes of a class become the same one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from core.data.roi_set import RoiSet

Distinct = Literal["patch", "lesion", "patient"]


@dataclass(frozen=True, kw_only=True, eq=False)
class NearestPatches:
    """For each ROI and prototype the nearest cells, the nearest first; infinite distance: not a candidate."""

    distance: NDArray[np.float32]
    """(n, m, t)"""
    cell: NDArray[np.int64]
    """(n, m, t) flat index of the cell."""


@dataclass(frozen=True)
class TrainingPatch:
    row: int
    cell: int


def assign_patches(
    nearest: NearestPatches, prototype_class: NDArray[np.int64], rois: RoiSet, distinct: Distinct
) -> list[TrainingPatch]:
    """Return a patch for each prototype; the sum of distances within a class is the smallest that distinct
    ones allow.

    ``distinct``: no two prototypes of a class from one patch, one lesion or one patient. A class with fewer
    lesions (patients) than prototypes is held to distinct patches only; with fewer patches each takes its
    nearest. Ties resolve by (lesion id, cell).
    """
    chosen: list[TrainingPatch | None] = [None] * len(prototype_class)
    for c in sorted(set(prototype_class.tolist())):
        mine = np.flatnonzero(prototype_class == c)
        ranked = [_ranked(nearest, int(j), rois) for j in mine]
        levels: tuple[Distinct, ...] = (distinct,) if distinct == "patch" else (distinct, "patch")
        patches = next((p for p in (_assigned(ranked, rois, level) for level in levels) if p is not None), None)
        for j, patch in zip(mine, patches or [own[0][1] for own in ranked], strict=True):
            chosen[j] = patch
    return [patch for patch in chosen if patch is not None]


def _ranked(nearest: NearestPatches, prototype: int, rois: RoiSet) -> list[tuple[float, TrainingPatch]]:
    """Return the candidates of one prototype, the nearest first."""
    distance, cell = nearest.distance[:, prototype], nearest.cell[:, prototype]
    rows, places = np.nonzero(np.isfinite(distance))
    found = [
        (float(distance[row, place]), TrainingPatch(int(row), int(cell[row, place])))
        for row, place in zip(rows, places, strict=True)
    ]
    return sorted(found, key=lambda item: (item[0], rois.lesion_ids[item[1].row], item[1].cell))


def _assigned(
    ranked: Sequence[Sequence[tuple[float, TrainingPatch]]], rois: RoiSet, distinct: Distinct
) -> list[TrainingPatch] | None:
    """Return one patch a prototype, of different patches, lesions or patients; None where there are too few."""
    # scipy.optimize takes a while to load, for which the start of the window should not wait
    from scipy.optimize import linear_sum_assignment

    count = len(ranked)
    options = [_nearest_of_each(candidates, rois, distinct, count) for candidates in ranked]
    if any(len(own) < count for own in options):
        return None
    keys = {key: i for i, key in enumerate(sorted({key for own in options for key in own}))}
    most = max(distance for own in options for distance, _ in own.values())
    # dearer than any assignment of candidates
    cost = np.full((count, len(keys)), (most + 1.0) * (count + 1))
    for i, own in enumerate(options):
        for key, (distance, _) in own.items():
            cost[i, keys[key]] = distance
    names = list(keys)
    _, columns = linear_sum_assignment(cost)
    return [own[names[column]][1] for own, column in zip(options, columns, strict=True)]


def _nearest_of_each(
    candidates: Sequence[tuple[float, TrainingPatch]], rois: RoiSet, distinct: Distinct, count: int
) -> dict[tuple[str, int], tuple[float, TrainingPatch]]:
    """Return the nearest candidate of each of the ``count`` nearest patches, lesions or patients."""
    found: dict[tuple[str, int], tuple[float, TrainingPatch]] = {}
    for distance, patch in candidates:
        if len(found) == count:
            break
        owner = rois.patient_ids if distinct == "patient" else rois.lesion_ids
        key = (owner[patch.row], patch.cell if distinct == "patch" else 0)
        found.setdefault(key, (distance, patch))
    return found
