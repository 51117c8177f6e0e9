"""What a reader called medically irrelevant does not come back in the next training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from core.domain.errors import TrainingError
from core.domain.events import Message
from core.domain.geometry import Affine, Box
from core.training.forgotten_patches import ForgottenPatch, forgotten_cells
from core.training.projection import project
from core.training.prototype_start import start_from_kmeans
from core.training.run_inputs import RunStart
from core.training.trainer import train
from tests.core.training.tiny import CONFIG, changed, tiny_network, tiny_parts, tiny_rois


def patch(lesion: str, box: Box) -> ForgottenPatch:
    return ForgottenPatch(run="first", number=1, lesion_id=lesion, box=box)


def test_the_cell_of_a_patch_is_forgotten_in_its_lesion_alone() -> None:
    rois = tiny_rois()  # 32 pixels
    cells = forgotten_cells([patch("lesion002", Box(x0=16, y0=8, x1=24, y1=16))], rois, (4, 4))
    assert [tuple(at) for at in np.argwhere(cells)] == [(2, 1, 2)]
    assert not forgotten_cells([patch("of another study", Box(x0=0, y0=0, x1=8, y1=8))], rois, (4, 4)).any()


def test_under_another_grid_and_transform_the_cells_at_the_same_place_are_forgotten() -> None:
    rois = tiny_rois()
    box = Box(x0=16, y0=8, x1=24, y1=16)
    finer = forgotten_cells([patch("lesion002", box)], rois, (8, 8))[2]
    assert [tuple(at) for at in np.argwhere(finer)] == [(2, 4), (2, 5), (3, 4), (3, 5)]
    coarser = forgotten_cells([patch("lesion002", box)], rois, (2, 2))[2]
    assert [tuple(at) for at in np.argwhere(coarser)] == [(0, 1)]
    moved = replace(rois, image_to_input=(Affine(a=0.5, b=0.0, c=0.0, d=0.0, e=0.5, f=0.0),) * len(rois))
    there = forgotten_cells([patch("lesion002", Box(x0=32, y0=16, x1=48, y1=32))], moved, (4, 4))[2]
    assert [tuple(at) for at in np.argwhere(there)] == [(1, 2)]


def test_a_prototype_is_projected_past_a_forbidden_patch_onto_the_next_nearest() -> None:
    rois = tiny_rois()
    first = project(tiny_network(), rois)
    forbidden = np.zeros((len(rois), *tiny_network().grid), np.bool_)
    for one in first:
        forbidden[rois.lesion_ids.index(one.lesion_id)][one.cell] = True
    second = project(tiny_network(), rois, forbidden=forbidden)
    places = {(one.lesion_id, one.cell) for one in first}
    assert all((one.lesion_id, one.cell) not in places for one in second)
    assert all(b.distance_moved >= a.distance_moved for a, b in zip(first, second, strict=True))
    with pytest.raises(TrainingError, match="every patch of a class is marked"):
        project(tiny_network(), rois, forbidden=np.ones_like(forbidden))


def test_no_prototype_starts_from_a_forbidden_patch() -> None:
    rois, network = tiny_rois(), tiny_network()
    with pytest.raises(TrainingError, match="No lesion"):
        start_from_kmeans(network, rois, seed=1, forbidden=np.ones((len(rois), *network.grid), np.bool_))


def test_the_next_training_forgets_and_its_record_says_so(tmp_path: Path) -> None:
    rois, parts, events = tiny_rois(), tiny_parts(), []
    config = changed(CONFIG, epochs=msgspec.structs.replace(CONFIG.epochs, joint=1))
    first = train(rois, parts, config, tmp_path / "first").card.prototypes[0]
    marked = [
        ForgottenPatch(run="first", number=1, lesion_id=first.lesion_id, box=first.patch_box_image),
        ForgottenPatch(run="first", number=2, lesion_id="not in this study", box=first.patch_box_image),
    ]
    again = train(rois, parts, config, tmp_path / "again", start=RunStart(forgotten=marked), emit=events.append)
    assert all((p.lesion_id, p.cell) != (first.lesion_id, first.cell) for p in again.card.prototypes)
    said = f"prototype 1 of run first (lesion {first.lesion_id[:8]})"
    assert again.record.forgotten == (said,)
    assert again.card.notes["forgotten"] == said
    assert any(isinstance(e, Message) and said in e.text for e in events)
