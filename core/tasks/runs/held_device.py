"""The device of a training on a machine that several people use: a graphics card, or the processor.

Trainings that another machine sent wait for a free device, be it the processor. Trainings of this machine wait for
a free graphics card; on the processor they share its cores, as every other program does.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from core.domain.events import Emit, IsCancelled
from core.jobs.device_lock import PROCESSOR, card_names, one_of
from core.jobs.execution_target import SHARED
from core.platform.allocation import job_number
from core.training.config import TrainingConfig

if TYPE_CHECKING:
    from core.training.team import Team


@contextlib.contextmanager
def held_device(config: TrainingConfig, *, emit: Emit, cancelled: IsCancelled) -> Iterator[None]:
    """Hold a device for a training that another machine sent. Raises: Cancelled while it waits."""
    cards = cards_for(config.device)
    with one_of(cards or [PROCESSOR], emit=emit, cancelled=cancelled) as device:
        if cards:
            use_card(cards.index(device))
        yield


@contextlib.contextmanager
def held_card(device: str, team: Team, *, emit: Emit, cancelled: IsCancelled) -> Iterator[None]:
    """Hold a graphics card for a training of this machine, if ``device`` (of a configuration) allows one.

    Several at once that their user asked for (``--launcher local:N``), and the processes of a team, do not wait:
    they share a card that is in use. Raises: Cancelled while it waits.
    """
    cards = [] if job_number() else cards_for(device)  # Slurm gives each job its own
    if not cards:
        yield
        return
    if team.size > 1:
        cards = [cards[int(os.environ.get("LOCAL_RANK", "0")) % len(cards)]]
    waits = team.size == 1 and not os.environ.get(SHARED)
    with one_of(cards, emit=emit, cancelled=cancelled, waits=waits) as card:
        if team.size == 1:
            use_card(cards.index(card))
        yield


def cards_for(device: str) -> list[str]:
    """Return the names of the graphics cards that a training with this ``device`` may use."""
    import torch

    return card_names(torch.cuda.device_count()) if device != "cpu" and torch.cuda.is_available() else []


def use_card(index: int) -> None:
    import torch

    torch.cuda.set_device(index)
