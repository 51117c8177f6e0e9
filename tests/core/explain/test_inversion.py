"""Patches rebuilt from latent vectors: much where a cell holds the picture, nothing where it holds none of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from core.data.roi_set import RoiSet
from core.explain.inversion import Inversion, _patches_of, measure
from core.training.inference import network_input
from tests.core.explain.world import make_rois, make_world


def coarse_rois() -> RoiSet:
    """60 patients with one lesion each; every cell of 4 x 4 pixels has a grey value of its own."""
    rois = make_rois(60)
    size = rois.pixels.shape[1]
    cells = np.random.default_rng(4).integers(0, 256, (60, size // 4 + 1, size // 4 + 1), dtype=np.uint8)
    pixels = np.kron(cells, np.ones((4, 4), np.uint8))[:, :size, :size]
    return replace(rois, pixels=pixels, patient_ids=tuple(f"p{row}" for row in range(60)))


def measured(*, blind: bool) -> Inversion:
    """With a network whose cells are the mean grey of their squares, or the same for every picture."""
    network, card, _ = make_world()
    rois = coarse_rois()

    def latent(x: torch.Tensor) -> torch.Tensor:
        grey = torch.nn.functional.adaptive_avg_pool2d(x[:, :1], network.grid) * (not blind)
        return torch.cat([grey, torch.zeros(len(x), network.prototypes.shape[1] - 1, *network.grid)], dim=1)

    network.latent = latent  # type: ignore[method-assign]
    rows = np.array([rois.lesion_ids.index(one.lesion_id) for one in card.prototypes])
    cells = latent(network_input(rois, rows, torch.device("cpu")))
    with torch.no_grad():
        for place, one in enumerate(card.prototypes):
            network.prototypes[place, :, 0, 0] = cells[place, :, one.cell[0], one.cell[1]]
    found = measure(network, card.prototypes, rois)
    assert found is not None
    return found


def test_what_a_cell_holds_of_a_patch_is_measured_beside_other_patients() -> None:
    seeing, blind = measured(blind=False), measured(blind=True)
    assert seeing.prototypes == blind.prototypes == 6 and seeing.learned_from > 40
    assert seeing.own > 0.2 > abs(seeing.others)
    assert abs(blind.own - blind.others) < 0.15 and blind.by_chance < 0.2
    assert "other patients" in seeing.sentence and f"{seeing.own:.2f} with the source" in seeing.sentence


def test_without_regions_of_other_patients_nothing_is_claimed() -> None:
    network, card, rois = make_world()
    assert measure(network, card.prototypes, replace(rois, patient_ids=("p",) * len(rois))) is None
    assert measure(network, (), rois) is None


def test_patches_cover_the_crop_in_the_order_of_the_cells() -> None:
    crop = np.zeros((64, 64), np.uint8)
    crop[32:40, 8:16] = 255
    patches = _patches_of(crop, (8, 8))
    middle = patches.reshape(64, 12, 12)[:, 5:7, 5:7].mean((1, 2))
    assert patches.shape == (64, 144) and int(middle.argmax()) == 4 * 8 + 1
