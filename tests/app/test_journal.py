"""One history of everything that is done on an image."""

from __future__ import annotations

import pytest

from app.state.journal import Act, Journal


def number_act(state: list[int], to: int, image: str = "i") -> Act:
    """Sets ``state[0]``; the act is done when it is made."""
    before = state[0]
    state[0] = to
    return Act(
        text=str(to),
        image_id=image,
        lesion_id="l",
        undo=lambda: state.__setitem__(0, before),
        redo=lambda: state.__setitem__(0, to),
    )


def test_acts_are_taken_back_and_done_again_in_their_order() -> None:
    journal, state = Journal(), [0]
    for value in (1, 2, 3):
        journal.record(number_act(state, value))
    seen = []
    while (act := journal.undoes("i")) is not None:
        journal.undo("i")
        seen.append((act.text, state[0]))
    assert seen == [("3", 2), ("2", 1), ("1", 0)]
    while journal.redoes("i") is not None:
        journal.redo("i")
    assert state == [3]


def test_a_new_act_forgets_what_could_be_done_again() -> None:
    journal, state = Journal(), [0]
    journal.record(number_act(state, 1))
    journal.undo("i")
    journal.record(number_act(state, 5))
    assert journal.redoes("i") is None
    journal.undo("i")
    assert state == [0]
    assert journal.undoes("i") is None


def test_each_image_has_its_own_acts() -> None:
    journal, one, other = Journal(), [0], [0]
    journal.record(number_act(one, 1, "a"))
    journal.record(number_act(other, 1, "b"))
    journal.undo("a")
    assert (one, other) == ([0], [1])
    assert journal.undoes("b") is not None


def test_an_act_that_cannot_be_taken_back_stays() -> None:
    journal = Journal()

    def fail() -> None:
        raise RuntimeError

    journal.record(Act(text="x", image_id="i", lesion_id="l", undo=fail, redo=fail))
    with pytest.raises(RuntimeError):
        journal.undo("i")
    assert journal.undoes("i") is not None


def test_an_act_with_others_after_it_is_taken_back_as_a_step_of_its_own() -> None:
    journal, link, stroke = Journal(), [0], [0]
    linked = number_act(link, 1)
    journal.record(linked)
    journal.record(number_act(stroke, 1))
    journal.take_back(linked)
    assert (link, stroke) == ([0], [1])
    journal.undo("i")
    assert (link, stroke) == ([1], [1])
    journal.undo("i")
    assert (link, stroke) == ([1], [0])
