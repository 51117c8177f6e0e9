"""The mask as the network sees it, in the side panel."""

from __future__ import annotations

from PySide6.QtWidgets import QFrame, QSizePolicy, QVBoxLayout

from app.qt.translation import tr
from app.widgets.drawing.mask_preview import MaskPreview
from app.widgets.label import Elided, Label


class MaskFrame(QFrame):
    """The preview of the mask under its heading, and the line on the prototypes below it."""

    def __init__(self, preview: MaskPreview) -> None:
        super().__init__()
        self.precision = Elided()
        self.precision.setObjectName("faint")
        box = QVBoxLayout(self)
        box.setContentsMargins(10, 6, 10, 6)
        # as high as the panel leaves it, whatever its width
        preview.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        preview.setMinimumHeight(64)
        preview.setMaximumHeight(190)
        heading = Label(tr("Mask as the network sees it"))
        heading.setObjectName("heading")
        box.addWidget(heading)
        box.addWidget(preview, 1)
        box.addWidget(self.precision)
