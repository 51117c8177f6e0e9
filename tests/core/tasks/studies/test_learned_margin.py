"""Proposals learn a reader's habit where that makes them better, and only there."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from core.domain.shapes import Polygon
from core.imaging.margin.frame import as_points, frame_of
from core.imaging.margin.proposal import DEFAULT, propose_margin
from core.tasks.studies.learned_margin import (
    FEWEST,
    OUTWARDS,
    LearnedMargin,
    TracedMargin,
    learn,
    learned_text,
    trace,
)
from tests.benchmarks.bench_margin import Floats, Mass, phantom_masses, ring_distance

SEED, OTHER = 611, 612
Reader = Callable[[Mass, np.random.Generator], Floats]


def _moved(ring: Floats, mm: float, spacing: float) -> Floats:
    """The ring, moved outwards along its rays."""
    frame = frame_of(Polygon(points=as_points(ring)))
    return frame.points(1 + mm / spacing / frame.radius)


def _one_mm_outside(mass: Mass, rng: np.random.Generator) -> Floats:
    return _moved(mass.truth, 1.0, mass.unit)


def _without_a_habit(mass: Mass, rng: np.random.Generator) -> Floats:
    """As the program proposes, now a little outside and now a little inside."""
    ring = propose_margin(mass.pixels, mass.outline)
    return _moved(ring, float(rng.choice((-0.4, 0.4))), mass.unit)


def _traced(masses: list[Mass], reader: Reader) -> list[TracedMargin]:
    rng = np.random.default_rng(3)
    return [
        trace(m.pixels, m.outline, [_closed(reader(m, rng))], spacing_mm=m.unit, patient_id=m.patient)
        for m in masses
    ]


def _closed(ring: Floats) -> Floats:
    return np.vstack([ring, ring[:1]])


@pytest.fixture(scope="module")
def masses() -> list[Mass]:
    return list(phantom_masses(20, SEED))


@pytest.fixture(scope="module")
def outside(masses: list[Mass]) -> LearnedMargin:
    return learn(_traced(masses, _one_mm_outside))


def test_a_reader_who_draws_one_mm_outside_is_followed(outside: LearnedMargin) -> None:
    learned = outside
    assert learned.used and learned.high_mm is not None and learned.high_mm < 0
    assert learned.lesions == 20 and learned.patients == 10
    assert 0.5 < learned.shift_mm < 1.6
    rng = np.random.default_rng(0)
    change = []
    for mass in phantom_masses(8, OTHER):
        theirs = _one_mm_outside(mass, rng)
        ours = propose_margin(mass.pixels, mass.outline, settings=learned.settings(mass.unit))
        usual = propose_margin(mass.pixels, mass.outline)
        change.append(mass.unit * (ring_distance(ours, theirs) - ring_distance(usual, theirs)))
    assert np.mean(change) < -0.3, "patients that nothing was learned from"


def test_nothing_is_used_of_a_reader_without_a_habit(masses: list[Mass]) -> None:
    learned = learn(_traced(masses, _without_a_habit))
    assert not learned.used and learned.change_mm is not None
    assert learned.settings(0.1) == DEFAULT
    assert "not better" in learned_text(learned)


def test_two_readers_of_different_habit_get_different_proposals(
    masses: list[Mass], outside: LearnedMargin
) -> None:
    inside = learn(_traced(masses, lambda mass, rng: _moved(mass.truth, -1.0, mass.unit)))
    assert inside.used and outside.used
    assert outside.shift_mm - inside.shift_mm == pytest.approx(2.0, abs=0.4)


def test_a_few_patients_are_too_few() -> None:
    def margin(patient: int) -> TracedMargin:
        return TracedMargin(patient_id=f"p{patient}", away_mm=tuple(np.full(9, 1.0) for _ in OUTWARDS))

    few = learn([margin(i) for i in range(FEWEST - 1)])
    assert not few.used and few.change_mm is None and few.settings(0.1) == DEFAULT
    enough = learn([margin(i) for i in range(FEWEST)])
    assert enough.used and enough.shift_mm == 1.0 and enough.change_mm == -1.0


def test_without_a_pixel_spacing_the_default_is_used() -> None:
    learned = LearnedMargin(outwards=0.2, shift_mm=1.0, lesions=20, patients=10, change_mm=-0.5, used=True)
    assert learned.settings(None) == DEFAULT
    assert learned.settings(0.1).beside == pytest.approx(10.0)
