"""How the costs of a study grow: each is measured at several sizes, and the exponent fitted through them.

    python -m tests.benchmarks growth [--quick]

Processor time of the best of three, which what else the machine does changes least. An exponent of 1 is linear; no
cost may exceed 1.05. Nothing is asserted here.
"""

from __future__ import annotations

import math
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.domain.shapes import Length, Line, Shape
from core.store.check import check_study
from core.store.study import Study
from tests.core.store.helpers import add_case

SIZES, QUICK = (100, 300, 1000), (20, 60)
LIMIT = 1.05
_SIDE = 500


@dataclass(frozen=True, kw_only=True)
class Growth:
    what: str
    unit: str
    values: dict[int, float]
    """By size."""

    @property
    def exponent(self) -> float:
        return exponent(list(self.values), list(self.values.values()))


def exponent(sizes: Sequence[int], values: Sequence[float]) -> float:
    """The slope of the least-squares line through the logarithms; values of 0 count as the smallest number."""
    x, y = [math.log(size) for size in sizes], [math.log(max(value, 1e-9)) for value in values]
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    above = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True))
    return above / sum((a - mean_x) ** 2 for a in x)


def line(source: random.Random) -> Line:
    points = tuple((source.random() * _SIDE, source.random() * _SIDE) for _ in range(40))
    return Line(points=points, width=Length(value=3.0, unit="px"))


def spent(work: Callable[[], object], rounds: int = 3) -> float:
    """Processor milliseconds of the best round."""
    least = math.inf
    for _ in range(rounds):
        began = time.process_time()
        work()
        least = min(least, time.process_time() - began)
    return least * 1e3


def drawn_on(folder: Path, strokes: int) -> tuple[Study, str, list[Shape]]:
    """A study with one lesion on which as many strokes were drawn, one a revision."""
    source = random.Random(strokes)
    study = Study.create(folder, name=folder.name, synthetic=True, holder="Benchmark")
    add_case(study, 1)
    reader = study.readers.ensure("Dr A").id
    shapes: list[Shape] = [line(source) for _ in range(strokes)]
    with study.batch():
        for number in range(strokes):
            study.annotations.commit("l1", reader, tuple(shapes[: number + 1]))
    return study, reader, shapes


def costs_of(study: Study, reader: str, shapes: Sequence[Shape]) -> dict[tuple[str, str], float]:
    """Each cost of a lesion with these strokes, by its name and unit."""
    kept, size, more = study.annotations, len(shapes), line(random.Random(-1))
    since = kept.dates("l1", reader)[1]
    return {
        ("commit of one more stroke", "ms"): spent(lambda: kept.commit("l1", reader, (*shapes, more))),
        ("the newest revision", "ms"): spent(lambda: kept.current("l1", reader)),
        ("the revisions since one", "ms"): spent(lambda: kept.history("l1", reader, after=size)),
        ("number of revisions since a time", "ms"): spent(lambda: kept.committed_since(since)),
        ("check", "ms"): spent(lambda: check_study(study), 1),
    }


def measure(sizes: Sequence[int] = SIZES) -> list[Growth]:
    """The costs of a lesion by the strokes on it, and of the audit trail that they leave."""
    found: dict[tuple[str, str], dict[int, float]] = {}
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="bench-growth-") as place:
            study, reader, shapes = drawn_on(Path(place) / "study", size)
            with study:
                figures = costs_of(study, reader, shapes)
            figures["database", "kB"] = (Path(place) / "study" / "study.db").stat().st_size / 1e3
        for name, value in figures.items():
            found.setdefault(name, {})[size] = value
    return [Growth(what=what, unit=unit, values=values) for (what, unit), values in found.items()]


def table(found: Sequence[Growth]) -> str:
    """As Markdown, a row a cost."""
    sizes = list(found[0].values)
    lines = [
        f"| strokes on one lesion | {' | '.join(map(str, sizes))} | exponent |",
        "| --- " * (len(sizes) + 2) + "|",
    ]
    for one in found:
        values = " | ".join(f"{value:.1f}" for value in one.values.values())
        lines.append(f"| {one.what}, {one.unit} | {values} | {one.exponent:.2f} |")
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> None:
    found = measure(QUICK if "--quick" in arguments else SIZES)
    sys.stdout.write(f"{table(found)}\n")
    worse = [one.what for one in found if one.exponent > LIMIT]
    sys.stdout.write(f"Over {LIMIT}: {', '.join(worse) if worse else 'none'}.\n")
