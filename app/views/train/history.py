"""The figures of a run after each of its epochs and stages: those written down, and those that came since."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import msgspec

from core.domain.events import Metrics

FILE = "history.json"
GRADIENT_STAGES = ("warm start", "warm-up", "A1")
"""Stages whose epochs are steps of the curves; those between them fit other parts of the network."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """Figures after an epoch or a stage."""

    stage: str
    epoch: int
    values: Mapping[str, float | None]


@dataclass(frozen=True, kw_only=True)
class StageMark:
    """Start of a stage in the curves of a run: ``at`` is the index of its first point."""

    stage: str
    at: int


class _HistoryEntry(msgspec.Struct, frozen=True):
    stage: str
    epoch: int
    values: dict[str, float | None]


def read_history(path: Path) -> list[Point]:
    """In the order in which they came; empty where the run left none yet."""
    try:
        found = path.stat()
    except OSError:
        return []
    return list(_read(path, found.st_mtime_ns, found.st_size))


@lru_cache(maxsize=256)
def _read(path: Path, changed_ns: int, size: int) -> tuple[Point, ...]:
    """Read a history once for all lists and charts that show it; a changed file is another key."""
    try:
        entries = msgspec.json.decode(path.read_bytes(), type=list[_HistoryEntry])
    except (OSError, msgspec.MsgspecError):
        return ()
    return tuple(Point(stage=e.stage, epoch=e.epoch, values=e.values) for e in entries)


def continued(before: Sequence[Point], live: Iterable[Metrics]) -> list[Point]:
    """The points written down up to the first live one, then the live ones: a resumed run goes on with its curves,
    and one that began anew draws none of its former ones."""
    after = [Point(stage=m.stage, epoch=m.epoch, values=m.values) for m in live]
    if not after:
        return list(before)
    first = (after[0].stage, after[0].epoch)
    places = [place for place, point in enumerate(before) if (point.stage, point.epoch) == first]
    return [*before[: places[0] if places else len(before)], *after]


def auroc_course(points: Iterable[Point]) -> tuple[float, ...]:
    """The AUROC of the validation part, in the order of the points that have one."""
    values = (point.values.get("validation_auroc") for point in points)
    return tuple(value for value in values if value is not None)


def phases(points: Sequence[Point]) -> list[StageMark]:
    """Return the start of each gradient stage; projections and fits between the epochs of A1 belong to A1."""
    found: list[StageMark] = []
    for at, point in enumerate(points):
        if point.stage in GRADIENT_STAGES and (not found or found[-1].stage != point.stage):
            found.append(StageMark(stage=point.stage, at=at))
    return found


def projections(points: Sequence[Point]) -> list[int]:
    """Indices of the points after which prototypes are patches of training lesions."""
    return [at for at, point in enumerate(points) if point.stage == "A2"]
