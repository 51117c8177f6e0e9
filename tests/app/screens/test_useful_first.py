"""The worklist's order "Most useful first", with a trained model and without one."""

from __future__ import annotations

from pytestqt.qtbot import QtBot

from app.models.worklist import REASON_ROLE
from app.views.main_window.window import MainWindow
from core.domain.shapes import circle
from core.domain.study import Labels
from core.domain.vocabulary import MarginType
from core.store.worklist import WorklistOrder
from core.tasks.review.useful_order import UsefulReason


def test_the_order_follows_the_model_and_names_its_reasons(qtbot: QtBot, opened: MainWindow) -> None:
    opened.actions_["workspace.annotate"].trigger()
    worklist = opened.annotate.worklist
    count = worklist.model.rowCount()
    worklist.order.setCurrentIndex(worklist.order.findData(WorklistOrder.RANKING.value))
    qtbot.waitUntil(lambda: bool(worklist.model.reasons) and not worklist.model.busy, timeout=30_000)
    assert worklist.model.rowCount() == count
    texts = [worklist.model.index(row, 0).data(REASON_ROLE) for row in range(10)]
    assert all(texts)
    assert texts[4] == texts[9] == "random"
    # the data set's labels are hidden here, so that no reason may come from them
    assert UsefulReason.DISAGREES.value not in worklist.model.reasons.values()
    first = worklist.model.row_at(0)
    assert first is not None and next(iter(worklist.model.reasons)) == first.lesion_id
    worklist.order.setCurrentIndex(0)
    qtbot.waitUntil(lambda: not worklist.model.busy)
    assert worklist.model.index(0, 0).data(REASON_ROLE) == ""


def test_a_finished_annotation_shows_the_precision_of_the_prototypes(qtbot: QtBot, opened: MainWindow) -> None:
    session, line = opened.session, opened.annotate.panel.mask_frame.precision
    opened.actions_["workspace.annotate"].trigger()
    lesion = next(one for one in session.study.lesions.all() if session.reads.image(one.image_id))
    session.select(lesion.image_id, lesion.id)
    x, y = lesion.box.centre
    session.commit_shapes(lesion.id, (circle((x, y), lesion.box.width / 3),))
    qtbot.wait(600)
    assert line.sentence == "", "the margin is not named yet"
    session.set_labels(lesion.id, Labels(margin=MarginType.SPICULATED))
    qtbot.waitUntil(lambda: "Prototypes in it" in line.sentence, timeout=30_000)
    assert line.toolTip().count("%") >= 6
