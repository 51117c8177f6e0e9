"""A reader's habit in drawing margins, learned from their own margins of this study.

Two parameters are fitted: how far the line moves outwards where the margin fades (``ProposalSettings.outwards``),
and a shift of the whole line in millimetres. What a new patient would see is measured by leaving each patient out
in turn: the parameters are fitted to the others and compared with the default ones on that patient. They are used
only where the mean change is below 0 with its whole interval, clustered by patient.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from core.domain.events import IsCancelled, never
from core.domain.shapes import Line, Polygon, Role
from core.domain.study import FineAnnotation, LesionOutline
from core.imaging.margin.frame import as_points, frame_of
from core.imaging.margin.proposal import DEFAULT, ProposalSettings, propose_margin
from core.statistics.bootstrap import mean_estimate, resample
from core.store.study import Study

Floats = NDArray[np.float64]
OUTWARDS = (0.0, 0.2, 0.4, 0.6, 0.8)
FEWEST = 8
"""Patients without whom nothing is learned."""
MOST = 60
"""Lesions that are looked at, the newest first."""
LEARNED = "proposal.learned"
"""Action in the audit trail; the newest record of a reader counts."""
_BETWEEN = 2.0
"""Distance of the places along a drawn line that are compared, px."""
_DEFAULT = OUTWARDS.index(DEFAULT.outwards)


class LearnedMargin(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters learned from a reader, and whether they are better than the default ones."""

    outwards: float
    shift_mm: float
    lesions: int
    patients: int
    change_mm: float | None = None
    """Mean distance of the reader's margin with the learned parameters less that with the default ones, each
    patient left out in turn; None without enough patients."""
    low_mm: float | None = None
    high_mm: float | None = None
    used: bool = False

    def settings(self, spacing_mm: float | None) -> ProposalSettings:
        """The settings for a mammogram; the default ones where nothing better was learned, or without spacing."""
        if not self.used or spacing_mm is None:
            return DEFAULT
        return msgspec.structs.replace(DEFAULT, outwards=self.outwards, beside=self.shift_mm / spacing_mm)


@dataclass(frozen=True, kw_only=True, eq=False)
class TracedMargin:
    """Distances of a reader's margin of one lesion from the proposed lines."""

    patient_id: str
    away_mm: tuple[Floats, ...]
    """For each of ``OUTWARDS`` the distance of every place of the margin from the proposed line along its ray,
    outwards positive."""


def trace(
    pixels: NDArray[np.generic],
    outline: LesionOutline,
    lines: Sequence[NDArray[np.float64]],
    *,
    spacing_mm: float,
    inverted: bool = False,
    patient_id: str = "",
) -> TracedMargin:
    """Compare a reader's lines ((n, 2) places, px) with the proposals for a lesion.

    ValueError if the outline has no area.
    """
    places = np.concatenate([_evenly(line) for line in lines])
    found = []
    for outwards in OUTWARDS:
        settings = msgspec.structs.replace(DEFAULT, outwards=outwards)
        ring = propose_margin(pixels, outline, inverted=inverted, settings=settings)
        frame = frame_of(Polygon(points=as_points(ring)))
        rays = np.array([frame.locate((float(x), float(y))) for x, y in places])
        radius = np.interp(rays[:, 0], np.arange(len(frame.radius) + 1), np.append(frame.radius, frame.radius[0]))
        found.append((rays[:, 1] - 1) * radius * spacing_mm)
    return TracedMargin(patient_id=patient_id, away_mm=tuple(found))


def learn(margins: Sequence[TracedMargin]) -> LearnedMargin:
    """Fit the parameters, and measure by leaving patients out whether they are better than the default ones."""
    patients = [one.patient_id for one in margins]
    if len(set(patients)) < FEWEST:
        return LearnedMargin(
            outwards=DEFAULT.outwards, shift_mm=0.0, lesions=len(margins), patients=len(set(patients))
        )
    change = np.zeros(len(margins))
    for patient in sorted(set(patients)):
        choice, shift = _fitted([one for one in margins if one.patient_id != patient])
        for i, one in enumerate(margins):
            if one.patient_id == patient:
                change[i] = _distance(one, choice, shift) - _distance(one, _DEFAULT, 0.0)
    estimate = mean_estimate(change, resample(patients, len(margins)))
    choice, shift = _fitted(margins)
    return LearnedMargin(
        outwards=OUTWARDS[choice],
        shift_mm=round(shift, 2),
        lesions=len(margins),
        patients=len(set(patients)),
        change_mm=estimate.value,
        low_mm=estimate.low,
        high_mm=estimate.high,
        used=estimate.high is not None and estimate.high < 0,
    )


