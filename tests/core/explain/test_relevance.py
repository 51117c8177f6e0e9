from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from core.domain.geometry import Box
from core.explain.relevance import most_relevant, most_relevant_box, receptive_field
from core.model.backbones import make_backbone


def test_the_box_holds_exactly_the_top_five_percent_of_a_map_without_ties() -> None:
    activation = np.arange(400, dtype=np.float32).reshape(20, 20)  # the last row holds the 20 largest
    assert most_relevant(activation).sum() == 20
    assert most_relevant_box(activation) == Box(x0=0, y0=19, x1=20, y1=20)


def test_a_single_peak_gives_the_box_around_it() -> None:
    y, x = np.mgrid[:20, :20]
    activation = -((x - 5.0) ** 2) - (y - 12.0) ** 2
    assert most_relevant_box(activation) == Box(x0=3, y0=10, x1=8, y1=15)  # the 21 pixels within 5 of the peak


def test_of_a_constant_map_everything_is_equally_relevant() -> None:
    assert most_relevant_box(np.ones((7, 9))) == Box(x0=0, y0=0, x1=9, y1=7)


def test_any_increasing_transform_of_a_map_keeps_the_box() -> None:
    activation = np.random.default_rng(0).normal(size=(16, 16))
    assert most_relevant_box(activation) == most_relevant_box(np.exp(3 * activation) + 7)


@pytest.mark.parametrize(
    ("name", "size", "stride"), [("vgg16", 196, 16), ("vgg11", 134, 16), ("resnet18", 435, 32)]
)
def test_receptive_fields_of_known_networks(name: str, size: int, stride: int) -> None:
    """VGG-16 conv5_3: 196. ResNet-18: 435 (Araujo et al., Distill 2019). VGG-11 without its last pool: 134."""
    with torch.device("meta"):
        trunk = make_backbone(name, weights="random", input_size=224).module
    field = receptive_field(trunk)
    assert (field.size, field.stride) == (size, stride)


def test_the_box_of_a_cell_is_what_the_cells_gradient_reaches() -> None:
    trunk = nn.Sequential(
        nn.Conv2d(1, 1, 3, padding=1), nn.AvgPool2d(2), nn.Conv2d(1, 1, 3, padding=1), nn.AvgPool2d(2)
    ).double()
    for layer in trunk:
        if isinstance(layer, nn.Conv2d):
            nn.init.constant_(layer.weight, 1.0)
    field = receptive_field(trunk)
    for cell in [(0, 0), (3, 4), (7, 2)]:
        x = torch.ones(1, 1, 32, 32, dtype=torch.float64, requires_grad=True)
        trunk(x)[0, 0, cell[0], cell[1]].backward()
        assert x.grad is not None
        rows, columns = np.nonzero(x.grad[0, 0].numpy())
        reached = Box(x0=columns.min(), y0=rows.min(), x1=columns.max() + 1, y1=rows.max() + 1)
        assert field.box(cell, 32) == reached
