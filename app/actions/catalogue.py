"""The actions as data: ``resources/actions.json``. Menus, shortcuts and the sheet on F1 are made from it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

FILE = Path(__file__).resolve().parents[2] / "resources" / "actions.json"

Need = Literal[
    "", "study", "writing", "reader", "report", "image", "lesion", "case", "reading", "prototype", "undo", "redo"
]
"""Precondition of the action. ``report``: the report of an import of the open study.
``case``: the explanation of a lesion in Review. ``reading``: the question for the reader's own call in Review.
``prototype``: a focused prototype. ``undo`` and ``redo``: a step in the history of the screen that is shown."""

ScreenName = Literal["", "annotate", "train", "review", "prototypes"]


class ActionSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    id: str
    text: str
    menu: str
    shortcut: str = ""
    """Sequences in Qt's portable form, several separated by "; "."""
    pacs: str | None = None
    """Keys of the preset for users of reading stations, where they differ."""
    icon: str = ""
    checkable: bool = False
    line_above: bool = False
    """Flag: a line in the menu separates the action from the one before."""
    screen: ScreenName = ""
    """The screen that it belongs to: elsewhere its key, its menu entry and its buttons do nothing."""
    group: str = ""
    """Actions of a group exclude each other."""
    needs: Need = ""
    tip: str = ""

    def meets(self, other: ActionSpec) -> bool:
        """Return True if both can be enabled at the same time, so that they need different keys."""
        return not (self.screen and other.screen and self.screen != other.screen)

    @property
    def menu_name(self) -> str:
        """The innermost menu: "View/Hanging" is "Hanging"."""
        return self.menu.rpartition("/")[2]

    @property
    def label(self) -> str:
        """Menu text without the dots that announce a dialog."""
        return self.text.removesuffix("…")


def read_actions() -> tuple[ActionSpec, ...]:
    """In the order of the menus."""
    return msgspec.json.decode(FILE.read_bytes(), type=tuple[ActionSpec, ...])


def sequences(text: str) -> tuple[str, ...]:
    return tuple(part for part in text.split("; ") if part)