def _fitted(margins: Sequence[TracedMargin]) -> tuple[int, float]:
    """Return the place in ``OUTWARDS`` and the shift in mm with the smallest mean distance."""
    best: tuple[float, int, float] | None = None
    for choice in range(len(OUTWARDS)):
        shift = float(np.median([np.median(one.away_mm[choice]) for one in margins]))
        cost = float(np.mean([_distance(one, choice, shift) for one in margins]))
        if best is None or cost < best[0]:
            best = cost, choice, shift
    assert best is not None
    return best[1], best[2]


def _distance(one: TracedMargin, choice: int, shift: float) -> float:
    return float(np.abs(one.away_mm[choice] - shift).mean())


def _evenly(line: NDArray[np.float64]) -> Floats:
    way = np.append(0.0, np.cumsum(np.hypot(*np.diff(line, axis=0).T)))
    at = np.linspace(0, way[-1], max(int(way[-1] / _BETWEEN), 2))
    return np.stack([np.interp(at, way, line[:, axis]) for axis in (0, 1)], axis=1)


def learn_of_reader(study: Study, reader_id: str, *, cancelled: IsCancelled = never) -> LearnedMargin:
    """Learn from the newest margins of a reader; nothing is written. Stops early where ``cancelled``."""
    images = {image.id: image for image in study.images.all()}
    lesions = {lesion.id: lesion for lesion in study.lesions.all()}
    found: list[TracedMargin] = []
    for annotation in study.annotations.latest_of(reader_id, MOST):
        lines = _lines(annotation)
        lesion = lesions.get(annotation.lesion_id)
        if not lines or lesion is None or cancelled():
            continue
        image = images[lesion.image_id]
        if lesion.outline is None or image.pixel_spacing_mm is None or image.frames > 1:
            continue
        inverted = image.photometric == "MONOCHROME1"
        found.append(
            trace(
                study.arrays.read_pixels(image.id),
                lesion.outline,
                lines,
                spacing_mm=image.pixel_spacing_mm,
                inverted=inverted,
                patient_id=image.patient_id,
            )
        )
    return learn(found)


def _lines(annotation: FineAnnotation) -> list[NDArray[np.float64]]:
    return [
        np.asarray(shape.points, np.float64)
        for shape in annotation.shapes
        if isinstance(shape, Line) and not shape.erases and shape.role is Role.MARGIN
    ]


def keep_learned(study: Study, reader_id: str, learned: LearnedMargin) -> None:
    """Record what was learned in the audit trail."""
    study.audit.record(LEARNED, f"reader {reader_id}", new=learned)


def learned_of(study: Study, reader_id: str) -> LearnedMargin | None:
    """Return what was learned last of a reader; None if nothing was."""
    records = [one for one in study.audit.of(LEARNED, f"reader {reader_id}") if one.new is not None]
    return msgspec.json.decode(records[-1].new or "{}", type=LearnedMargin) if records else None


def learned_text(learned: LearnedMargin | None) -> str:
    """One sentence on which parameters are in use."""
    if learned is None or learned.change_mm is None:
        return f"The default proposal is used; own margins of at least {FEWEST} patients are needed to learn from."
    interval = f"{learned.change_mm:+.2f} mm ({learned.low_mm:+.2f} to {learned.high_mm:+.2f})"
    of = f"{learned.lesions} margins of {learned.patients} patients"
    if not learned.used:
        return f"The default proposal is used: what was learned from {of} is not better ({interval})."
    return (
        f"Proposals follow own margins, {learned.shift_mm:+.2f} mm outwards: learned from {of}, error {interval}."
    )
