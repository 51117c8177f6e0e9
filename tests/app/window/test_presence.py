"""Two windows on one study: each shows where the other reader is."""

from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot

from app.models.worklist import REASON_ROLE
from app.views.main_window.window import MainWindow
from tests.app.window.test_others import folder, windows

__all__ = ["folder", "windows"]

pytestmark = pytest.mark.postgresql


def test_the_worklist_and_the_status_line_show_who_is_on_a_case(
    windows: tuple[MainWindow, MainWindow], qtbot: QtBot
) -> None:
    anna, bert = windows
    images = [image.id for image in anna.session.study.images.all()]
    anna.session.select(images[0])
    bert.session.select(images[1])
    model = bert.annotate.worklist.model

    def shown() -> str:
        row = model.find(images[0], anna.session.reads.lesions(images[0])[0].id)
        return str(model.data(model.index(row, 0), REASON_ROLE))

    qtbot.waitUntil(lambda: shown() == "open: Dr Anna", timeout=60_000)
    assert bert.status.present.text() == ""
    bert.session.select(images[0])
    assert bert.status.present.text() == "Also here: Dr Anna"
    qtbot.waitUntil(lambda: anna.status.present.text() == "Also here: Dr Bert", timeout=60_000)
    anna.session.close_study()
    qtbot.waitUntil(lambda: bert.status.present.text() == "", timeout=60_000)
