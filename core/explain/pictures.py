"""The rows of Fig. 4 and the class activation views of one explanation as PNG files."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.explain import render
from core.explain.explanation import Explanation, PrototypeRow
from core.explain.prototype_patches import PrototypePatch, patches_for
from core.explain.render import HeatStyle, Rgb

SIDE = 224
"""Side of one picture of a row, in pixels."""


def case_pictures(
    explanation: Explanation,
    patches: Sequence[PrototypePatch] = (),
    *,
    colours: render.ColourMap = "magma",
) -> dict[str, bytes]:
    """PNG bytes by file name: ``roi.png``, one row a prototype by its contribution to the predicted class
    (columns a to e of Fig. 4; a and b alone without ``patches``), and one class activation view a class."""
    maps = np.stack([row.activation for row in explanation.rows])
    style = HeatStyle(high=float(maps.max()), colours=colours)
    pictured = patches_for(explanation, patches)
    found = {"roi.png": render.png(explanation.roi.pixels)}
    for rank, row in enumerate(explanation.ranked(explanation.predicted), start=1):
        patch = pictured[row.index]
        name = f"row-{rank:02d}-prototype-{row.number:02d}-{row.class_name}.png"
        found[name] = render.png(_row(explanation, row, patch, style))
    for c, class_name in enumerate(explanation.class_names):
        view = render.overlay(explanation.roi.pixels, explanation.class_activation(c), style)
        found[f"class-activation-{class_name}.png"] = render.png(_sized(view))
    return found


def _row(explanation: Explanation, row: PrototypeRow, patch: PrototypePatch | None, style: HeatStyle) -> Rgb:
    size = explanation.roi.pixels.shape[0]
    scale = SIDE / size
    here = _sized(render.as_rgb(explanation.roi.pixels))
    active = _sized(render.overlay(explanation.roi.pixels, row.activation, style))
    shown = [render.with_box(one, row.relevant_box, scale=scale) for one in (here, active)]
    if patch is not None:
        own = HeatStyle(high=row.self_activation, colours=style.colours)
        source = _sized(render.as_rgb(patch.source))
        self_active = _sized(render.overlay(patch.source, patch.activation, own))
        shown.append(render.on_square(render.as_rgb(patch.crop()), SIDE))
        shown += [render.with_box(one, patch.relevant_box, scale=scale) for one in (source, self_active)]
    return render.strip(shown)


def _sized(picture: Rgb) -> Rgb:
    return render.on_square(picture, SIDE)
