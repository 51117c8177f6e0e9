from __future__ import annotations

import numpy as np
import pytest

from core.domain.study import Window
from core.imaging.display import display_lut
from core.imaging.live_wire import REACH, LiveWire
from core.store.arrays import pyramid

TABLE = display_lut(np.dtype(np.uint16), Window(centre=2000, width=4000))


def disc(noise: float = 0.0) -> np.ndarray:  # type: ignore[type-arg]
    y, x = np.mgrid[:400, :600] + 0.5
    values = np.where((x - 300) ** 2 + (y - 200) ** 2 < 100**2, 2600.0, 1200.0)
    values += np.random.default_rng(3).normal(0, noise, values.shape)
    return np.clip(values, 0, 65535).astype(np.uint16)


@pytest.mark.parametrize("noise", [0.0, 200.0])
@pytest.mark.parametrize("zoom", [1.0, 0.5])
def test_the_way_between_two_places_on_an_edge_follows_the_edge(noise: float, zoom: float) -> None:
    wire = LiveWire(pyramid(disc(noise)), TABLE, (200.0, 200.0), zoom=zoom)
    way = np.array(wire.path_to((300.0, 100.0)))
    away = np.hypot(way[:, 0] - 300, way[:, 1] - 200)
    assert np.abs(away - 100).max() < 6
    # a quarter of the circle, not the long way round
    assert (way[:, 0] < 306).all() and (way[:, 1] < 206).all()


def test_the_way_begins_and_ends_exactly_where_asked() -> None:
    wire = LiveWire([disc()], TABLE, (200.25, 200.75), zoom=3.0)
    way = wire.path_to((260.5, 130.5))
    assert way[0] == (200.25, 200.75) and way[-1] == (260.5, 130.5)
    assert wire.path_to((200.25, 200.75)) == ((200.25, 200.75), (200.25, 200.75))


def test_a_picture_without_edges_gives_a_straight_way() -> None:
    wire = LiveWire([np.full((300, 300), 7, np.uint16)], TABLE, (50.0, 50.0), zoom=1.0)
    assert len(wire.path_to((150.0, 150.0))) <= 4


@pytest.mark.parametrize("seed", [(0.0, 0.0), (600.0, 400.0), (-5.0, 900.0)])
def test_seeds_and_ends_beyond_the_edge_are_taken_in(seed: tuple[float, float]) -> None:
    wire = LiveWire([disc()], TABLE, seed, zoom=1.0)
    for end in ((-100.0, -100.0), (10_000.0, 10_000.0), (REACH + 300.0, 0.0)):
        assert wire.path_to(end)[-1] == end
