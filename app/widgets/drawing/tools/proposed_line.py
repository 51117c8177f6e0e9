"""A proposed closed line of which parts can be accepted one after the other."""

from __future__ import annotations

import math

from core.domain.geometry import Point


class ProposedLine:
    """``points``: around the mass, the first one not repeated. ``accepted``: by place, whether the piece from
    there to the next place is accepted already."""

    def __init__(self, points: tuple[Point, ...], accepted: list[bool] | None = None) -> None:
        self.ring = points
        self.accepted = accepted or [False] * len(points)

    @property
    def untouched(self) -> bool:
        """True if nothing of the line was accepted."""
        return not any(self.accepted)

    def nearest(self, at: Point) -> int:
        return min(range(len(self.ring)), key=lambda i: math.dist(self.ring[i], at))

    def followed(self, first: int, count: int, here: int) -> int:
        """Return the number of pieces from ``first`` (negative: against the order) after a drag that had covered
        ``count`` came to the place ``here``: of the two ways there, the one nearer to the drag so far."""
        size = len(self.ring)
        ahead = (here - first) % size
        return min((ahead, ahead - size), key=lambda way: abs(way - count))

    def part(self, first: int, count: int) -> tuple[Point, ...]:
        """The points of these pieces, both ends included."""
        step = 1 if count >= 0 else -1
        return tuple(self.ring[(first + step * i) % len(self.ring)] for i in range(abs(count) + 1))

    def accept(self, first: int, count: int) -> None:
        start = first if count >= 0 else first + count
        for i in range(abs(count)):
            self.accepted[(start + i) % len(self.ring)] = True

    def left(self) -> tuple[tuple[Point, ...], ...]:
        """The stretches that are not accepted yet; the whole line, closed, if none is."""
        size = len(self.ring)
        if self.untouched:
            return ((*self.ring, self.ring[0]),)
        found: list[tuple[Point, ...]] = []
        for start in range(size):
            if self.accepted[start] or not self.accepted[start - 1]:
                continue
            length = 1
            while not self.accepted[(start + length) % size]:
                length += 1
            found.append(self.part(start, length))
        return tuple(found)
