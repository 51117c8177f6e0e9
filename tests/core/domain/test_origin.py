"""Whatever changes a proposed shape makes an edited one of it; what leaves it alone does not."""

from __future__ import annotations

import pytest

from core.domain import edits
from core.domain.combine import subtracted, united
from core.domain.shape_changes import ShapeChange, compare_shapes
from core.domain.shapes import Length, Line, Origin, Polygon, Role, Shape, circle, decode_shapes, encode_shapes

LINE = Line(points=((0, 0), (5, 1), (9, 4)), width=Length(value=2, unit="px"), origin=Origin.PROPOSED)
AREA = Polygon(points=((0, 0), (9, 0), (9, 9), (0, 9)), origin=Origin.PROPOSED)


@pytest.mark.parametrize(
    "changed",
    [
        edits.moved(LINE, 1, 0),
        edits.with_role(LINE, Role.PROMINENT),
        edits.with_width(LINE, Length(value=3, unit="px")),
        edits.with_vertex(LINE, 1, (5, 3)),
        edits.with_vertex_added(LINE, (2, 1)),
        edits.without_vertex(LINE, 1),
        edits.simplified(LINE, 5),
        edits.smoothed(LINE),
        united([circle((0, 0), 4), AREA])[0],
        subtracted(AREA, [circle((0, 0), 4)])[0],
    ],
)
def test_an_edit_is_recorded(changed: Shape) -> None:
    assert changed.origin is Origin.EDITED


def test_what_changes_nothing_is_no_edit() -> None:
    assert edits.moved(LINE, 0, 0) == edits.with_role(LINE, Role.MARGIN) == LINE
    assert edits.moved(circle((0, 0), 4), 1, 1).origin is Origin.DRAWN


def test_the_history_still_names_the_step() -> None:
    assert compare_shapes((LINE,), (edits.with_role(LINE, Role.PROMINENT),)).kind is ShapeChange.ROLE
    assert compare_shapes((LINE,), (edits.moved(LINE, 3, 1),)).kind is ShapeChange.MOVED


def test_it_survives_as_text_and_older_texts_were_drawn() -> None:
    assert decode_shapes(encode_shapes((LINE, AREA))) == (LINE, AREA)
    old = '[{"kind":"ellipse","centre":[1,2],"radius_x":3,"radius_y":3}]'
    assert decode_shapes(old)[0].origin is Origin.DRAWN
