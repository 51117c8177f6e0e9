from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from core.training.distinct_patches import NearestPatches, TrainingPatch, assign_patches
from core.training.inference import infer_one
from core.training.projection import project
from tests.core.training.tiny import tiny_network, tiny_rois


def _keys(records, rois, level: str) -> list[tuple[object, ...]]:
    owner = dict(zip(rois.lesion_ids, rois.patient_ids, strict=True))
    return [
        (r.class_name, owner[r.lesion_id] if level == "patient" else r.lesion_id)
        + ((r.cell,) if level == "patch" else ())
        for r in records
    ]


def _collapsed():
    """A network whose prototypes of a class are all the same point, and ROIs with two lesions a patient."""
    network, rois = tiny_network(per_class=3), tiny_rois()
    rois = replace(rois, patient_ids=tuple(f"patient{i // 6:03d}" for i in range(len(rois))))
    with torch.no_grad():
        network.prototypes.copy_(network.prototypes[::3].repeat_interleave(3, 0))
    return network, rois


@pytest.mark.parametrize("level", ["patch", "lesion", "patient"])
def test_no_two_prototypes_of_a_class_come_from_one_place(level: str) -> None:
    network, rois = _collapsed()
    assert len(set(_keys(project(network, rois), rois, "patch"))) == 3  # without the rule each class has one
    network, rois = _collapsed()
    records = project(network, rois, distinct=level)
    keys = _keys(records, rois, level)
    assert len(set(keys)) == len(keys) == 9
    for record in records:
        found = infer_one(network, rois, rois.lesion_ids.index(record.lesion_id))
        assert torch.equal(found.latent[0][:, *record.cell], network.prototypes[record.index].flatten())
    held = network.prototypes.detach().clone()
    assert _keys(project(network, rois, distinct=level), rois, "patch") == _keys(records, rois, "patch")
    assert torch.equal(network.prototypes, held)


def test_the_assignment_has_the_smallest_sum_of_distances() -> None:
    random = np.random.default_rng(4)
    rois = tiny_rois(6, labels=[0] * 6)
    distance = random.random((6, 3, 2)).astype(np.float32)
    cell = np.stack([random.permutation(5)[:2] for _ in range(18)]).reshape(6, 3, 2)
    chosen = assign_patches(NearestPatches(distance=distance, cell=cell), np.zeros(3, np.int64), rois, "lesion")
    nearest = distance.min(2)
    sums = [sum(nearest[row, j] for j, row in enumerate(rows)) for rows in itertools.permutations(range(6), 3)]
    assert sum(nearest[patch.row, j] for j, patch in enumerate(chosen)) == pytest.approx(min(sums))


def test_with_fewer_lesions_than_prototypes_the_patches_are_distinct() -> None:
    rois = tiny_rois(2, labels=[0, 0])
    distance = np.array([[[1, 2], [1, 3]], [[5, 6], [7, 8]], [[9, 9], [9, 9]]], np.float32).transpose(1, 0, 2)
    cell = np.broadcast_to(np.arange(2), distance.shape)
    chosen = assign_patches(NearestPatches(distance=distance, cell=cell), np.zeros(3, np.int64), rois, "patient")
    assert len({(p.row, p.cell) for p in chosen}) == 3


def test_ties_go_to_the_first_lesion_id_and_cell() -> None:
    rois = replace(tiny_rois(3, labels=[0, 0, 0]), lesion_ids=("c", "a", "b"))
    nearest = NearestPatches(
        distance=np.ones((3, 1, 1), np.float32), cell=np.array([4, 7, 2], np.int64).reshape(3, 1, 1)
    )
    assert assign_patches(nearest, np.zeros(1, np.int64), rois, "patch") == [TrainingPatch(1, 7)]
