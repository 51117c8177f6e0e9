from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from core.domain.errors import Cancelled, TrainingError
from core.domain.geometry import Affine
from core.training.inference import Latents, infer, infer_one, stream
from core.training.projection import project
from tests.core.training.tiny import tiny_network, tiny_rois


def _latents(network, rois) -> np.ndarray:
    return np.concatenate([found.latent.numpy() for _, found in stream(network, rois)])


def test_every_prototype_becomes_the_nearest_patch_of_its_own_class() -> None:
    network, rois = tiny_network(), tiny_rois()
    before = network.prototypes.detach().clone()
    latents = _latents(network, rois).astype(np.float64)
    records = project(network, rois)
    for j, record in enumerate(records):
        own = np.flatnonzero(rois.label == network.prototype_class[j].item())
        cells = latents[own].transpose(0, 2, 3, 1)
        distance = ((cells - before[j].flatten().double().numpy()) ** 2).sum(-1)
        at = np.unravel_index(distance.argmin(), distance.shape)
        assert record.lesion_id == rois.lesion_ids[own[at[0]]]
        assert record.cell == (at[1], at[2])
        assert record.distance_moved == pytest.approx(distance.min(), rel=1e-5)
        assert record.class_name == rois.class_names[network.prototype_class[j].item()]


def test_a_projected_prototype_is_bit_equal_to_its_patch_and_its_self_similarity_is_log_one_over_eps() -> None:
    network, rois = tiny_network(), tiny_rois()
    for record in project(network, rois):
        row = rois.lesion_ids.index(record.lesion_id)
        found = infer_one(network, rois, row)
        r, c = record.cell
        assert torch.equal(found.latent[0, :, r, c], network.prototypes[record.index, :, 0, 0])
        assert found.distances[0, record.index, r, c].item() == 0.0
        assert found.similarities[0, record.index, r, c].item() == pytest.approx(math.log(1e4), abs=1e-6)
        assert record.roi_sha256 == rois.roi_sha256(row)
        streamed = infer(network, rois, keep_maps=True).maps
        assert streamed is not None
        assert streamed[row, record.index, r, c] == pytest.approx(math.log(1e4), abs=1e-6)


def test_projection_is_idempotent_and_deterministic() -> None:
    network, other, rois = tiny_network(), tiny_network(), tiny_rois()
    first = project(network, rois)
    assert project(other, rois) == first and torch.equal(network.prototypes, other.prototypes)
    held = network.prototypes.detach().clone()
    again = project(network, rois)
    assert torch.equal(network.prototypes, held)
    assert [(r.lesion_id, r.cell) for r in again] == [(r.lesion_id, r.cell) for r in first]
    assert all(r.distance_moved == 0.0 for r in again)


def test_projection_changes_the_prototypes_and_nothing_else() -> None:
    network, rois = tiny_network(), tiny_rois()
    network.train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    generator = torch.get_rng_state()
    project(network, rois)
    differing = [name for name, tensor in network.state_dict().items() if not torch.equal(tensor, before[name])]
    assert differing == ["prototypes"]
    assert network.training and network.features[1].training
    assert torch.equal(torch.get_rng_state(), generator)


def test_ties_resolve_by_lesion_id_and_then_by_cell() -> None:
    rois = tiny_rois(6, labels=[0, 1, 2, 0, 0, 0])
    twin = rois.pixels.copy()
    twin[[3, 4, 5]] = twin[0]
    names = ("d", "b", "c", "a", "e", "f")
    rois = replace(rois, pixels=twin, lesion_ids=names)
    records = project(tiny_network(), rois)
    assert {r.lesion_id for r in records if r.class_name == "circumscribed"} == {"a"}
    flat = replace(rois, pixels=np.full_like(twin, 77))
    network = tiny_network()
    latent = infer_one(network, flat, 0).latent[0].flatten(1)
    for record in project(network, flat):
        cell = record.cell[0] * network.grid[1] + record.cell[1]
        patch = network.prototypes[record.index].flatten()
        same = [i for i in range(latent.shape[1]) if torch.equal(latent[:, i], patch)]
        assert cell == same[0]


def test_the_batch_size_of_the_pass_does_not_change_the_result() -> None:
    rois = tiny_rois()
    one, many = tiny_network(), tiny_network()
    assert project(one, rois, batch=5) == project(many, rois, batch=64)
    assert torch.equal(one.prototypes, many.prototypes)


def test_the_patch_box_of_the_mammogram_follows_the_rois_map() -> None:
    rois = tiny_rois()
    rois = replace(rois, image_to_input=(Affine(a=0.5, b=0, c=-10, d=0, e=0.5, f=-20),) * len(rois))
    record = project(tiny_network(), rois)[0]
    r, c = record.cell
    assert (record.patch_box_roi.x0, record.patch_box_roi.y1) == (8 * c, 8 * (r + 1))
    assert (record.patch_box_image.x0, record.patch_box_image.y0) == (2 * (8 * c + 10), 2 * (8 * r + 20))


def test_a_class_without_lesions_is_refused_and_nothing_moves() -> None:
    network = tiny_network()
    before = network.prototypes.detach().clone()
    with pytest.raises(TrainingError, match="spiculated"):
        project(network, tiny_rois(4, labels=[0, 1, 0, -1]))
    assert torch.equal(network.prototypes, before)


def test_a_cancelled_projection_moves_nothing() -> None:
    network = tiny_network()
    before = network.prototypes.detach().clone()
    with pytest.raises(Cancelled):
        project(network, tiny_rois(), batch=4, cancelled=iter([False, False, True]).__next__)
    assert torch.equal(network.prototypes, before)


def test_cells_kept_from_the_projection_give_the_same_table_to_the_bit() -> None:
    network, rois, kept = tiny_network(), tiny_rois(40), Latents()
    project(network, rois, kept=kept)
    assert kept.of(40) is not None
    with_kept = infer(network, rois, kept=kept).scores
    assert np.array_equal(with_kept, infer(network, rois).scores)
    network.addon[0].weight.data.add_(0.1)
    assert np.array_equal(with_kept, infer(network, rois, kept=kept).scores), "they are of the layers as they were"
    kept.forget()
    assert not np.array_equal(with_kept, infer(network, rois, kept=kept).scores)


def test_more_cells_than_there_is_room_for_are_computed_again() -> None:
    network, rois, kept = tiny_network(), tiny_rois(40), Latents(most_bytes=1000)
    expected = infer(network, rois).scores
    for _ in range(2):
        assert np.array_equal(infer(network, rois, kept=kept).scores, expected)
        assert kept.of(40) is None
