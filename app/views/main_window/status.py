"""The line below: what the program must not be used for, where the pointer is, who reads."""

from __future__ import annotations

from PySide6.QtCore import QEvent, Qt, QTimer, Signal
from PySide6.QtWidgets import QSizePolicy, QStatusBar, QToolButton, QWidget

from app.qt.formatting import decimal
from app.qt.icons import icon
from app.qt.translation import tr
from app.widgets.label import Elided, Label
from app.widgets.progress_chip import ProgressChip
from app.widgets.viewer.pixel_probe import PixelProbe
from core.domain.study import Reader
from core.domain.vocabulary import DISCLAIMER

_MESSAGE_MS = 6000
_POINTER = 250


class StatusLine(QStatusBar):
    reader_clicked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizeGripEnabled(False)
        self.setContentsMargins(8, 0, 4, 0)
        warning = Label(tr("For research and education only. Not for clinical use."))
        warning.setObjectName("faint")
        warning.setToolTip(tr(DISCLAIMER))
        self._badge = Label(tr("SYNTHETIC"))
        self._badge.setObjectName("badge")
        self._badge.setToolTip(tr("Every image of this study is computer-generated; none shows a person."))
        self._pointer = Label()
        self._pointer.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._reader = QToolButton()
        self._reader.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self._reader.setSizePolicy(QSizePolicy.Policy.Minimum, QSizePolicy.Policy.Fixed)
        self._reader.setToolTip(tr("Who reads; click to sign in as somebody else"))
        self._reader.clicked.connect(self.reader_clicked)
        self.training, self.present = ProgressChip(), Label()
        # an own label: a message of the status bar would hide the statement
        self._message = Elided()
        self._hint = ""
        self._fading = QTimer(self, singleShot=True, interval=_MESSAGE_MS)
        self._fading.timeout.connect(lambda: self._message.say(self._hint))
        for widget in (self._badge, warning):
            self.addWidget(widget)
        self.addWidget(self._message, 1)
        self.addPermanentWidget(self.training)
        self.addPermanentWidget(self.present)
        self.addPermanentWidget(self._pointer)
        self.addPermanentWidget(self._reader)
        self._reader.setIcon(icon("reader", self.palette()))
        self.show_study(synthetic=False)
        self.show_reader(None)

    def say(self, sentence: str) -> None:
        """For some seconds."""
        self._message.say(sentence)
        self._fading.start()

    def show_hint(self, hint: str) -> None:
        """Show the hint in the status line while no other message is there."""
        shows_hint = self._message.sentence == self._hint
        self._hint = hint
        if shows_hint:
            self._message.say(hint)

    def show_study(self, *, synthetic: bool) -> None:
        self._badge.setVisible(synthetic)
        self._point("")
        self._message.say(self._hint)

    @property
    def message(self) -> str:
        return self._message.sentence

    def show_reader(self, reader: Reader | None) -> None:
        self._reader.setVisible(reader is not None)
        self._reader.setText("" if reader is None else reader.name.replace("&", "&&"))

    def show_picture(self, shown: bool) -> None:
        """Show or hide the field on the pointer, which needs a picture."""
        self._pointer.setVisible(shown)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "_reader"):
            self._reader.setIcon(icon("reader", self.palette()))

    def show_pointer(self, reading: object, spacing_mm: float | None) -> None:
        if not isinstance(reading, PixelProbe):
            self._point("")
            return
        x, y = reading.at
        place = (
            tr("x {x} mm, y {y} mm", x=decimal(x * spacing_mm, 1), y=decimal(y * spacing_mm, 1))
            if spacing_mm is not None
            else tr("x {x}, y {y} px", x=f"{x:.0f}", y=f"{y:.0f}")
        )
        value = "" if reading.value is None else "   " + tr("value {n}", n=reading.value)
        self._point(place + value)

    def _point(self, text: str) -> None:
        self._pointer.setText(text)
        # of one width while the pointer moves, so that nothing jumps; without it the message has the room
        self._pointer.setMinimumWidth(_POINTER if text else 0)
