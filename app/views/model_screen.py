"""What Review and Prototypes share: which model, its page, and one sentence where there is none."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QStackedWidget, QWidget

from app.model_desk import ModelDesk, OpenedModel
from app.qt.translation import tr
from app.session import Session
from app.widgets.explain.run_bar import RunBar
from app.widgets.label import Label
from app.widgets.notice import Notice


class ModelScreen(QWidget):
    """Shows the desk's model while somebody looks; put off while nobody does."""

    refused = Signal(str)
    """One sentence for the status line."""
    train_wanted = Signal()

    def __init__(self, session: Session, desk: ModelDesk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session, self.desk = session, desk
        self.run_bar, self.notice, self.pages = RunBar(desk), Notice(), QStackedWidget()
        self.missing = Label()
        """What the model that is shown lacks: the pictures of its prototypes."""
        self.missing.setWordWrap(True)
        self.missing.setObjectName("badge")
        self.missing.setMargin(4)
        self.missing.hide()
        self._stale = True
        desk.model_changed.connect(self.refresh)
        desk.runs_changed.connect(self.refresh)
        self.notice.pressed.connect(self.train_wanted)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.desk.open_newest()
        if self._stale:
            self.refresh()

    def refresh(self) -> None:
        """Everything, after another model; put off while nobody looks."""
        self._stale = not self.isVisible()
        if self._stale:
            return
        self.desk.open_newest()
        model = self.desk.model
        self.missing.setText("" if model is None else model.no_patches)
        self.missing.setVisible(bool(self.missing.text()))
        if model is None:
            self.pages.setCurrentWidget(self.notice)
            self._explain_absence()
            self._show_nothing()
        else:
            self._show_model(model)

    def _show_model(self, model: OpenedModel) -> None:
        raise NotImplementedError

    def _show_nothing(self) -> None:
        raise NotImplementedError

    def _purpose(self) -> tuple[str, str]:
        """What the screen is for, where a study or where a model is missing."""
        raise NotImplementedError

    def _explain_absence(self) -> None:
        desk, notice, (no_study, no_model) = self.desk, self.notice, self._purpose()
        if desk.problem:
            notice.say(tr("This model cannot be shown"), desk.problem)
        elif desk.is_opening:
            notice.say(tr("Opening the model …"), tr("The first time, the regions of all lesions are cut out."))
        elif not desk.session.is_open:
            notice.say(tr("No study is open"), no_study)
        else:
            notice.say(tr("No model yet"), no_model, tr("Train a model"))
