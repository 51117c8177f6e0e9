"""Preview of the network's input: the ROI at its resolution, with the mask made from the shapes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QRectF, QSize, Qt, QTimer
from PySide6.QtGui import QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.qt.background import Background, WorkResult
from app.qt.colours import FAINT_TEXT, MASK, SURROUND
from app.qt.formatting import decimal
from app.qt.translation import tr
from app.widgets.drawing.document import AnnotationDocument
from app.widgets.viewer.picture import Picture
from core.data.roi import extract_pixels, image_to_input, roi_square
from core.data.roi_set import InputTransform
from core.domain.geometry import Box
from core.domain.shapes import Shape
from core.imaging.raster import draw_onto

UInt8 = NDArray[np.uint8]
_TINT = 0.45
_CAPTION = 22


class MaskPreview(QWidget):
    """Follows a document; moves between two turns of the event loop are shown once."""

    def __init__(
        self, document: AnnotationDocument, transform: InputTransform | None = None, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setMinimumSize(120, 120 + _CAPTION)
        policy = QSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self.setAccessibleName(tr("Mask at the resolution of the network"))
        self._document = document
        self._transform = transform or InputTransform()
        self._square: Box | None = None
        self._grey: UInt8 | None = None
        self._mask: UInt8 | None = None
        self._drawn: tuple[Shape, ...] = ()
        """The shapes of the mask."""
        self._drawn_for: tuple[Box | None, float | None] = (None, None)
        """The square and the pixel spacing that it was drawn for."""
        self._image: QImage | None = None
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(0)
        self._later.timeout.connect(self._rasterise)
        document.shapes_changed.connect(self._later.start)
        # beside the window: a hand that pages on does not wait for the small picture of each ROI
        self._cutter = Background(self, name="region of interest")
        self._cutter.done.connect(self._take)

    def set_lesion(self, picture: Picture | None, table: UInt8 | None, box: Box | None) -> None:
        """The picture, its display table (as the network's window makes it) and the lesion's box."""
        if picture is None or table is None or box is None:
            self._square = self._grey = self._mask = self._image = None
            self._drawn, self._drawn_for = (), (None, None)
            self._describe()
            self.update()
            return
        self._square = roi_square(box, self._transform)
        pixels = picture.levels[0]
        index = pixels if pixels.dtype == np.uint8 else pixels.view(np.uint16)
        self._grey = self._image = None
        self._rasterise()
        square, size = self._square, self._transform.input_size
        self._cutter.submit("grey", lambda: (square, extract_pixels(index, square, size, lut=table)))

    def stop(self) -> None:
        """Before the window goes."""
        self._cutter.stop()

    @property
    def network_mask(self) -> UInt8 | None:
        """(I, I), 1 where marked; None without a lesion."""
        return self._mask

    @property
    def has_picture(self) -> bool:
        """True if the ROI under the mask is there; it follows ``set_lesion``."""
        return self._grey is not None

    @property
    def share(self) -> float | None:
        """Share of the ROI's pixels that are marked; None without a lesion."""
        return None if self._mask is None else float(self._mask.mean())

    @property
    def caption(self) -> str:
        if self.share is None:
            return tr("no lesion")
        return tr("{0}% of the ROI marked relevant").format(decimal(self.share * 100, 1))

    def heightForWidth(self, width: int) -> int:
        return width + _CAPTION

    def sizeHint(self) -> QSize:
        return QSize(240, 240 + _CAPTION)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), SURROUND)
        side = min(self.width(), self.height() - _CAPTION)
        if self._image is not None:
            left = (self.width() - side) / 2
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, side < self._image.width())
            painter.drawImage(QRectF(left, 0, side, side), self._image)
        painter.setPen(FAINT_TEXT)
        below = QRectF(0, side, self.width(), _CAPTION)
        painter.drawText(below, int(Qt.AlignmentFlag.AlignCenter), self.caption)
        painter.end()

    def _rasterise(self) -> None:
        if self._square is None:
            return
        size, shapes = self._transform.input_size, self._document.shapes
        before, key = self._drawn, (self._square, self._document.spacing_mm)
        # a stroke that was only added is drawn onto the mask of those before it
        added = len(before) if self._drawn_for == key and starts_with(shapes, before) else 0
        # another array: the one before may be on the screen
        whole = self._mask is None or not added
        self._mask = np.zeros((size, size), np.uint8) if self._mask is None or whole else self._mask.copy()
        draw_onto(
            self._mask,
            shapes[added:],
            spacing_mm=self._document.spacing_mm,
            image_to_grid=image_to_input(self._square, self._transform),
        )
        self._drawn, self._drawn_for = shapes, key
        self._compose()
        self._describe()
        self.update()

    def _take(self, outcome: WorkResult) -> None:
        if outcome.error is not None:
            return
        found: Any = outcome.value
        square, grey = found
        # another lesion may have come meanwhile
        if square is self._square:
            self._grey = grey
            self._compose()
            self.update()

    def _compose(self) -> None:
        """The ROI with what is marked in it."""
        if self._grey is None or self._mask is None:
            return
        size = self._transform.input_size
        colour = np.array([MASK.red(), MASK.green(), MASK.blue()], np.float32)
        tint = (self._mask * np.float32(_TINT))[..., None]
        rgb = np.ascontiguousarray((self._grey[..., None] * (1 - tint) + colour * tint).astype(np.uint8))
        # copied: the array goes when this function ends
        self._image = QImage(rgb.data, size, size, rgb.strides[0], QImage.Format.Format_RGB888).copy()

    def _describe(self) -> None:
        self.setAccessibleDescription(self.caption)


def starts_with(shapes: tuple[Shape, ...], first: tuple[Shape, ...]) -> bool:
    """True if the first shapes are these very objects: what is equal and another one is drawn again."""
    return len(first) <= len(shapes) and all(a is b for a, b in zip(shapes, first, strict=False))
