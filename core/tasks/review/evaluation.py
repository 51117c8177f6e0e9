"""Evaluations with what their figures were computed from: of runs, and of tables of predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from core.domain.events import Emit, IsCancelled, never, silent
from core.domain.vocabulary import Part
from core.evaluation.predictions import Predictions
from core.evaluation.report import EvaluationReport, evaluate, evaluate_findings
from core.explain.report import Provenance, provenance_of
from core.statistics.bootstrap import DRAWS
from core.store.anchor import NOTE, anchor_text
from core.store.study import Study
from core.tasks.review.evaluate_runs import judge_runs
from core.tasks.review.evaluation_output import Evaluation
from core.tasks.review.predict_lesions import PredictionList, predict
from core.tasks.review.prediction_table import read_predictions
from core.tasks.runs.lifecycle import active_model, finished_run


def evaluation_of_runs(
    study: Study,
    names: Sequence[str],
    *,
    part: Part = Part.TEST,
    draws: int = DRAWS,
    maps: bool = False,
    rows: bool = True,
    emit: Emit = silent,
    cancelled: IsCancelled = never,
) -> Evaluation:
    """Evaluate like ``evaluate_runs``, and return the inputs too. ``rows``: also one row a lesion."""
    runs = [finished_run(study, name) for name in names]
    predictions, reports = judge_runs(
        study, names, part=part, draws=draws, maps=maps, emit=emit, cancelled=cancelled
    )
    lists = [predict(study, run, cancelled=cancelled) for run in runs] if rows else []
    model = active_model(study, runs[0])
    active = study.models.active(runs[0].id)
    return Evaluation(
        title=" + ".join(run.name for run in runs),
        part=part.value,
        reports=tuple(reports),
        predictions=predictions,
        rows=_of_part(lists, part) if lists else None,
        provenance=anchored(
            study, provenance_of(model.card, model.sha256, revision=active.reason if active else "")
        ),
    )


def anchored(study: Study, provenance: Provenance) -> Provenance:
    """Return the provenance with the head of the study's audit trail, which the page keeps outside the study."""
    line = (NOTE.capitalize(), anchor_text(study.info.id, study.audit.head()))
    return replace(provenance, details=(*provenance.details, line))


def evaluation_of_table(path: Path, *, part: str = "", draws: int = DRAWS) -> Evaluation:
    """The evaluation of a table of predictions, without the model: figures of heat maps are missing."""
    table = read_predictions(path, part=part)
    return Evaluation(
        title=path.name,
        part=part or "all parts",
        reports=tuple(_reports_on(table.predictions, synthetic=table.synthetic, draws=draws)),
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


def _reports_on(predictions: Predictions, *, synthetic: bool, draws: int = DRAWS) -> list[EvaluationReport]:
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
