"""Colours that carry a meaning. They are fixed and do not follow the theme. Colour-blind readers can distinguish
all of them (Okabe and Ito, Color Universal Design, 2008, lightened where they must be seen on dark tissue)."""

from __future__ import annotations

from PySide6.QtGui import QColor

from core.domain.shapes import Role

PROMINENT = QColor(0xF2, 0xA9, 0x0F)
"""Orange: a most telling feature."""
MARGIN = QColor(0x56, 0xB4, 0xE9)
"""Sky blue: the rest of the margin."""
LESION = QColor(0x36, 0xE0, 0xAE)
"""Bluish green: the outline of a lesion."""
ERASER = QColor(0xE8, 0x6A, 0x1C)
"""Vermilion: what takes away."""
MEASURE = QColor(0xF0, 0xE4, 0x42)
"""Yellow: the caliper."""
MASK = QColor(0xCC, 0x79, 0xA7)
"""Reddish purple: a mask of the network or of another reader."""
SELECTION = QColor(0xFF, 0xFF, 0xFF)
"""White with a dark rim: what is selected, and its handles."""
RIM = QColor(0x10, 0x12, 0x16)
"""Around thin lines and texts, so that they are seen on bright tissue too."""
SURROUND = QColor(0, 0, 0)
"""Beyond the picture's edge: black, as on a reading station."""
TEXT = QColor(0xE4, 0xE7, 0xEB)
FAINT_TEXT = QColor(0x9A, 0xA3, 0xAE)
WARNING_TEXT = QColor(0xF0, 0xC2, 0x6B)

OF_ROLE = {Role.PROMINENT: PROMINENT, Role.MARGIN: MARGIN}
