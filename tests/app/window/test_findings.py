"""Two lesions in two views become one finding, by the reader's hand, and two again."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QPushButton
from pytestqt.qtbot import QtBot

from app.views.annotate.finding_menu import FindingMenu
from app.views.main_window.window import MainWindow
from core.domain.errors import StudyError
from core.domain.study import Finding
from core.store.study import Study
from tests.app.window.conftest import wait_for_picture

CC, MLO = "lesion-patient0-CC", "lesion-patient0-MLO"


def menu_of(qtbot: QtBot, window: MainWindow) -> FindingMenu:
    """As the key opens it; a window manager gives the window its keys back when the last menu has closed."""
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    qtbot.keyClick(window.annotate.view, Qt.Key.Key_L, Qt.KeyboardModifier.ControlModifier)
    menu = QApplication.activePopupWidget()
    assert isinstance(menu, FindingMenu)
    return menu


def findings(window: MainWindow) -> tuple[str, str]:
    reads = window.session.reads
    return reads.lesion(CC).finding_id, reads.lesion(MLO).finding_id


def test_a_lesion_of_the_other_view_is_linked_by_keys_and_separated(qtbot: QtBot, opened: MainWindow) -> None:
    before = findings(opened)
    assert before[0] != before[1]
    menu = menu_of(qtbot, opened)
    # the data set's word stays hidden until the reader has labelled the lesion
    assert [choice.text() for choice in menu.choices] == ["L MLO · lesion 1 · not labelled · 20 mm"]
    qtbot.keyClick(menu, Qt.Key.Key_Down)
    qtbot.keyClick(menu, Qt.Key.Key_Return)
    assert findings(opened) == (before[0], before[0])
    assert "↔ L MLO" in opened.annotate.panel.lesions._list.item(0).text()
    # going to the other view keeps the finding
    opened.activateWindow()
    qtbot.waitUntil(opened.isActiveWindow)
    qtbot.keyClick(opened.annotate.view, Qt.Key.Key_V)
    wait_for_picture(qtbot, opened)
    assert opened.session.lesion_id == MLO
    qtbot.keyClick(opened.annotate.view, Qt.Key.Key_V)
    wait_for_picture(qtbot, opened)
    assert opened.session.lesion_id == CC
    [choice] = menu_of(qtbot, opened).choices
    assert choice.isChecked()
    choice.trigger()
    QApplication.activePopupWidget().close()
    own, other = findings(opened)
    assert own == before[0] and other != own
    assert "↔" not in opened.annotate.panel.lesions._list.item(0).text()


def test_a_link_is_taken_back_by_the_banner_and_is_in_the_trail(qtbot: QtBot, opened: MainWindow) -> None:
    before = findings(opened)
    menu = menu_of(qtbot, opened)
    menu.choices[0].trigger()
    menu.close()
    assert "same finding now" in opened.banner.text
    button = next(one for one in opened.banner.findChildren(QPushButton) if one.text() == "Undo")
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert findings(opened) == before
    assert opened.banner.text == ""
    audit = opened.session.study.audit
    changes = [(record.old, record.new) for record in audit.of("lesion.finding", f"lesion {MLO}")]
    assert changes == [(f'"{before[1]}"', f'"{before[0]}"'), (f'"{before[0]}"', f'"{before[1]}"')]
    assert audit.verify().good


def test_a_patient_whose_other_pictures_have_no_lesion_is_told_so(qtbot: QtBot, opened: MainWindow) -> None:
    opened.session.select("patient1-CC")
    wait_for_picture(qtbot, opened)
    menu = menu_of(qtbot, opened)
    assert menu.choices == []
    assert "No other picture" in menu.actions()[-1].text()
    menu.close()


def test_a_finding_is_of_one_patient_and_once_in_a_picture(study_folder: Path) -> None:
    with Study.open(study_folder) as study:
        lesions = study.lesions
        with pytest.raises(StudyError, match="two patients"):
            lesions.set_finding(CC, lesions.finding("finding-patient1-CC"))
        lesions.set_finding(MLO, lesions.finding("finding-patient0-CC"))
        assert [lesion.id for lesion in lesions.of_finding("finding-patient0-CC")] == [CC, MLO]
        assert "finding-patient0-MLO" not in {finding.id for finding in lesions.findings()}
        lesions.set_finding(MLO, Finding(id="finding-patient0-MLO", patient_id="patient0"))
        assert lesions.get(MLO).finding_id == "finding-patient0-MLO"
        assert lesions.get(CC).finding_id == "finding-patient0-CC"
