"""Trainings of this machine on its graphics cards, which are stood for by their names."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.domain.errors import Cancelled
from core.domain.events import Event, Message
from core.jobs.device_lock import PLACE, busy_devices
from core.jobs.execution_target import SHARED, with_threads
from core.tasks.runs import held_device
from core.tasks.runs.held_device import held_card
from core.training.team import ALONE, Team

CARDS = ["graphics card 0", "graphics card 1"]


@pytest.fixture
def used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Which card each training chose, of two."""
    chosen: list[int] = []
    monkeypatch.setenv(PLACE, str(tmp_path))
    monkeypatch.setattr(held_device, "cards_for", lambda device: [] if device == "cpu" else CARDS)
    monkeypatch.setattr(held_device, "use_card", chosen.append)
    return chosen


def _hold(device: str = "auto", team: Team = ALONE, said: list[Event] | None = None):  # type: ignore[no-untyped-def]
    kept: list[Event] = [] if said is None else said
    return held_card(device, team, emit=kept.append, cancelled=lambda: bool(kept))


def test_each_training_has_a_card_of_its_own_and_a_third_waits(used: list[int]) -> None:
    said: list[Event] = []
    with _hold(), _hold():
        assert used == [0, 1] and list(busy_devices(CARDS)) == CARDS
        with pytest.raises(Cancelled), _hold(said=said):
            pass
    assert isinstance(said[0], Message) and said[0].text.startswith(
        "Waiting for a free device: graphics card 0 by"
    )
    assert not busy_devices(CARDS)


def test_several_at_once_that_one_user_asked_for_share_what_is_in_use(
    used: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[Event] = []
    monkeypatch.setenv(SHARED, with_threads(1).environment[SHARED])
    with _hold(), _hold(), _hold(said=said):
        assert used == [0, 1, 0]
    assert isinstance(said[0], Message) and said[0].text.startswith("Sharing a device that is in use")


def test_a_process_of_a_team_holds_its_own_card_and_the_processor_is_held_by_nobody(
    used: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")
    with _hold(team=Team(rank=1, size=2)), _hold("cpu"):
        assert list(busy_devices(CARDS)) == CARDS[1:] and used == []
    monkeypatch.setenv("SLURM_JOB_ID", "7")  # Slurm chose the card
    with _hold():
        assert not busy_devices(CARDS)
