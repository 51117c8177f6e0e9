"""The outcomes of several runs as one: a list, or one error that names those that failed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from core.domain.errors import Cancelled, MarginaliaError, TrainingError
from core.domain.events import Event, Message, Metrics, Progress
from core.domain.messages import joined, message

T = TypeVar("T")


def gather(found: Mapping[str, T | MarginaliaError | Cancelled]) -> list[T]:
    """Return the results in their order. Raises: Cancelled if one was cancelled; the error of a single run; a
    TrainingError that names the runs that failed."""
    if any(isinstance(one, Cancelled) for one in found.values()):
        raise Cancelled
    failed = {name: one for name, one in found.items() if isinstance(one, MarginaliaError)}
    if len(failed) == 1 and len(found) == 1:
        raise next(iter(failed.values()))
    if failed:
        raise TrainingError(
            joined(message("{name}: {error}", name=name, error=error) for name, error in failed.items())
        )
    return [one for one in found.values() if not isinstance(one, MarginaliaError | Cancelled)]


def named_event(event: Event, name: str) -> Event:
    """Return the event with the name of its run, for a reader who follows several."""
    if isinstance(event, Progress | Metrics):
        return msgspec.structs.replace(event, stage=f"{name}: {event.stage}")
    if isinstance(event, Message):
        return msgspec.structs.replace(event, text=f"{name}: {event.text}")
    return event
