"""The scores can be read: an empty field beside a probability would say nothing."""

from __future__ import annotations

from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.qt.theme import Theme, apply_theme
from app.widgets.explain.verdict import VerdictPanel


def test_a_score_has_room_for_its_text(qtbot: QtBot, qapp: QApplication) -> None:
    apply_theme(qapp, Theme.DARK)
    panel = VerdictPanel()
    qtbot.addWidget(panel)
    panel._make_lines(("circumscribed", "indistinct"))
    panel.lines[0].score.setValue(-12.345)
    panel.show()
    edit = panel.lines[0].score.lineEdit()
    assert edit.width() >= edit.fontMetrics().horizontalAdvance("-12.345")
