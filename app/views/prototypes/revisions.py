"""The tree of a model's revisions: which is in use, why each was made, any two compared."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from app.qt.formatting import local_time
from app.qt.translation import tr
from app.widgets.label import Label
from core.domain.study import ModelRevision

_ID = Qt.ItemDataRole.UserRole


class RevisionTree(QWidget):
    wanted = Signal(object)
    """A ``ModelRevision`` that is to be the one in use."""
    compare_wanted = Signal(object, object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._revisions: dict[str, ModelRevision] = {}
        self._active = ""
        self.tree = QTreeWidget()
        self.tree.setHeaderLabels([tr("Revision"), tr("Prototypes"), tr("Made")])
        self.tree.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.tree.setAccessibleName(tr("Revisions of the model"))
        self.tree.header().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.tree.header().setStretchLastSection(False)
        self.use = QPushButton(tr("Use this one"))
        self.compare = QPushButton(tr("Compare"))
        self.hint = Label(tr("Choose two to compare them."))
        self.hint.setWordWrap(True)
        self.hint.setObjectName("faint")
        line = QHBoxLayout()
        line.addWidget(self.use)
        line.addWidget(self.compare)
        line.addWidget(self.hint, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 6, 0, 0)
        layout.addWidget(self.tree, 1)
        layout.addLayout(line)
        self.tree.itemSelectionChanged.connect(self._selection_changed)
        self.use.clicked.connect(self._use)
        self.compare.clicked.connect(self._compare)
        self._selection_changed()

    def show_revisions(self, revisions: Sequence[ModelRevision], active: str) -> None:
        """Parents before their children."""
        self._revisions = {one.id: one for one in revisions}
        self._active = active
        self.tree.clear()
        items: dict[str, QTreeWidgetItem] = {}
        for one in revisions:
            item = QTreeWidgetItem([tr(one.reason), str(len(one.prototype_indices)), local_time(one.created_utc)])
            item.setData(0, _ID, one.id)
            if one.id == active:
                font = item.font(0)
                font.setBold(True)
                item.setFont(0, font)
                item.setText(0, tr("{reason} (in use)", reason=tr(one.reason)))
            parent = items.get(one.parent_id or "")
            if parent is None:
                self.tree.addTopLevelItem(item)
            else:
                parent.addChild(item)
            items[one.id] = item
        self.tree.expandAll()
        for column in (1, 2):
            self.tree.resizeColumnToContents(column)
        self._selection_changed()

    def _chosen(self) -> list[ModelRevision]:
        return [self._revisions[item.data(0, _ID)] for item in self.tree.selectedItems()]

    def _selection_changed(self) -> None:
        chosen = self._chosen()
        self.use.setEnabled(len(chosen) == 1 and chosen[0].id != self._active)
        self.compare.setEnabled(len(chosen) == 2)

    def _use(self) -> None:
        self.wanted.emit(self._chosen()[0])

    def _compare(self) -> None:
        order = list(self._revisions)
        first, second = sorted(self._chosen(), key=lambda one: order.index(one.id))
        self.compare_wanted.emit(first, second)
