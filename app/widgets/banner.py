"""A sentence across the window that waits to be read, with at most one button. Never modal."""

from __future__ import annotations

from collections.abc import Callable, Collection

from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QSizePolicy, QWidget

from app.qt.icons import pixmap
from app.qt.translation import tr
from app.widgets.label import Label


class Banner(QFrame):
    """Sentences by what they are about; the newest one is shown, and one that is settled goes."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("banner")
        self._sentences: dict[str, tuple[str, str, Callable[[], object] | None]] = {}
        self._sign, self._text = Label(), Label()
        self._text.setWordWrap(True)
        self._text.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._button, self._close = QPushButton(), QPushButton(tr("Dismiss"))
        self._button.clicked.connect(self._act)
        self._close.clicked.connect(self._dismiss)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(12, 6, 8, 6)
        layout.addWidget(self._sign)
        layout.addWidget(self._text, 1)
        layout.addWidget(self._button)
        layout.addWidget(self._close)
        self.hide()

    @property
    def text(self) -> str:
        """Text that is shown; empty if there is none."""
        return self._text.text() if self._sentences else ""

    def say(self, about: str, sentence: str, button: str = "", act: Callable[[], object] | None = None) -> None:
        """Show a sentence on a subject; an empty sentence removes the subject's earlier one."""
        self._sentences.pop(about, None)
        if sentence:
            self._sentences[about] = (sentence, button, act)
        self._show()

    def clear(self, *, keep: Collection[str] = ()) -> None:
        """Take everything away that is not about one of ``keep``."""
        self._sentences = {about: said for about, said in self._sentences.items() if about in keep}
        self._show()

    def _show(self) -> None:
        self.setVisible(bool(self._sentences))
        if self._sentences:
            sentence, button, _ = next(reversed(self._sentences.values()))
            colour = self._text.palette().color(QPalette.ColorRole.WindowText)
            self._sign.setPixmap(pixmap("warning", colour, 18, self.devicePixelRatioF()))
            self._text.setText(sentence)
            self._text.setAccessibleName(sentence)
            self._button.setText(button)
            self._button.setVisible(bool(button))

    def _act(self) -> None:
        _, _, act = next(reversed(self._sentences.values()))
        if act is not None:
            act()

    def _dismiss(self) -> None:
        self._sentences.popitem()
        self._show()
