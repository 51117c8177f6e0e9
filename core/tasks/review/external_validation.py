"""External validation: a finished model evaluated on a whole study that was not used for its training.

The figures are those of ``evaluate``, with the same intervals. They come with calibration before and after
recalibration in the large, and with the differences between these inputs and those of the training. A study that
holds an image of a training patient is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from core.data.roi_set import RoiSet
from core.data.training_set import build_roi_set
from core.domain.errors import StudyError
from core.domain.events import Emit, IsCancelled, Progress, never, silent
from core.domain.messages import message, verbatim
from core.domain.study import Run
from core.domain.vocabulary import Part
from core.evaluation.control import plain_features
from core.evaluation.predictions import Predictions
from core.evaluation.report import EvaluationReport
from core.statistics.bootstrap import DRAWS, resample
from core.statistics.calibration import calibration, recalibrated
from core.statistics.estimate import Estimate
from core.store.study import Study
from core.tasks.review.evaluate_runs import reports_of, run_on_study
from core.tasks.runs.lifecycle import active_model, request_of
from core.tasks.runs.run_data import roi_request

Float = NDArray[np.float64]
_USUAL = (1.0, 99.0)
"""Percentiles of the training lesions within which an input counts as usual."""
_MANY = 0.1
"""Share of lesions outside the usual range from which on the shift is warned of; 2% are expected."""


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """Median and quartiles of a quantity over lesions."""

    median: float
    low: float
    high: float
    n: int

    def text(self) -> str:
        return f"{self.median:.3g} ({self.low:.3g} to {self.high:.3g}, n = {self.n})"


class Shift(msgspec.Struct, frozen=True, kw_only=True):
    """One property of the inputs here and in the training."""

    quantity: str
    here: Spread | None
    training: Spread | None
    """None where it is not known: a shared model does not carry the inputs that it was trained on."""
    outside: float | None
    """Share of the lesions here outside the 1st to 99th percentile of the training lesions."""


class Recalibration(msgspec.Struct, frozen=True, kw_only=True):
    """Calibration of malignancy before and after its intercept was fitted to this study (slope held at 1)."""

    lesions: int
    observed: float
    """Share of malignant lesions."""
    predicted: float
    """Mean predicted probability, before."""
    in_the_large: Estimate
    """Intercept with the slope held at 1, in log odds: 0 where observed and predicted agree."""
    slope: Estimate
    brier_before: Estimate
    brier_after: Estimate
    """On the lesions that the intercept was fitted on: one number was learned from them."""


class ExternalValidation(msgspec.Struct, frozen=True, kw_only=True):
    """One model on one study that it never saw."""

    model: str
    run: str
    study: str
    synthetic: bool
    reports: tuple[EvaluationReport, ...]
    recalibration: Recalibration | None
    """None where no lesion has both a biopsy result and a predicted malignancy."""
    shift: tuple[Shift, ...]
    warnings: tuple[str, ...]


def validate_externally(
    home: Study,
    run: Run,
    study: Study,
    *,
    draws: int = DRAWS,
    emit: Emit = silent,
    cancelled: IsCancelled = never,
) -> ExternalValidation:
    """Evaluate a run of ``home`` (trained there, or imported) on all lesions of ``study`` with a trained class.

    ``home`` and ``study`` may be the same if the model was imported. Raises: StudyError if a training patient is
    in ``study``, or if no lesion can be evaluated.
    """
    refuse_training_patients(home, run, study)
    emit(Progress(stage="evaluation", done=0, total=3, detail=message("regions of interest")))
    opened = run_on_study(home, run, study, emit=emit, cancelled=cancelled)
    if len(opened.rois) == 0:
        raise StudyError(
            message(
                "{study} has no lesion with a class that {run} was trained on.",
                study=study.info.name,
                run=run.name,
            )
        )
    emit(Progress(stage="evaluation", done=1, total=3, detail=verbatim(run.name)))
    predictions = opened.predictions(cancelled)
    emit(Progress(stage="evaluation", done=2, total=3, detail=message("intervals")))
    training = opened.training
    shift = input_shift(inputs_of(study, opened.rois), inputs_of(home, training) if len(training) else {})
    reports = reports_of(predictions, study, others=opened.comparators(emit, cancelled), draws=draws)
    emit(Progress(stage="evaluation", done=3, total=3))
    return ExternalValidation(
        model=predictions.model,
        run=run.name,
        study=study.info.name,
        synthetic=any(report.synthetic for report in reports),
        reports=tuple(reports),
        recalibration=recalibration(predictions, draws=draws),
        shift=shift,
        warnings=(
            *_synthetic_model(opened.model.card.synthetic, study),
            *_new_sources(home, training, study, opened.rois),
            *_shift_warnings(shift),
        ),
    )


def refuse_training_patients(home: Study, run: Run, study: Study) -> None:
    """StudyError where ``study`` holds a patient, or an image, that the run was trained or validated on.

    Found by patient id (derived from the first image) and by the content of images; for an imported model by the
    ROIs that its prototypes were taken from. Another image of a training patient is not recognised.
    """
    parts = request_of(home, run).parts
    seen = {patient for patient, part in parts.items() if part is not Part.TEST}
    content = {image.content_sha256 for image in home.images.all() if image.patient_id in seen}
    here = {image.content_sha256: image.patient_id for image in study.images.all()}
    shared = {patient.id for patient in study.patients.all() if patient.id in seen}
    shared |= {here[one] for one in content if one in here}
    if not shared:
        model = active_model(home, run)
        request = roi_request(request_of(home, run).config)
        sources = {one.roi_sha256 for one in model.card.prototypes}
        rois = build_roi_set(study, request).rois
        shared = {rois.patient_ids[row] for row in range(len(rois)) if rois.roi_sha256(row) in sources}
    if shared:
        count = f"{len(shared)} patient{'s' if len(shared) > 1 else ''}"
        raise StudyError(
            message(
                "{study} is not an external study for {run}: it holds {count} that the model was "
                "trained "
                "or validated on. Evaluate it on its own test part, or on a study without these patients.",
                study=study.info.name,
                run=run.name,
                count=count,
            )
        )


def inputs_of(study: Study, rois: RoiSet) -> dict[str, Float]:
    """(n,) properties of the inputs by name; NaN where one is not known."""
    image_of = {lesion.id: lesion.image_id for lesion in study.lesions.all()}
    spacing_of = {image.id: image.pixel_spacing_mm for image in study.images.all()}
    spacing = np.array([spacing_of[image_of[lesion]] or np.nan for lesion in rois.lesion_ids], dtype=np.float64)
    features = plain_features(rois)
    grey = rois.central(rois.pixels).astype(np.float32)
    diameter = np.sqrt(4 / np.pi * np.exp(features[:, 0]))
    return {
        "pixel spacing, mm": spacing,
        "lesion diameter, pixels": diameter,
        "lesion diameter, mm": diameter * spacing,
        "mean grey of the ROI, 0 to 255": grey.mean(axis=(1, 2), dtype=np.float64),
        "spread of grey in the ROI": grey.std(axis=(1, 2), dtype=np.float64),
        "contrast of the lesion to the ring around it": features[:, 1],
    }


def input_shift(here: Mapping[str, Float], training: Mapping[str, Float]) -> tuple[Shift, ...]:
    """One row a property of the inputs here."""
    rows = []
    for quantity, values in here.items():
        known = values[~np.isnan(values)]
        before = training.get(quantity, np.empty(0))
        before = before[~np.isnan(before)]
        outside = None
        if len(known) and len(before):
            low, high = np.percentile(before, _USUAL)
            outside = float(((known < low) | (known > high)).mean())
        rows.append(Shift(quantity=quantity, here=_spread(known), training=_spread(before), outside=outside))
    return tuple(rows)


def _spread(values: Float) -> Spread | None:
    if not len(values):
        return None
    low, median, high = (float(v) for v in np.percentile(values, (25, 50, 75)))
    return Spread(median=median, low=low, high=high, n=len(values))


def _shift_warnings(shift: Sequence[Shift]) -> list[str]:
    found = [
        f"{one.outside:.0%} of the lesions lie outside the training's usual range of {one.quantity.split(',')[0]}."
        for one in shift
        if one.outside is not None and one.outside > _MANY
    ]
    if all(one.training is None for one in shift):
        found.append(
            "The inputs that the model was trained on are not known here: a shift of them cannot be measured."
        )
    return found


def _synthetic_model(synthetic: bool, study: Study) -> list[str]:
    """Return the note for a model of computed images: it is not a model of patients, on any study."""
    if synthetic and not study.is_synthetic:
        return [
            "The model was trained on synthetic images; the figures say nothing about a model trained on patients."
        ]
    return []


def _new_sources(home: Study, training: RoiSet, study: Study, rois: RoiSet) -> list[str]:
    """Detectors that no training image came from."""
    if len(training) == 0:
        return []
    before, here = _detectors(home, training), _detectors(study, rois)
    unseen = sorted(here - before)
    return [f"No training image came from: {', '.join(unseen)}."] if unseen else []


def _detectors(study: Study, rois: RoiSet) -> set[str]:
    image_of = {lesion.id: lesion.image_id for lesion in study.lesions.all()}
    detector = {image.id: image.detector or "an unnamed detector" for image in study.images.all()}
    return {detector[image_of[lesion]] for lesion in rois.lesion_ids}


def recalibration(predictions: Predictions, *, draws: int = DRAWS) -> Recalibration | None:
    """Calibration in the large of predicted malignancy on the biopsied lesions, before and after correcting it."""
    known = (predictions.malignant >= 0) & ~np.isnan(predictions.malignancy)
    if not known.any():
        return None
    outcome = predictions.malignant[known] == 1
    probability = 1 / (1 + np.exp(-predictions.malignancy[known]))
    patients = tuple(p for p, k in zip(predictions.patient_ids, known, strict=True) if k)
    drawn = resample(patients, int(known.sum()), draws=draws)
    before = calibration(outcome, probability, drawn)
    after = calibration(outcome, recalibrated(outcome, probability), drawn)
    return Recalibration(
        lesions=int(known.sum()),
        observed=float(outcome.mean()),
        predicted=float(probability.mean()),
        in_the_large=before.in_the_large,
        slope=before.slope,
        brier_before=before.brier,
        brier_after=after.brier,
    )


def external_text(found: ExternalValidation) -> str:
    """Recalibration, shift and warnings as lines for a terminal; the reports print themselves."""
    lines = []
    one = found.recalibration
    if one is not None:
        lines += [
            f"Malignancy on {one.lesions} biopsied lesions: observed {one.observed:.3f}, predicted "
            f"{one.predicted:.3f}; calibration in the large {one.in_the_large}, slope {one.slope}.",
            f"Brier score {one.brier_before}; {one.brier_after} after recalibration in the large (one intercept, "
            "fitted on these lesions).",
        ]
    lines.append("Inputs, median (quartiles):")
    for shift in found.shift:
        here = "unknown" if shift.here is None else shift.here.text()
        before = "unknown" if shift.training is None else shift.training.text()
        outside = "" if shift.outside is None else f"; {shift.outside:.0%} outside the training's usual range"
        lines.append(f"  {shift.quantity}: {here}; training {before}{outside}")
    return "\n".join([*lines, *(f"Note: {warning}" for warning in found.warnings)])
