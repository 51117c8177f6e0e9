"""Evaluation of a study's runs, per data set and per finding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

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
from core.explain.report import Provenance, provenance_of
from core.statistics.bootstrap import DRAWS
from core.store.study import Study
from core.tasks.evaluation_output import Evaluation
from core.tasks.overview import is_synthetic
from core.tasks.predicting import PredictionList, predict
from core.tasks.prediction_file import read_predictions
from core.tasks.runs import active_model, finished_run, request_of
from core.tasks.train import roi_request, rows_of_parts

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
    predictions = _pooled_predictions(study, names, part, cancelled)
    return _reports_of_runs(study, names, predictions, part=part, draws=draws, maps=maps, cancelled=cancelled)


def evaluation_of_runs(
    study: Study,
    names: Sequence[str],
    *,
    part: Part = Part.TEST,
    draws: int = DRAWS,
    maps: bool = False,
    rows: bool = True,
    cancelled: IsCancelled = never,
) -> Evaluation:
    """As ``evaluate_runs``, with what the figures were computed from. ``rows``: also one row a lesion."""
    runs = [finished_run(study, name) for name in names]
    predictions = _pooled_predictions(study, names, part, cancelled)
    reports = _reports_of_runs(study, names, predictions, part=part, draws=draws, maps=maps, cancelled=cancelled)
    lists = [predict(study, run, cancelled=cancelled) for run in runs] if rows else []
    model = active_model(study, runs[0])
    active = study.models.active(runs[0].id)
    return Evaluation(
        title=" + ".join(run.name for run in runs),
        part=part.value,
        reports=tuple(reports),
        predictions=predictions,
        rows=_of_part(lists, part) if lists else None,
        provenance=provenance_of(model.card, model.sha256, revision=active.reason if active else ""),
    )


def evaluation_of_table(path: Path, *, part: str = "", draws: int = DRAWS) -> Evaluation:
    """The evaluation of a table of predictions, without the model: figures of heat maps are missing."""
    table = read_predictions(path, part=part)
    return Evaluation(
        title=path.name,
        part=part or "all parts",
        reports=tuple(reports_on(table.predictions, synthetic=table.synthetic, draws=draws)),
        predictions=table.predictions,
        rows=None,
        provenance=Provenance(
            model_sha256="not recorded in a table of predictions",
            data_fingerprint="not recorded in a table of predictions",
            synthetic=table.synthetic,
        ),
    )


def _of_part(lists: Sequence[PredictionList], part: Part) -> PredictionList:
    """The rows of this part, of all folds."""
    rows = tuple(row for one in lists for row in one.rows if row.part == part.value)
    return replace(
        lists[0],
        run=" + ".join(one.run for one in lists),
        synthetic=any(one.synthetic for one in lists),
        rows=rows,
    )


def _pooled_predictions(study: Study, names: Sequence[str], part: Part, cancelled: IsCancelled) -> Predictions:
    predictions = pooled(
        [predictions_of(study, finished_run(study, name), part=part, cancelled=cancelled) for name in names]
    )
    if len(predictions) == 0:
        raise StudyError(f"No {part} lesion of these runs has a trained class; nothing to evaluate.")
    return predictions


def reports_on(predictions: Predictions, *, synthetic: bool, draws: int = DRAWS) -> list[EvaluationReport]:
    """A report for each data set where there are several, one over all, and one by finding where views differ."""
    sources = sorted(set(predictions.sources))
    reports = []
    if len(sources) > 1:
        reports += [
            evaluate(predictions.of_source(source), source=source, synthetic=synthetic, draws=draws)
            for source in sources
        ]
    label = sources[0] if len(sources) == 1 else "all sources pooled (class and source may be confounded)"
    reports.append(evaluate(predictions, source=label, synthetic=synthetic, draws=draws))
    if len(np.unique(predictions.finding_ids)) < len(predictions):
        reports.append(evaluate_findings(predictions, source=label, synthetic=synthetic, draws=draws))
    return reports


def _reports_of_runs(
    study: Study,
    names: Sequence[str],
    predictions: Predictions,
    *,
    part: Part,
    draws: int,
    maps: bool,
    cancelled: IsCancelled,
) -> list[EvaluationReport]:
    reports = reports_on(predictions, synthetic=is_synthetic(study), draws=draws)
    if not maps:
        return reports
    record = joined([maps_of(study, finished_run(study, name), part=part, cancelled=cancelled) for name in names])
    sources = sorted(set(predictions.sources))
    return [
        report
        if report.unit == "finding"
        else with_maps(
            report, of_sources(record, [report.source] if report.source in sources else sources), draws=draws
        )
        for report in reports
    ]
