"""The actions as data: ``resources/actions.json``. Menus, shortcuts and the sheet on F1 are made from it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

FILE = Path(__file__).resolve().parents[2] / "resources" / "actions.json"

Need = Literal["", "study", "writing", "reader", "image", "lesion", "case", "reading", "prototype", "undo", "redo"]
"""What must be there before the action can do anything. ``case``: the explanation of a lesion in Review;
``reading``: the question for the reader's own call in Review;
``prototype``: one that is looked at; ``undo`` and ``redo``: a step in the history of the screen that is shown."""

ScreenName = Literal["", "annotate", "train", "review", "prototypes"]


class ActionSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    id: str
    text: str
    menu: str
    shortcut: str = ""
    """Sequences in Qt's portable form, several separated by "; "."""
    pacs: str | None = None
    """Of the preset for who comes from a reading station, where it differs."""
    icon: str = ""
    checkable: bool = False
    line_above: bool = False
    """Whether a line in the menu parts it from the action before."""
    screen: ScreenName = ""
    """The screen that it belongs to: elsewhere its key, its menu entry and its buttons do nothing."""
    group: str = ""
    """Actions of a group exclude each other."""
    needs: Need = ""
    tip: str = ""

    def meets(self, other: ActionSpec) -> bool:
        """Whether both can be enabled at the same time, so that they need different keys."""
        return not (self.screen and other.screen and self.screen != other.screen)

    @property
    def menu_name(self) -> str:
        """The innermost menu: "View/Hanging" is "Hanging"."""
        return self.menu.rpartition("/")[2]

    @property
    def label(self) -> str:
        """Without the dots that say that a dialog follows."""
        return self.text.removesuffix("…")


def read_actions() -> tuple[ActionSpec, ...]:
    """In the order of the menus."""
    return msgspec.json.decode(FILE.read_bytes(), type=tuple[ActionSpec, ...])


def sequences(text: str) -> tuple[str, ...]:
    return tuple(part for part in text.split("; ") if part)
