from __future__ import annotations

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from app.widgets.viewer.hanging import HangingView, Pane, hang
from app.widgets.viewer.picture import Picture
from core.domain.vocabulary import Laterality, ViewPosition
from tests.app.conftest import picture_of, ramp

L, R = Laterality.LEFT, Laterality.RIGHT
CC, MLO = ViewPosition.CC, ViewPosition.MLO


def shown(side: Laterality | None, view: ViewPosition | None, spacing_mm: float | None = 0.1) -> Picture:
    return picture_of(ramp(300, 200), spacing_mm, laterality=side, view=view)


@pytest.mark.parametrize(
    ("pictures", "places"),
    [
        ([(L, CC), (L, MLO), (R, CC), (R, MLO)], [(0, 1), (1, 1), (0, 0), (1, 0)]),
        ([(L, CC), (R, CC)], [(0, 1), (0, 0)]),
        ([(L, MLO), (L, CC)], [(0, 1), (0, 0)]),
        ([(L, CC), (L, CC)], [(0, 0), (0, 1)]),
        ([(L, CC), (None, None), (R, MLO)], [(0, 0), (0, 1), (1, 0)]),
        ([(R, ViewPosition.OTHER)], [(0, 0)]),
    ],
)
def test_right_hangs_beside_left_and_cc_above_mlo(
    pictures: list[tuple[Laterality, ViewPosition]], places: list[tuple[int, int]]
) -> None:
    assert list(hang([shown(*p) for p in pictures])) == places


def put_up(wall: HangingView, pictures: list[Picture], active: int = 0) -> None:
    wall.arrange(
        [Pane(box=p.box, spacing_mm=p.spacing_mm, laterality=p.laterality, view=p.view) for p in pictures],
        active,
    )
    for number, picture in enumerate(pictures):
        wall.put(number, picture)


def test_none_and_five_pictures_are_refused() -> None:
    for count in (0, 5):
        with pytest.raises(ValueError, match="one to four"):
            hang([shown(L, CC)] * count)


@pytest.fixture
def wall(qtbot: QtBot) -> HangingView:
    widget = HangingView()
    qtbot.addWidget(widget)
    widget.resize(802, 602)
    widget.show()
    put_up(widget, [shown(L, CC, 0.1), shown(R, CC, 0.05), shown(L, MLO), shown(R, MLO)])
    qtbot.waitUntil(lambda: widget.views[0].width() == 400 and widget.views[0].viewport.width == 400)
    qtbot.wait(10)
    return widget


def millimetres(wall: HangingView) -> list[float]:
    """In a device pixel of each view."""
    return [(v.picture.spacing_mm or 1) / v.viewport.zoom for v in wall.views if v.picture is not None]


def test_all_views_have_one_physical_scale_and_chest_walls_meet(wall: HangingView) -> None:
    assert millimetres(wall) == pytest.approx([millimetres(wall)[0]] * 4)
    left, right = wall.views[0], wall.views[1]
    assert left.x() > right.x()
    assert left.sight.to_widget((0, 0)).x() == pytest.approx(0, abs=1)
    assert right.sight.to_widget((200, 0)).x() == pytest.approx(right.width(), abs=1)


def test_zooming_one_view_zooms_the_others_by_the_same(wall: HangingView) -> None:
    before = millimetres(wall)[0]
    wall.views[2].zoom_by(2.0, QPointF(30, 40))
    assert millimetres(wall) == pytest.approx([before / 2] * 4)
    wall.linked = False
    wall.views[1].zoom_by(2.0, QPointF(30, 40))
    assert millimetres(wall)[0] == pytest.approx(before / 2)


def test_the_view_that_is_touched_becomes_the_active_one(qtbot: QtBot, wall: HangingView) -> None:
    assert wall.active is wall.views[0]
    with qtbot.waitSignal(wall.active_changed):
        QTest.mouseClick(wall.views[3], Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, QPoint(5, 5))
    assert wall.active is wall.views[3]


def test_fewer_pictures_hide_the_other_views(qtbot: QtBot, wall: HangingView) -> None:
    put_up(wall, [shown(L, MLO)])
    assert len(wall.views) == 1
    qtbot.waitUntil(lambda: wall.views[0].width() == 802)


def test_a_fitted_wall_stays_fitted_when_it_grows_and_a_zoomed_one_keeps_its_scale(
    qtbot: QtBot, wall: HangingView
) -> None:
    wall.resize(1002, 602)
    qtbot.waitUntil(lambda: wall.views[0].width() == 500)
    left, right = wall.views[0], wall.views[1]
    qtbot.waitUntil(lambda: abs(left.sight.to_widget((0, 0)).x()) < 1)
    assert right.sight.to_widget((200, 0)).x() == pytest.approx(right.width(), abs=1)
    left.zoom_by(3.0, QPointF(10, 10))
    before = millimetres(wall)
    wall.resize(802, 602)
    qtbot.waitUntil(lambda: wall.views[0].width() == 400)
    qtbot.wait(10)
    assert millimetres(wall) == pytest.approx(before)


def test_one_view_of_the_wall_is_framed_and_one_says_that_the_display_is_not_calibrated(wall: HangingView) -> None:
    assert [view.framed for view in wall.views] == [True, False, False, False]
    assert sum(view.has_notice for view in wall.views) == 1
