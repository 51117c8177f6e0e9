"""Which button, wheel and key does what in a view. A value, so that the whole table can be remapped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from PySide6.QtCore import Qt

Key = Qt.Key


class Drag(StrEnum):
    TOOL = "tool"
    WINDOW = "window"
    PAN = "pan"
    NOTHING = "nothing"


class Wheel(StrEnum):
    ZOOM = "zoom"
    PAGE = "page"


class ViewCommand(StrEnum):
    """Commands of the keys in the view that has the focus; menus call the same methods."""

    CANCEL = "cancel"
    FINISH = "finish"
    STEP_BACK = "step back"
    DELETE = "delete"
    NARROWER = "narrower"
    WIDER = "wider"
    INVERT = "invert"
    FIT = "fit"
    ONE_TO_ONE = "one to one"
    LENS = "lens"
    CALIPER = "caliper"


KEYS: Mapping[tuple[Qt.Key, bool], ViewCommand] = {
    (Key.Key_Escape, False): ViewCommand.CANCEL,
    (Key.Key_Return, False): ViewCommand.FINISH,
    (Key.Key_Enter, False): ViewCommand.FINISH,
    (Key.Key_Backspace, False): ViewCommand.STEP_BACK,
    (Key.Key_Delete, False): ViewCommand.DELETE,
    (Key.Key_BracketLeft, False): ViewCommand.NARROWER,
    (Key.Key_BracketRight, False): ViewCommand.WIDER,
    (Key.Key_I, False): ViewCommand.INVERT,
    (Key.Key_F, False): ViewCommand.FIT,
    (Key.Key_0, True): ViewCommand.ONE_TO_ONE,
    (Key.Key_L, False): ViewCommand.LENS,
    (Key.Key_D, False): ViewCommand.CALIPER,
}
"""By key and whether Ctrl is held."""


@dataclass(frozen=True, kw_only=True)
class Bindings:
    left: Drag = Drag.TOOL
    middle: Drag = Drag.PAN
    right: Drag = Drag.WINDOW
    wheel: Wheel = Wheel.ZOOM
    """Ctrl and the wheel always zooms; Shift and the wheel always changes the pen. In a tomosynthesis the wheel
    alone goes through its slices."""
    pan_key: Qt.Key = Key.Key_Space
    peek_key: Qt.Key = Key.Key_G
    keys: Mapping[tuple[Qt.Key, bool], ViewCommand] = field(default_factory=lambda: KEYS)

    def drag_of(self, button: Qt.MouseButton) -> Drag:
        return {
            Qt.MouseButton.LeftButton: self.left,
            Qt.MouseButton.MiddleButton: self.middle,
            Qt.MouseButton.RightButton: self.right,
        }.get(button, Drag.NOTHING)


PACS = Bindings(left=Drag.WINDOW, right=Drag.TOOL, wheel=Wheel.PAGE)
"""Bindings of many reading stations: left is window/level, the wheel turns pages, the right button draws."""
