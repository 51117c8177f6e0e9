"""Several pictures beside each other in the workspace: what hangs, what is drawn where, what is linked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QImage
from pytestqt.qtbot import QtBot

from app.views.annotate.arrangement import Hanging
from app.views.main_window.window import MainWindow
from app.widgets.viewer.mammogram_view import MammogramView
from core.domain.vocabulary import Laterality, ViewPosition
from tests.app.window.conftest import make_examinations

NOW = "2021-06-01"
Left, Right = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton


def name(side: str, view: str, acquired: str = NOW) -> str:
    return f"patient0-{side}-{view}-{acquired}"


@pytest.fixture
def hung(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> Iterator[MainWindow]:
    """The left CC of the newer examination on screen."""
    window.open_study(make_examinations(tmp_path / "twice"))
    qtbot.waitUntil(lambda: window.session.image_id is not None, timeout=10_000)
    window.session.select(name("L", "CC"))
    wait(qtbot, window)
    yield window


def wait(qtbot: QtBot, window: MainWindow) -> None:
    """Until every view has its picture."""
    wall = window.annotate.wall
    qtbot.waitUntil(
        lambda: (
            len(wall.images) > 0
            and all(view.picture is not None for view in wall.hanging_view.views)
            and window.annotate.shown is not None
        ),
        timeout=10_000,
    )
    qtbot.waitUntil(lambda: all(view.viewport.width == view.width() for view in wall.hanging_view.views))


def hang(qtbot: QtBot, window: MainWindow, hanging: Hanging) -> dict[str, MammogramView]:
    """View by the id of its image."""
    window.actions_[f"hanging.{hanging.value}"].trigger()
    wait(qtbot, window)
    wall = window.annotate.wall
    return {image.id: view for image, view in zip(wall.images, wall.hanging_view.views, strict=True)}


def circle(qtbot: QtBot, window: MainWindow, view: MammogramView, x: float = 150, y: float = 240) -> None:
    window.actions_["tool.ellipse"].trigger()
    for act, place in (
        (qtbot.mousePress, (x, y)),
        (qtbot.mouseMove, (x + 8, y)),
        (qtbot.mouseMove, (x + 16, y)),
        (qtbot.mouseRelease, (x + 16, y)),
    ):
        where = view.sight.to_widget(place).toPoint()
        act(view, where) if act is qtbot.mouseMove else act(view, Left, pos=where)


def pixels(view: MammogramView) -> np.ndarray:
    image = view.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
    return np.array(image.constBits()).reshape(image.height(), image.bytesPerLine()).copy()


@pytest.mark.parametrize(
    ("hanging", "ids"),
    [
        (Hanging.SINGLE, {name("L", "CC")}),
        (Hanging.VIEWS, {name("L", "CC"), name("L", "MLO")}),
        (Hanging.SIDES, {name("L", "CC"), name("R", "CC")}),
        (Hanging.FOUR, {name(side, view) for side in "LR" for view in ("CC", "MLO")}),
        (Hanging.PRIOR, {name("L", "CC", "2019-05-01"), name("L", "CC")}),
    ],
)
def test_a_hanging_shows_what_belongs_together(
    qtbot: QtBot, hung: MainWindow, hanging: Hanging, ids: set[str]
) -> None:
    views = hang(qtbot, hung, hanging)
    assert views.keys() == ids
    assert hung.annotate.view is views[name("L", "CC")]
    scales = [view.viewport.zoom for view in views.values()]
    assert scales == pytest.approx([scales[0]] * len(scales)), "all have one pixel spacing"


def test_right_hangs_beside_left_cc_above_mlo_with_the_chest_walls_to_the_centre(
    qtbot: QtBot, hung: MainWindow
) -> None:
    views = hang(qtbot, hung, Hanging.FOUR)
    rcc, lcc, rmlo, lmlo = (views[name(s, v)] for s, v in (("R", "CC"), ("L", "CC"), ("R", "MLO"), ("L", "MLO")))
    assert rcc.x() == rmlo.x() < lcc.x() == lmlo.x()
    assert rcc.y() == lcc.y() < rmlo.y() == lmlo.y()
    assert lcc.sight.to_widget((0, 0)).x() == pytest.approx(0, abs=1)
    assert rcc.sight.to_widget((400, 0)).x() == pytest.approx(rcc.width(), abs=1)
    for view, (side, position) in ((rcc, (Laterality.RIGHT, ViewPosition.CC)), (lmlo, (Laterality.LEFT, "MLO"))):
        assert view.picture is not None
        assert (view.picture.laterality, view.picture.view) == (side, position)


def test_the_first_press_chooses_the_picture_and_the_next_one_draws_in_it(qtbot: QtBot, hung: MainWindow) -> None:
    views = hang(qtbot, hung, Hanging.VIEWS)
    circle(qtbot, hung, views[name("L", "CC")])
    mlo = views[name("L", "MLO")]
    circle(qtbot, hung, mlo)
    session = hung.session
    assert session.image_id == name("L", "MLO")
    assert session.lesion_id == f"lesion-{name('L', 'MLO')}", "the same finding is chosen there"
    assert hung.annotate.view is mlo
    assert hung.annotate.document.shapes == ()
    circle(qtbot, hung, mlo)
    assert len(hung.annotate.document.shapes) == 1
    for view in ("CC", "MLO"):
        assert len(session.reads.shapes(f"lesion-{name('L', view)}")) == 1
    assert hung.annotate.worklist.list.currentIndex().row() == hung.annotate.worklist.model.find(
        name("L", "MLO"), session.lesion_id
    )


def test_undo_goes_back_in_the_picture_that_is_worked_in(qtbot: QtBot, hung: MainWindow) -> None:
    views = hang(qtbot, hung, Hanging.VIEWS)
    cc, mlo = views[name("L", "CC")], views[name("L", "MLO")]
    circle(qtbot, hung, cc)
    qtbot.mouseClick(mlo, Left, pos=QPoint(5, 5))
    circle(qtbot, hung, mlo)
    hung.actions_["edit.undo"].trigger()
    assert hung.annotate.document.shapes == ()
    qtbot.mouseClick(cc, Left, pos=QPoint(5, 5))
    assert len(hung.annotate.document.shapes) == 1


def test_what_was_drawn_in_one_picture_stays_visible_when_another_is_worked_in(
    qtbot: QtBot, hung: MainWindow
) -> None:
    views = hang(qtbot, hung, Hanging.VIEWS)
    cc, mlo = views[name("L", "CC")], views[name("L", "MLO")]
    qtbot.mouseClick(mlo, Left, pos=QPoint(5, 5))
    without = pixels(cc)
    qtbot.mouseClick(cc, Left, pos=QPoint(5, 5))
    circle(qtbot, hung, cc)
    qtbot.mouseClick(mlo, Left, pos=QPoint(5, 5))
    assert (pixels(cc) != without).sum() > 100


def test_pointing_at_a_lesion_marks_its_partner(qtbot: QtBot, hung: MainWindow) -> None:
    views = hang(qtbot, hung, Hanging.FOUR)
    layers = hung.annotate.wall._layers
    cc, mlo, right = views[name("L", "CC")], views[name("L", "MLO")], views[name("R", "CC")]
    assert [lesion.image_id for lesion in layers[mlo].marked] == [name("L", "MLO")], "of the chosen lesion"
    assert layers[right].marked == ()
    before = pixels(cc)
    qtbot.mouseMove(mlo, mlo.sight.to_widget((140, 240)).toPoint())
    qtbot.mouseMove(mlo, mlo.sight.to_widget((150, 240)).toPoint())
    qtbot.waitUntil(lambda: [lesion.image_id for lesion in layers[cc].marked] == [name("L", "CC")])
    assert (pixels(cc) != before).any()
    qtbot.mouseMove(mlo, mlo.sight.to_widget((390, 10)).toPoint())
    qtbot.waitUntil(lambda: layers[cc].marked == ())


def test_zoom_is_one_until_it_is_unlinked_and_windows_only_when_linked(qtbot: QtBot, hung: MainWindow) -> None:
    views = hang(qtbot, hung, Hanging.SIDES)
    left, right = views[name("L", "CC")], views[name("R", "CC")]
    left.zoom_by(2.0, QPointF(50, 50))
    assert right.viewport.zoom == pytest.approx(left.viewport.zoom)
    hung.actions_["hanging.link_zoom"].trigger()
    left.zoom_by(2.0, QPointF(50, 50))
    assert right.viewport.zoom == pytest.approx(left.viewport.zoom / 2)
    before = right.display
    left.drag_window(30, 40)
    assert right.display == before
    hung.actions_["hanging.link_windows"].trigger()
    left.drag_window(30, 40)
    assert right.display == left.display != before
    hung.actions_["view.next_window"].trigger()
    assert right.picture is not None and right.display is not None
    assert right.display.voi is right.picture.choices[0]


def test_the_right_button_windows_the_picture_that_it_is_pressed_in(qtbot: QtBot, hung: MainWindow) -> None:
    views = hang(qtbot, hung, Hanging.SIDES)
    right, before = views[name("R", "CC")], views[name("R", "CC")].display
    qtbot.mousePress(right, Right, pos=QPoint(60, 60))
    qtbot.mouseMove(right, QPoint(80, 80))
    qtbot.mouseMove(right, QPoint(120, 120))
    qtbot.mouseRelease(right, Right, pos=QPoint(120, 120))
    assert right.display != before
    assert hung.session.image_id == name("R", "CC")
    assert hung.session.lesion_id is None
    assert not hung.actions_["tool.freehand"].isEnabled()


def test_peeking_hides_what_lies_over_every_picture(qtbot: QtBot, hung: MainWindow) -> None:
    views = hang(qtbot, hung, Hanging.VIEWS)
    qtbot.keyPress(hung.annotate.view, Qt.Key.Key_G)
    assert all(view.peeking for view in views.values())
    qtbot.keyRelease(hung.annotate.view, Qt.Key.Key_G)
    assert not any(view.peeking for view in views.values())


def test_other_view_goes_to_the_picture_that_hangs_beside(qtbot: QtBot, hung: MainWindow) -> None:
    views = hang(qtbot, hung, Hanging.VIEWS)
    hung.actions_["case.other_view"].trigger()
    assert hung.annotate.view is views[name("L", "MLO")]
    assert views.keys() == {image.id for image in hung.annotate.wall.images}, "nothing was hung anew"


def test_the_prior_examination_stands_at_the_left_with_its_date(qtbot: QtBot, hung: MainWindow) -> None:
    views = hang(qtbot, hung, Hanging.PRIOR)
    prior, current = views[name("L", "CC", "2019-05-01")], views[name("L", "CC")]
    assert prior.x() < current.x()
    assert "2019-05-01" in prior.caption and "2021-06-01" in current.caption


def test_where_there_is_no_prior_the_picture_hangs_alone_and_a_sentence_says_why(
    qtbot: QtBot, hung: MainWindow
) -> None:
    hung.session.select(name("L", "CC", "2019-05-01"))
    wait(qtbot, hung)
    assert len(hang(qtbot, hung, Hanging.PRIOR)) == 1
    assert "no earlier examination" in hung.status.message


def test_a_lost_picture_says_so_in_its_own_place(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    folder = make_examinations(tmp_path / "twice")
    # before the study is opened: pictures of the same patient are read ahead
    (folder / "pixels" / f"{name('L', 'MLO')}.h5").unlink()
    window.open_study(folder)
    qtbot.waitUntil(lambda: window.session.image_id is not None, timeout=10_000)
    window.session.select(name("L", "CC"))
    wait(qtbot, window)
    window.actions_["hanging.views"].trigger()
    wall = window.annotate.wall.hanging_view
    qtbot.waitUntil(lambda: "cannot be shown" in wall.views[1].message, timeout=10_000)
    assert window.annotate.shown is not None
    circle(qtbot, window, window.annotate.view)
    assert len(window.annotate.document.shapes) == 1


def test_tab_goes_from_picture_to_picture(qtbot: QtBot, hung: MainWindow) -> None:
    hang(qtbot, hung, Hanging.VIEWS)
    first = hung.annotate.view
    first.setFocus()
    qtbot.keyClick(first, Qt.Key.Key_Tab)
    assert hung.annotate.view is not first
    assert hung.session.image_id == name("L", "MLO")


def test_the_hanging_is_remembered(qtbot: QtBot, hung: MainWindow) -> None:
    hang(qtbot, hung, Hanging.SIDES)
    again = MainWindow(hung.session)
    qtbot.addWidget(again)
    assert again.annotate.wall.hanging is Hanging.SIDES
    assert again.actions_["hanging.sides"].isChecked()
