"""Evaluation of a study's runs, per data set and per finding."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.data.training_set import build_roi_set
from core.domain.errors import StudyError
from core.domain.events import IsCancelled, never
from core.domain.study import Run
from core.domain.vocabulary import Part
from core.evaluation.judge import judge
from core.evaluation.map_figures import joined, of_sources
from core.evaluation.map_tests import MapRecord, explainer_of, measure, sample
from core.evaluation.predictions import Predictions, pooled
from core.evaluation.report import EvaluationReport, evaluate, evaluate_findings, with_maps
from core.statistics.bootstrap import DRAWS
from core.store.study import Study
from core.tasks.overview import is_synthetic
from core.tasks.run_data import roi_request
from core.tasks.runs import active_model, finished_run, request_of
from core.tasks.train import rows_of_parts

METHOD_NAMES = {"iaia-bl": "IAIA-BL", "protopnet": "ProtoPNet"}


def predictions_of(study: Study, run: Run, *, part: Part, cancelled: IsCancelled = never) -> Predictions:
    """What the run's active model says of the lesions of this part of the split that it was trained with."""
    model, request = active_model(study, run), request_of(study, run)
    built = build_roi_set(study, roi_request(request.config), cancelled=cancelled)
    rois, parts = rows_of_parts(built.rois, request.parts)
    name = METHOD_NAMES.get(model.card.method, model.card.method)
    return judge(model, rois.rows(parts == part.value), name=name, cancelled=cancelled)


def maps_of(study: Study, run: Run, *, part: Part, cancelled: IsCancelled = never) -> MapRecord:
    """Stability and faithfulness of the maps of the run's active model, on a sample of this part's lesions."""
    model, request = active_model(study, run), request_of(study, run)
    built = build_roi_set(study, roi_request(request.config), cancelled=cancelled)
    rois, parts = rows_of_parts(built.rois, request.parts)
    return measure(explainer_of(model, name=run.name), sample(rois.rows(parts == part.value)), cancelled=cancelled)


def evaluate_runs(
    study: Study,
    names: Sequence[str],
    *,
    part: Part = Part.TEST,
    draws: int = DRAWS,
    maps: bool = False,
    cancelled: IsCancelled = never,
) -> list[EvaluationReport]:
    """Reports over these runs, pooled where there are several: per data set, then all, then per finding.

    With ``maps``, stability and faithfulness are measured too, some forty forward passes a
    lesion. StudyError where the part holds no labelled lesion.
    """
    predictions = pooled(
        [predictions_of(study, finished_run(study, name), part=part, cancelled=cancelled) for name in names]
    )
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
        record = joined(
            [maps_of(study, finished_run(study, name), part=part, cancelled=cancelled) for name in names]
        )
        for i, report in enumerate(reports):
            chosen = sources if i == len(reports) - 1 else [report.source]
            reports[i] = with_maps(report, of_sources(record, chosen), draws=draws)
    if len(np.unique(predictions.finding_ids)) < len(predictions):
        reports.append(evaluate_findings(predictions, source=label, synthetic=synthetic, draws=draws))
    return reports
