"""Evaluation of a study's runs, per data set and per finding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.data.roi_set import RoiSet
from core.data.training_set import build_drawn_rois, build_roi_set
from core.domain.errors import StudyError
from core.domain.events import Emit, IsCancelled, Progress, never, silent
from core.domain.study import Run
from core.domain.vocabulary import Part
from core.evaluation.judge import judge
from core.evaluation.localisation import Controls, controls_of
from core.evaluation.map_figures import joined, of_sources
from core.evaluation.map_tests import MapRecord, explainer_of, measure, sample
from core.evaluation.predictions import Predictions, pooled
from core.evaluation.report import EvaluationReport, evaluate, evaluate_findings, with_maps
from core.model.checkpoint import LoadedModel
from core.statistics.bootstrap import DRAWS
from core.store.study import Study
from core.tasks.overview import is_synthetic
from core.tasks.run_data import roi_request
from core.tasks.runs import active_model, finished_run, request_of
from core.tasks.train import rows_of_parts

METHOD_NAMES = {"iaia-bl": "IAIA-BL", "protopnet": "ProtoPNet"}


@dataclass(frozen=True, kw_only=True, eq=False)
class RunToJudge:
    """A run's active model with the lesions that it is judged on; loaded once for every figure."""

    run: Run
    model: LoadedModel
    rois: RoiSet
    """Lesions with a trained class, of one part of the run's own split."""
    controls: Controls

    def predictions(self, cancelled: IsCancelled = never) -> Predictions:
        method = self.model.card.method
        name = METHOD_NAMES.get(method, method)
        return judge(self.model, self.rois, name=name, controls=self.controls, cancelled=cancelled)

    def maps(self, cancelled: IsCancelled = never) -> MapRecord:
        """Stability and faithfulness of the maps, on a sample of the lesions."""
        return measure(explainer_of(self.model, name=self.run.name), sample(self.rois), cancelled=cancelled)


def run_to_judge(
    study: Study, run: Run, *, part: Part, emit: Emit = silent, cancelled: IsCancelled = never
) -> RunToJudge:
    """Load the run's active model, the lesions of this part, and the controls of localisation.

    The position-only map is the mean mask of the run's training lesions; without any in this study (a model that
    was imported) that of the other patients of the part.
    """
    model, request = active_model(study, run), request_of(study, run)
    wanted = roi_request(request.config)
    built = build_roi_set(study, wanted, emit=emit, cancelled=cancelled)
    rois, parts = rows_of_parts(built.rois, request.parts)
    rois, parts = rois.rows(rois.label >= 0), parts[rois.label >= 0]
    judged, training = rois.rows(parts == part.value), rois.rows(parts == Part.TRAINING.value)
    drawn = build_drawn_rois(study, wanted, judged.lesion_ids, emit=emit, cancelled=cancelled)
    placed = build_drawn_rois(study, wanted, training.lesion_ids, pixels=False, cancelled=cancelled)
    controls = controls_of(training, training_drawn=placed, drawn=drawn)
    return RunToJudge(run=run, model=model, rois=judged, controls=controls)


def predictions_of(
    study: Study, run: Run, *, part: Part, emit: Emit = silent, cancelled: IsCancelled = never
) -> Predictions:
    """Predictions of the run's active model for the lesions of this part of the split that it was trained with."""
    return run_to_judge(study, run, part=part, emit=emit, cancelled=cancelled).predictions(cancelled)


def evaluate_runs(
    study: Study,
    names: Sequence[str],
    *,
    part: Part = Part.TEST,
    draws: int = DRAWS,
    maps: bool = False,
    emit: Emit = silent,
    cancelled: IsCancelled = never,
) -> list[EvaluationReport]:
    """Reports over these runs, pooled where there are several: per data set, then all, then per finding.

    With ``maps``, stability and faithfulness are measured too, some forty forward passes a
    lesion. StudyError where the part holds no labelled lesion.
    """
    steps = len(names) * (2 if maps else 1) + 1
    given: list[Predictions] = []
    records: list[MapRecord] = []
    for name in names:
        emit(Progress(stage="evaluation", done=len(given) + len(records), total=steps, detail=name))
        opened = run_to_judge(study, finished_run(study, name), part=part, emit=emit, cancelled=cancelled)
        given.append(opened.predictions(cancelled))
        if maps and len(given[-1]):
            emit(Progress(stage="evaluation", done=len(given) + len(records), total=steps, detail=name))
            records.append(opened.maps(cancelled))
    emit(Progress(stage="evaluation", done=steps - 1, total=steps, detail="intervals"))
    predictions = pooled(given)
    if len(predictions) == 0:
        raise StudyError(f"The {part} part of these runs has no lesion with a trained class: nothing to judge.")
    sources = sorted(set(predictions.sources))
    synthetic = is_synthetic(study)
    reports = []
    if len(sources) > 1:
        reports += [
            evaluate(predictions.of_source(source), source=source, synthetic=synthetic, draws=draws)
            for source in sources
        ]
    label = sources[0] if len(sources) == 1 else "all sources pooled (class and source may be confounded)"
    reports.append(evaluate(predictions, source=label, synthetic=synthetic, draws=draws))
    if maps:
        record = joined(records)
        for i, report in enumerate(reports):
            chosen = sources if i == len(reports) - 1 else [report.source]
            reports[i] = with_maps(report, of_sources(record, chosen), draws=draws)
    emit(Progress(stage="evaluation", done=steps, total=steps))
    if len(np.unique(predictions.finding_ids)) < len(predictions):
        reports.append(evaluate_findings(predictions, source=label, synthetic=synthetic, draws=draws))
    return reports
