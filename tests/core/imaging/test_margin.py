"""The proposed margin of a mass: a closed path of least cost through a polar picture, pulled by anchors."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from core.domain.geometry import Box
from core.domain.shapes import Ellipse, Polygon, Rectangle
from core.imaging.margin.closed_path import closed_path
from core.imaging.margin.frame import ANGLES, RAYS, frame_of
from core.imaging.margin.proposal import propose_margin
from core.phantom.config import PhantomConfig
from core.phantom.patient import make_patient
from tests.benchmarks.bench_margin import ring_distance

SIZE = 160


def _disc(radius: np.ndarray | float, centre: tuple[float, float] = (80.0, 78.0)) -> np.ndarray:
    """A bright mass with a soft edge; ``radius`` px, one value or one for each of ``ANGLES``."""
    y, x = np.mgrid[:SIZE, :SIZE] + 0.5
    dx, dy = x - centre[0], y - centre[1]
    table = np.broadcast_to(radius, (RAYS,))
    at = np.interp(np.mod(np.arctan2(dy, dx), 2 * np.pi), np.append(ANGLES, 2 * np.pi), np.append(table, table[0]))
    return (1000 + 800 / (1 + np.exp((np.hypot(dx, dy) - at) / 1.2))).astype(np.uint16)


def _box(x: float, y: float, rx: float, ry: float) -> Rectangle:
    return Rectangle(box=Box(x0=x - rx, y0=y - ry, x1=x + rx, y1=y + ry))


def test_the_path_is_the_cheapest_closed_one() -> None:
    rng = np.random.default_rng(5)
    cost = rng.normal(size=(6, 4))

    def price(path: tuple[int, ...]) -> float:
        steps = [abs(a - b) for a, b in zip(path, (*path[1:], path[0]), strict=True)]
        return (
            math.inf
            if max(steps) > 3
            else sum(cost[i, k] for i, k in enumerate(path)) + 0.3 * sum(s * s for s in steps)
        )

    best = min(itertools.product(range(4), repeat=6), key=price)
    assert tuple(closed_path(cost, 0.3)) == best


def test_a_path_without_a_way_is_refused() -> None:
    cost = np.zeros((4, 9))
    cost[0, 1:] = cost[2, :8] = np.inf
    with pytest.raises(ValueError, match="no closed path"):
        closed_path(cost, 0.1)


@pytest.mark.parametrize("inverted", [False, True])
def test_the_edge_of_a_disc_is_found_within_half_a_pixel(inverted: bool) -> None:
    pixels = _disc(30.0)
    found = propose_margin(4095 - pixels if inverted else pixels, _box(82, 77, 33, 28), inverted=inverted)
    truth = np.stack([80 + 30 * np.cos(ANGLES), 78 + 30 * np.sin(ANGLES)], axis=1)
    assert ring_distance(found, truth) < 0.5


def test_it_does_not_depend_on_grey_levels_or_pixel_spacing() -> None:
    pixels = _disc(30 + 4 * np.cos(3 * ANGLES))
    found = propose_margin(pixels, _box(80, 78, 32, 32))
    scaled = propose_margin(pixels * 7.0 + 300, _box(80, 78, 32, 32))
    np.testing.assert_allclose(scaled, found, atol=0.05)
    double = np.kron(pixels, np.ones((2, 2)))
    assert ring_distance(propose_margin(double, _box(160, 156, 64, 64)) / 2, found) < 0.6


def test_it_passes_through_an_anchor_and_leaves_the_far_side() -> None:
    pixels = _disc(30.0)
    box = _box(80, 78, 31, 31)
    anchor = (80 + 38.0, 78.0)
    free, pulled = propose_margin(pixels, box), propose_margin(pixels, box, anchors=[anchor])
    assert np.hypot(*(pulled - anchor).T).min() < 0.05
    opposite = RAYS // 2
    np.testing.assert_allclose(pulled[opposite], free[opposite], atol=0.3)


def test_anchors_outside_the_search_range_and_beside_each_other_are_kept() -> None:
    anchors = [(80 + 52.0, 78.0), (80 + 50.0, 86.0), (80.0, 78 - 12.0)]
    found = propose_margin(_disc(30.0), _box(80, 78, 31, 31), anchors=anchors)
    assert np.isfinite(found).all()
    for anchor in anchors:
        assert np.hypot(*(found - anchor).T).min() < 1.0


def test_a_lesion_at_the_edge_of_the_image_is_proposed_too() -> None:
    found = propose_margin(_disc(30.0, centre=(6.0, 150.0)), _box(6, 150, 30, 30))
    assert found.shape == (RAYS, 2) and np.isfinite(found).all()


def test_a_turned_ellipse_and_a_polygon_have_the_radii_of_their_edge() -> None:
    ellipse = Ellipse(centre=(50, 40), radius_x=20, radius_y=10, angle_deg=90)
    np.testing.assert_allclose(frame_of(ellipse).radius[[0, RAYS // 4]], [10, 20], rtol=1e-3)
    square = frame_of(Polygon(points=((0, 0), (20, 0), (20, 20), (0, 20))))
    assert square.centre == pytest.approx((10, 10))
    np.testing.assert_allclose(square.radius[[0, RAYS // 8]], [10, 10 * math.sqrt(2)], rtol=1e-6)


def test_an_outline_without_area_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one pixel"):
        propose_margin(_disc(30.0), _box(80, 78, 0.2, 20))


def test_a_phantom_mass_is_closer_than_the_ellipse_in_its_box() -> None:
    view = make_patient(PhantomConfig(patients=3, seed=77), 0).views[0]
    truth = np.asarray(view.true_margin.points)
    (x0, y0), (x1, y1) = truth.min(axis=0), truth.max(axis=0)
    box = Rectangle(box=Box(x0=x0, y0=y0, x1=x1, y1=y1))
    ellipse = frame_of(box).points(np.ones(RAYS))
    assert ring_distance(propose_margin(view.pixels, box), truth) < ring_distance(ellipse, truth)


def test_the_ellipse_of_an_ellipse_is_the_same_from_another_middle() -> None:
    ellipse = Ellipse(centre=(50, 40), radius_x=20, radius_y=10, angle_deg=30)
    frame = frame_of(ellipse)
    x, y = frame.points(np.ones(RAYS)).T
    shifted = frame_of(Polygon(points=tuple((float(a) + 100, float(b)) for a, b in zip(x, y, strict=True))))
    again = shifted.ellipse(np.ones(RAYS))
    assert again.centre == pytest.approx((150, 40), abs=0.05)
    np.testing.assert_allclose(again.radius, frame.radius, rtol=0.01)
