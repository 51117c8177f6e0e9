"""The left rail: the four things that the program is used for."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QFrame, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from app.actions.actions import Actions
from app.actions.catalogue import ScreenName

WORKSPACES: tuple[ScreenName, ...] = ("annotate", "train", "review", "prototypes")


class Rail(QFrame):
    def __init__(self, actions: Actions, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("rail")
        self.setFixedWidth(84)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(5, 8, 5, 8)
        self.buttons: dict[str, QToolButton] = {}
        for name in WORKSPACES:
            button = QToolButton()
            button.setDefaultAction(actions[f"workspace.{name}"])
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
            button.setIconSize(QSize(24, 24))
            button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            self.buttons[name] = button
            layout.addWidget(button)
        layout.addStretch()
