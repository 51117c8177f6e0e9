"""Which run's model is looked at, and in which revision: the same line on Review and Prototypes."""

from __future__ import annotations

from PySide6.QtWidgets import QComboBox, QHBoxLayout, QSizePolicy, QWidget

from app.qt.translation import tr
from app.services.model_service import ModelService
from app.widgets.label import Label, tip


class RunBar(QWidget):
    def __init__(self, desk: ModelService, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self.runs = QComboBox()
        self.runs.setAccessibleName(tr("Run whose model is looked at"))
        self.runs.setMinimumWidth(130)
        self.state = Label()
        self.state.setObjectName("faint")
        self.state.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(Label(tr("Model")))
        layout.addWidget(self.runs)
        layout.addWidget(self.state, 1)
        self.runs.activated.connect(self._open)
        desk.runs_changed.connect(self.refresh)
        desk.model_changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        runs = self._desk.runs()
        self.runs.clear()
        for run in runs:
            self.runs.addItem(run.name, run.id)
        self.runs.setCurrentIndex(self.runs.findData(self._desk.run_id))
        self.runs.setEnabled(bool(runs))
        self.state.setText(self._state())
        self.state.setToolTip(tip(self.state.text()))

    def _state(self) -> str:
        model = self._desk.model
        if model is None or self._desk.is_opening:
            return tr("opening …") if self._desk.is_opening else ""
        kept, count = len(model.pruning.state.kept), len(model.pruning.state.prototype_class)
        said = tr("{kept} of {count} prototypes", kept=kept, count=count) + f" · {tr(model.revision.reason)}"
        return tr("SYNTHETIC DATA") + " · " + said if model.opened.model.card.synthetic else said

    def _open(self, index: int) -> None:
        self._desk.open(str(self.runs.itemData(index)))
