"""Figures on how readers annotate, from revisions with known times."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.domain.shapes import Length, Line, Origin, circle
from core.store import annotations
from core.store.annotations import annotation_subject
from core.store.study import Study
from core.tasks.readers.annotation_figures import annotator_figures, figures_text
from tests.app.window.conftest import make_study

LINE = Line(points=((1, 1), (5, 5)), width=Length(value=1, unit="mm"))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The times of the next commits."""
    times: list[str] = []
    monkeypatch.setattr(annotations, "now_utc", lambda: times.pop(0))
    return times


def test_time_counts_without_pauses_and_shapes_by_their_origin(tmp_path: Path, clock: list[str]) -> None:
    with Study.open(make_study(tmp_path / "study", patients=2)) as study:
        me, other = study.readers.ensure("me").id, study.readers.ensure("other").id
        clock += [f"2026-01-01T10:{at}+00:00" for at in ("00:00", "00:20", "00:50", "40:50", "41:00")]
        first = (circle((3, 3), 2),)
        second = (*first, Line(points=LINE.points, width=LINE.width, origin=Origin.PROPOSED))
        third = (*second, Line(points=LINE.points, width=LINE.width, origin=Origin.EDITED))
        for shapes in (first, second, third, third[:2], third):
            study.annotations.commit("lesion-patient0-CC", me, shapes)
        study.audit.record("annotation.proposal_refused", annotation_subject("lesion-patient1-CC", me))
        clock.append("2026-01-01T11:00:00+00:00")
        study.annotations.commit("lesion-patient0-CC", other, first)
        mine, others = annotator_figures(study)
    assert (mine.reader, mine.cases, mine.shapes) == ("me", 1, 3)
    assert (mine.drawn, mine.proposed, mine.edited, mine.refused) == (1, 1, 1, 1)
    assert mine.accepted_share == pytest.approx(2 / 3)
    assert mine.seconds_a_case == 60.0 and mine.seconds_a_shape == 20.0
    assert others.seconds_a_case is None and others.accepted_share is None
    assert figures_text((mine, others)).startswith(
        "me: 1 cases, 3 shapes (1 drawn, 1 proposed, 1 edited), 60 s a case"
    )
