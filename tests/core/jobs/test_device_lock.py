"""Devices that several people share: one training for each, whoever is first."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.domain.errors import Cancelled
from core.domain.events import Event, Message
from core.jobs import device_lock
from core.jobs.device_lock import PLACE, PROCESSOR, busy_devices, card_names, one_of
from core.jobs.supervisor import ROOT

_OTHER = """
import sys
from core.jobs.device_lock import one_of
with one_of(sys.argv[1:], emit=print, cancelled=lambda: False) as device:
    print(device, flush=True)
    sys.stdin.read()
"""


def test_the_second_takes_the_next_device_or_waits_until_its_holder_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PLACE, str(tmp_path / "devices"))
    monkeypatch.setattr(device_lock, "_WAIT_S", 0.05)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    cards = card_names(2)
    other = subprocess.Popen(
        [sys.executable, "-c", _OTHER, *cards], cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert other.stdout is not None and other.stdout.readline().strip() == cards[0]
        assert list(busy_devices(cards)) == [cards[0]] and " since " in busy_devices(cards)[cards[0]]
        with one_of(cards, emit=lambda event: None, cancelled=lambda: False) as mine:
            assert mine == cards[1] and list(busy_devices(cards)) == cards
        said: list[Event] = []
        with pytest.raises(Cancelled), one_of(cards[:1], emit=said.append, cancelled=lambda: bool(said)):
            pass
        assert isinstance(said[0], Message) and "Waiting for a free device: graphics card 0 by" in said[0].text
    finally:
        other.kill()
        other.communicate()
    with one_of(cards[:1], emit=lambda event: None, cancelled=lambda: True) as mine:
        assert mine == cards[0]  # its holder died without giving it back


def test_a_card_has_one_name_whichever_cards_a_process_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    for chosen, names in (("", ["0", "1"]), ("3,1", ["3", "1"]), ("GPU-8f3a,GPU-77b0", ["0", "1"])):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)
        assert card_names(2) == [f"graphics card {name}" for name in names]


def test_a_link_in_place_of_a_lock_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PLACE, str(tmp_path))
    mine = tmp_path / "my file"
    mine.write_text("mine")
    (tmp_path / "processor.lock").symlink_to(mine)
    said: list[Event] = []
    with one_of([PROCESSOR], emit=said.append, cancelled=lambda: False):
        assert mine.read_text() == "mine"
    assert os.path.islink(tmp_path / "processor.lock") and isinstance(said[0], Message)  # noqa: PTH114
    assert "devices may be shared" in said[0].text
