"""The window of one picture carried over to another."""

from __future__ import annotations

from dataclasses import replace

from app.widgets.viewer.picture import Display, Picture
from core.domain.study import Window


def display_for(picture: Picture, display: Display, of: Picture) -> Display:
    """Return the display of ``picture`` that matches the display of ``of``.

    A choice of the file stays a choice: the file's second window of one picture is the second of the other, whose
    numbers may differ. A window that was dragged has the same numbers in both. A table of values belongs to its
    own file; beside it the other picture keeps its first choice.
    """
    place = next((i for i, choice in enumerate(of.choices) if choice is display.voi), -1)
    if place == len(of.choices) - 1:
        return replace(display, voi=picture.choices[-1])
    if 0 <= place < len(picture.choices) - 1:
        return replace(display, voi=picture.choices[place])
    return display if isinstance(display.voi, Window) else replace(display, voi=picture.choices[0])
