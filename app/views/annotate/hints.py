"""One line on how the chosen tool is used, for the status bar."""

from __future__ import annotations

from app.qt.translation import tr

WITHOUT_LESION = ("lesion_box", "lesion_outline", "caliper")
"""Tools that need no mass to draw on."""


def hint_of(tool: str) -> str:
    """``tool``: a name of ``app.widgets.drawing.canvas.TOOLS``, or "caliper"; empty for an unknown one."""
    points = tr("Click sets a point · Backspace takes it back · Enter or double click ends · Esc cancels")
    return {
        "select": tr("Click selects · drag a handle · double click on a line adds a vertex · Delete removes"),
        "freehand": tr("Drag along the margin · Shift+wheel changes the width"),
        "polyline": points,
        "polygon": points,
        "livewire": points,
        "ellipse": tr("Drag from the centre · Shift for an ellipse · click repeats the last size"),
        "brush": tr("Drag paints · Shift+wheel changes the width"),
        "eraser": tr("Drag erases · Shift+wheel changes the width"),
        "box": tr("Drag from corner to corner"),
        "lesion_box": tr("Drag a box around the mass"),
        "lesion_outline": tr("Drag once around the mass; the outline closes by itself"),
        "propose": tr(
            "Enter accepts · drag along what is right accepts that part · click sets an anchor · Esc refuses"
        ),
        "caliper": tr("Drag measures · Esc ends measuring"),
    }.get(tool, "")
