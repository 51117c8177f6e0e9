"""Pixel size of this screen, measured with a bank card, and the flag for calibrated greys."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QPainter, QPaintEvent, QPalette, QPen
from PySide6.QtWidgets import QCheckBox, QDialog, QDialogButtonBox, QSlider, QWidget

from app.qt import settings
from app.qt.spacing import dialog_column
from app.qt.translation import tr
from app.widgets.label import Label

CARD_MM = 85.6
"""Width of an ID-1 card (ISO/IEC 7810)."""
_CARD_RATIO = 53.98 / 85.6
_SMALLEST, _LARGEST, _USUAL = 180, 900, 324


class Card(QWidget):
    def __init__(self) -> None:
        super().__init__()
        self.card_width = _USUAL

    def sizeHint(self) -> QSize:
        return QSize(_LARGEST + 20, round(_LARGEST * _CARD_RATIO) // 2)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(self.palette().color(QPalette.ColorRole.Highlight), 2))
        painter.drawRoundedRect(QRectF(2, 2, self.card_width, self.card_width * _CARD_RATIO), 12, 12)
        painter.end()


class CalibrateDialog(QDialog):
    measured = Signal(float, bool)
    """Millimetres in a device pixel, and whether the display is calibrated to the GSDF."""

    def __init__(self, ratio: float, stored_mm: float | None, calibrated: bool, parent: QWidget | None) -> None:
        """``ratio``: device pixels in a logical one."""
        super().__init__(parent)
        self.setWindowTitle(tr("Size and quality of this screen"))
        self._ratio = ratio
        text = Label(
            tr("Hold a bank card against the screen and move the slider until the frame is as wide as the card.")
        )
        text.setWordWrap(True)
        self._card = Card()
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(_SMALLEST, _LARGEST)
        self.slider.setAccessibleName(tr("Width of the frame"))
        self.slider.valueChanged.connect(self._resize)
        self.slider.setValue(_USUAL if stored_mm is None else round(CARD_MM / stored_mm / ratio))
        self._resize(self.slider.value())
        self.grey = QCheckBox(tr("This display is calibrated to the DICOM grey scale (GSDF)"))
        self.grey.setChecked(calibrated)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel)
        buttons.button(QDialogButtonBox.StandardButton.Cancel).setText(tr("Cancel"))
        buttons.accepted.connect(self._accept)
        buttons.rejected.connect(self.reject)
        layout = dialog_column(self)
        for widget in (text, self._card, self.slider, self.grey, buttons):
            layout.addWidget(widget)

    @property
    def mm(self) -> float:
        return CARD_MM / (self.slider.value() * self._ratio)

    def _resize(self, width: int) -> None:
        self._card.card_width = width
        self._card.update()

    def _accept(self) -> None:
        self.measured.emit(self.mm, self.grey.isChecked())
        self.accept()


def stored_calibration(screen: str) -> tuple[float | None, bool]:
    """Return the named screen's calibration: millimetres in a device pixel, and True if it is calibrated."""
    size, _, grey = settings.text(f"screens/{screen}").partition(" ")
    try:
        return float(size), grey == "gsdf"
    except ValueError:
        return None, False


def store_calibration(screen: str, mm: float, calibrated: bool) -> None:
    settings.put(f"screens/{screen}", f"{mm:.6f} {'gsdf' if calibrated else ''}")
