"""Help > Manual shows the handbook's page with its pictures."""

from __future__ import annotations

from PySide6.QtGui import QTextDocument
from pytestqt.qtbot import QtBot

from app.views.dialogs.manual import MANUAL, ManualDialog
from app.views.main_window.window import MainWindow


def test_the_manual_opens_from_the_menu_with_its_text_and_pictures(qtbot: QtBot, opened: MainWindow) -> None:
    opened.actions_["help.manual"].trigger()
    [dialog] = opened.findChildren(ManualDialog)
    qtbot.waitUntil(dialog.isVisible)
    text = dialog.text.toPlainText()
    assert "Not for clinical use" in text and "Prototypes" in text
    for name in ("annotate", "train", "review", "prototypes"):
        assert f"../screenshots/{name}.png" in MANUAL.read_text("utf-8")
        kind = QTextDocument.ResourceType.ImageResource
        url = dialog.text.source().resolved(dialog.text.source())
        url.setPath(f"../screenshots/{name}.png")
        picture = dialog.text.loadResource(kind.value, url)
        assert not picture.isNull() and picture.width() <= 820  # type: ignore[attr-defined]
    dialog.close()
