"""Machines to train on: their devices, which of them are in use and by whom; asked when the dialog opens."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QDialogButtonBox,
    QHeaderView,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from app.qt.background import WorkResult
from app.qt.formatting import local_time
from app.qt.sentences import translate_message
from app.qt.spacing import dialog_column
from app.qt.task import LongTask
from app.qt.translation import tr
from app.widgets.label import Label, tip
from core.domain.errors import Cancelled
from core.domain.events import Emit, IsCancelled
from core.jobs.machine_report import MachineReport
from core.tasks.runs.host_places import Answer, ask_hosts

SIZE = (640, 320)
_GIGABYTE = 1e9
_SINCE = " since "
Row = tuple[str, str, str, str]


class MachinesDialog(QDialog):
    """``names``: the machines that are asked, in this order."""

    def __init__(self, names: Sequence[str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(tr("Machines"))
        self.resize(*SIZE)
        self._names = tuple(names)
        self._task: LongTask | None = None
        self.summary = Label()
        self.summary.setWordWrap(True)
        self.table = _table()
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        self.buttons.button(QDialogButtonBox.StandardButton.Close).setText(tr("Close"))
        self.again: QPushButton = self.buttons.addButton(tr("Ask again"), QDialogButtonBox.ButtonRole.ActionRole)
        self.again.clicked.connect(self.ask)
        self.buttons.rejected.connect(self.reject)
        layout = dialog_column(self)
        for part in (self.summary, self.table, self.buttons):
            layout.addWidget(part)
        self.ask()

    def ask(self) -> None:
        """Ask all machines again, in the background."""
        if self._task is not None:
            return
        names = self._names

        def job(emit: Emit, cancelled: IsCancelled) -> object:
            return ask_hosts(names, cancelled=cancelled)

        self.summary.setText(tr("Asking {name} …", name=", ".join(names)))
        self.again.setEnabled(False)
        self._task = LongTask(job, self, name="machines")
        self._task.ended.connect(self._take)
        self._task.start()

    def _take(self, outcome: WorkResult) -> None:
        if self._task is None:
            return
        self._task = None
        self.again.setEnabled(True)
        if isinstance(outcome.value, dict):
            self.show_answers(outcome.value)
        elif not isinstance(outcome.error, Cancelled):
            self.summary.setText(outcome.sentence)

    def show_answers(self, answers: dict[str, Answer]) -> None:
        """Show a line for each device; a machine that cannot be used has one with the reason."""
        found = [one for one in answers.values() if isinstance(one, MachineReport)]
        free = sum(max(0, one.capacity - len(one.busy)) for one in found)
        count = sum(one.capacity for one in found)
        self.summary.setText(tr("Free devices: {free} of {count}", free=free, count=count))
        rows = [row for name, answer in answers.items() for row in rows_of(name, answer)]
        self.table.setRowCount(len(rows))
        for line, texts in enumerate(rows):
            for column, text in enumerate(texts):
                item = QTableWidgetItem(text)
                item.setToolTip(tip(text))
                self.table.setItem(line, column, item)
        self.table.resizeRowsToContents()

    def done(self, result: int) -> None:
        if self._task is not None:
            task, self._task = self._task, None
            task.wait()
        super().done(result)


def _table() -> QTableWidget:
    table = QTableWidget(0, 4)
    table.setAccessibleName(tr("Machines"))
    table.setHorizontalHeaderLabels([tr("Machine"), tr("Device"), tr("Free space"), tr("State")])
    table.verticalHeader().hide()
    table.setShowGrid(False)
    table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
    table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
    header = table.horizontalHeader()
    header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
    header.setSectionResizeMode(3, QHeaderView.ResizeMode.Stretch)
    for column, width in enumerate((110, 220, 90)):
        # a heading is longer in some languages than what stands below it
        table.setColumnWidth(column, max(width, header.sectionSizeHint(column)))
    return table


def rows_of(name: str, answer: Answer) -> list[Row]:
    """Return the lines of a machine: name, device, free space, state."""
    if not isinstance(answer, MachineReport):
        return [(name, "", "", translate_message(answer))]
    cards = [
        tr("{name}, {memory} GB", name=card.name, memory=round(card.memory_bytes / _GIGABYTE))
        for card in answer.cards
    ]
    devices = cards or [tr("processor, cores: {cores}", cores=answer.cores)]
    space = tr("{size} GB", size=round(answer.free_bytes / _GIGABYTE))
    states = [_state(answer.busy.get(device, "")) for device in answer.device_names]
    lines = list(zip(devices, states, strict=False))
    return [(name, device, space, state) for device, state in lines]


def _state(holder: str) -> str:
    """Return whether a device is free, else who uses it since when."""
    if not holder:
        return tr("free")
    who, since, at = holder.partition(_SINCE)
    if not since:
        return tr("in use")
    try:
        return tr("in use by {name} since {time}", name=who, time=local_time(at))
    except ValueError:
        return tr("in use by {name}", name=who)
