from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtGui import QImage

from app.widgets.viewer import renderer as module
from app.widgets.viewer.renderer import RenderedFrame, Renderer
from app.widgets.viewer.viewport import Viewport
from core.domain.study import Window
from core.imaging.display import display_lut
from core.store.arrays import pyramid

RNG = np.random.default_rng(5)
PIXELS = RNG.integers(0, 4096, (900, 700)).astype(np.uint16)
TABLE = display_lut(np.dtype(np.uint16), Window(centre=2048, width=4096))
VIEW = Viewport(width=320, height=240, zoom=0.7, centre=(350.3, 450.9))


def grey(image: QImage) -> np.ndarray:  # type: ignore[type-arg]
    data = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return data[:, : image.width()].copy()


@pytest.mark.parametrize("zoom", [0.2, 0.7, 1.0, 6.0])
def test_panning_gives_the_picture_that_a_fresh_rendering_gives(zoom: float) -> None:
    levels = pyramid(PIXELS)
    moving = Renderer(levels)
    view = VIEW.at_zoom(zoom)
    moving.render(view, TABLE)
    for dx, dy in ((5, 0), (0, -7), (40, 33), (-300, 10), (0, 239), (2000, 0), (-2000, 5), (1, 1)):
        view = view.panned(dx, dy)
        moved = grey(moving.render(view, TABLE, outside=9)).astype(int)
        fresh = grey(Renderer(levels).render(view, TABLE, outside=9)).astype(int)
        # a pixel exactly between two may go either way after many moves
        assert (abs(moved - fresh) > 1).mean() < 0.002, (dx, dy)


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16])
def test_tables_are_looked_up_alike_with_and_without_the_fast_way(
    monkeypatch: pytest.MonkeyPatch, fast: bool, dtype: type
) -> None:
    monkeypatch.setattr(module, "_FAST_TABLES", fast and module._FAST_TABLES)
    pixels = (PIXELS.astype(int) - 2048 if dtype is np.int16 else PIXELS % 256).astype(dtype)
    table = display_lut(np.dtype(dtype), Window(centre=0 if dtype is np.int16 else 128, width=3000))
    view = Viewport(width=700, height=900, zoom=1.0, centre=(350.0, 450.0))
    shown = grey(Renderer([pixels]).render(view, table))
    index = pixels if dtype is np.uint8 else pixels.view(np.uint16)
    assert np.array_equal(shown, table[index])


def test_levels_are_area_averages_and_the_coarsest_sufficient_one_is_shown() -> None:
    renderer = Renderer(pyramid(np.zeros((4096, 4096), np.uint16)))
    assert [renderer.level_for(z) for z in (2.0, 1.0, 0.6, 0.5, 0.3, 0.25, 0.01)] == [0, 0, 0, 1, 1, 2, 4]


def test_beyond_the_edge_is_the_given_grey() -> None:
    view = VIEW.at_zoom(0.1)
    picture = grey(Renderer(pyramid(PIXELS)).render(view, TABLE, outside=77))
    assert picture[0, 0] == 77 and picture[-1, -1] == 77 and picture[120, 160] != 77


def test_a_frame_and_what_is_left_of_it_cover_it_once() -> None:
    whole, part = RenderedFrame(0, 0, 20, 10), RenderedFrame(3, 2, 15, 10)
    count = np.zeros((10, 20), int)
    for piece in (part, *whole.less(part)):
        count[piece.within(whole)] += 1
    assert (count == 1).all()
    assert RenderedFrame(0, 0, 5, 5).common(RenderedFrame(5, 0, 9, 9)) is None


@pytest.mark.parametrize("zoom", [0.13, 0.31, 0.7, 1.0, 2.6])
def test_a_rough_picture_is_the_exact_one_to_half_a_pixel_and_gives_way_to_it(zoom: float) -> None:
    rows, columns = np.mgrid[0:900, 0:700]
    smooth = (2048 + 1500 * np.sin(rows / 60) * np.cos(columns / 45)).astype(np.uint16)
    levels = pyramid(smooth)
    for centre in ((350.3, 450.9), (10.7, 20.2), (695.1, 890.4)):
        view = Viewport(width=320, height=240, zoom=zoom, centre=centre)
        exact = grey(Renderer(levels).render(view, TABLE, outside=9)).astype(int)
        renderer = Renderer(levels)
        rough = grey(renderer.render(view, TABLE, outside=9, rough=True)).astype(int)
        inside = (exact != 9) & (rough != 9)
        assert ((exact == 9) == (rough == 9)).mean() > 0.999
        # no pixel differs by more than the steepest step between two neighbours within the picture
        slope = 128 * 1500 / 2048 / 45 / zoom
        assert np.abs(exact - rough)[inside].max() <= slope + 2
        assert np.array_equal(grey(renderer.render(view, TABLE, outside=9)), exact)
