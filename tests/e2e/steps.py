"""The whole way through the window with real events, one method a step: the test and the pictures both go it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QCheckBox, QComboBox, QDialogButtonBox, QFileDialog, QLineEdit, QPushButton, QWidget
from shiboken6 import isValid

from app.qt.translation import tr
from app.views.dialogs.new_study import NewStudyDialog
from app.views.main_window.window import MainWindow

Until = Callable[[Callable[[], bool]], None]
"""Waits, with events, until something is true; raises where it never is."""


def click(widget: QWidget, at: QPoint | None = None) -> None:
    assert widget.isVisible() and widget.isEnabled(), widget.objectName() or type(widget).__name__
    QTest.mouseClick(widget, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, at or QPoint())


def button_of(parent: QWidget, text: str) -> QPushButton:
    [found] = [b for b in parent.findChildren(QPushButton) if b.text() == text and b.isVisible()]
    return found


def retype(field: QLineEdit, text: str) -> None:
    field.setFocus()
    field.selectAll()
    QTest.keyClicks(field, text)


class Way:
    """``folder``: where the demo study is made. ``changes``: what is typed in the advanced form, NAME=VALUE."""

    def __init__(self, window: MainWindow, until: Until, folder: Path) -> None:
        self.window, self.until, self.folder = window, until, folder

    def make_demo(self, patients: int) -> None:
        window = self.window
        assert window.pages.currentWidget() is window.welcome
        click(button_of(window.welcome, window.actions_["study.demo"].text()))
        [dialog] = [found for found in window.findChildren(NewStudyDialog) if found.isVisible()]
        retype(dialog._place, str(self.folder))
        dialog._patients.setFocus()
        dialog._patients.selectAll()
        QTest.keyClicks(dialog._patients, str(patients))
        ok = dialog.findChild(QDialogButtonBox).button(QDialogButtonBox.StandardButton.Ok)
        click(ok)
        importing = window.studies.imports.dialog
        assert importing is not None and importing.isVisible()
        self.until(lambda: importing.result_value is not None)
        click(importing.button)
        assert not importing.isVisible()

    def go_to(self, workspace: str) -> None:
        click(self.window.rail.buttons[workspace])

    def plan(self, name: str, changes: Sequence[str]) -> None:
        plan = self.window.train.plan
        self.until(lambda: plan.data.table.rowCount() > 0 and plan.start.isEnabled())
        assert plan.preset.currentText() == "compact"
        retype(plan.name, name)
        plan.tabs.setCurrentWidget(plan.form)
        for change in changes:
            field_name, _, value = change.partition("=")
            field = plan.form.fields[field_name]
            assert not isinstance(field, QCheckBox | QComboBox)
            retype(field, value)
            QTest.keyClick(field, Qt.Key.Key_Return)
        assert plan.config is not None
        assert all(change in plan.form.changes() for change in changes)
        plan.tabs.setCurrentIndex(0)

    def train(self) -> None:
        window = self.window
        click(window.train.plan.start)
        training = window.training
        self.until(lambda: training.job is not None and bool(training.job.metrics))

    def wait_for_the_end(self) -> None:
        training = self.window.training
        self.until(lambda: training.job is not None and training.job.ended)
        assert training.job is not None
        assert not training.job.problem, training.job.problem

    def review(self) -> str:
        """Give a reading first, then see the explanation; the lesion."""
        window, review = self.window, self.window.review
        self.go_to("review")
        self.until(lambda: window.desk.model is not None or bool(window.desk.problem))
        assert not window.desk.problem
        self.until(lambda: bool(review.cases.lesion_id) and review.lesion_shown == review.cases.lesion_id)
        if review.work.is_blind:
            assert review.ask.words is not None
            click(review.ask.words.chips["spiculated"])
            click(review.ask.done)
        assert not review.work.is_blind
        return review.lesion_shown

    def tick(self, indices: Sequence[int]) -> None:
        screen = self.window.prototypes
        for index in indices:
            screen.grid.ensureWidgetVisible(screen.grid.cards[index])
            card = screen.grid.cards[index]
            QTest.mouseClick(card, Qt.MouseButton.LeftButton, pos=card.box.center().toPoint())
        wanted = tuple(sorted(indices))
        self.until(lambda: screen.outcome is not None and screen.outcome.removed == wanted)

    def prune(self, reason: str) -> None:
        screen = self.window.prototypes
        QTest.keyClicks(screen.reason, reason)
        click(screen.prune)

    def wait_for_prototypes(self, count: int) -> None:
        desk = self.window.desk

        def there() -> bool:
            model = desk.model
            return model is not None and not desk.is_opening and len(model.pruning.state.kept) == count

        self.until(there)

    def export(self, path: Path) -> None:
        review = self.window.review
        click(review.export_button)
        [dialog] = [found for found in review.findChildren(QFileDialog) if found.isVisible()]
        kinds = {".html": tr("Web page (*.html)"), ".pdf": tr("PDF (*.pdf)"), ".png": tr("Picture (*.png)")}
        dialog.selectNameFilter(kinds[path.suffix])
        name = dialog.findChild(QLineEdit, "fileNameEdit")
        retype(name, str(path))
        for _ in range(3):  # the first press may go to the list of completions, if it stands open by then
            if isValid(dialog) and dialog.isVisible():
                QTest.keyClick(name, Qt.Key.Key_Return)
                QTest.qWait(200)
        assert not isValid(dialog), "closed, it is gone"
        self.until(path.exists)
