"""The figures of a run after each of its epochs and stages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec


@dataclass(frozen=True, kw_only=True)
class Point:
    """Figures after an epoch or a stage."""

    stage: str
    epoch: int
    values: Mapping[str, float | None]


class _HistoryEntry(msgspec.Struct, frozen=True):
    stage: str
    epoch: int
    values: dict[str, float | None]


def read_history(path: Path) -> list[Point]:
    """In the order in which they came; empty where the run left none yet."""
    try:
        entries = msgspec.json.decode(path.read_bytes(), type=list[_HistoryEntry])
    except (OSError, msgspec.MsgspecError):
        return []
    return [Point(stage=e.stage, epoch=e.epoch, values=e.values) for e in entries]
