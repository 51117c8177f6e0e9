"""How a reader annotates: time for each case and shape, and what became of the program's proposals.

A reader's time on a case is the sum of the gaps between revisions of its annotation; a gap of more than two
minutes is a pause and counts as nothing. The time before the first stroke is not recorded, so that the figures
compare readers and months, and are no measure of the whole effort.
"""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from statistics import median

import msgspec

from core.domain.shapes import Origin
from core.store.study import Study

PAUSE_S = 120.0
REFUSED = "annotation.proposal_refused"


class AnnotatorFigures(msgspec.Struct, frozen=True, kw_only=True):
    reader: str
    cases: int
    """Lesions with shapes of this reader."""
    shapes: int
    drawn: int
    proposed: int
    """Proposed shapes that were accepted as they were."""
    edited: int
    refused: int
    """Proposals of which nothing was accepted."""
    seconds_a_case: float | None
    """Median over the cases with more than one revision; None without one."""
    seconds_a_shape: float | None
    """Time of these cases over their shapes."""

    @property
    def accepted_share(self) -> float | None:
        """Return the share of the shown proposals that were accepted, whole or in part; None without any."""
        shown = self.proposed + self.edited + self.refused
        return (self.proposed + self.edited) / shown if shown else None


def annotator_figures(study: Study) -> tuple[AnnotatorFigures, ...]:
    """Figures of every reader who drew something, in the order of entry."""
    found = []
    for reader in study.readers.all():
        current = [one for one in study.annotations.all_current(reader_id=reader.id) if one.shapes]
        if not current:
            continue
        origins = [shape.origin for one in current for shape in one.shapes]
        seconds = [(_seconds(study, one.lesion_id, reader.id), len(one.shapes)) for one in current]
        timed = [(each, count) for each, count in seconds if each is not None]
        found.append(
            AnnotatorFigures(
                reader=reader.name,
                cases=len(current),
                shapes=len(origins),
                drawn=origins.count(Origin.DRAWN),
                proposed=origins.count(Origin.PROPOSED),
                edited=origins.count(Origin.EDITED),
                refused=_refused(study, reader.id),
                seconds_a_case=median(each for each, _ in timed) if timed else None,
                seconds_a_shape=sum(s for s, _ in timed) / sum(n for _, n in timed) if timed else None,
            )
        )
    return tuple(found)


def _seconds(study: Study, lesion_id: str, reader_id: str) -> float | None:
    """None for a single revision, which shows no time."""
    times = [datetime.fromisoformat(one) for one in study.annotations.dates(lesion_id, reader_id).values()]
    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(times)]
    return sum(gap for gap in gaps if 0 <= gap <= PAUSE_S) or None


def _refused(study: Study, reader_id: str) -> int:
    return sum(record.subject.endswith(f" reader {reader_id}") for record in study.audit.all_of(REFUSED))


def figures_text(figures: tuple[AnnotatorFigures, ...]) -> str:
    """One line a reader."""
    if not figures:
        return "Nobody has drawn anything in this study."
    lines = []
    for one in figures:
        share = one.accepted_share
        accepted = "no proposals" if share is None else f"{share:.0%} of {_shown(one)} proposals accepted"
        times = "" if one.seconds_a_case is None else f", {one.seconds_a_case:.0f} s a case (median)"
        each = "" if one.seconds_a_shape is None else f", {one.seconds_a_shape:.0f} s a shape"
        lines.append(
            f"{one.reader}: {one.cases} cases, {one.shapes} shapes ({one.drawn} drawn, {one.proposed} proposed, "
            f"{one.edited} edited){times}{each}; {accepted}"
        )
    return "\n".join(lines)


def _shown(one: AnnotatorFigures) -> int:
    return one.proposed + one.edited + one.refused
