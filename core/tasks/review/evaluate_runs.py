"""Evaluation of a study's runs, per data set and per finding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import msgspec
import numpy as np

from core.data.reader_values import reader_values
from core.data.roi_set import RoiSet
from core.data.training_set import build_drawn_rois, build_roi_set
from core.domain.errors import ModelError, StudyError
from core.domain.events import Emit, IsCancelled, Message, Progress, never, silent
from core.domain.messages import message, verbatim
from core.domain.study import Run
from core.domain.vocabulary import Part
from core.evaluation.beside import with_comparators
from core.evaluation.comparators import HAND_MADE, PROBE, Features, linear_predictions, pooled_features
from core.evaluation.hand_features import hand_made_features
from core.evaluation.judge import judge
from core.evaluation.localisation import Controls, controls_of
from core.evaluation.map_figures import joined, of_sources
from core.evaluation.map_tests import MapRecord, explainer_of, measure, sample
from core.evaluation.predictions import Predictions, pooled
from core.evaluation.report import EvaluationReport, evaluate, evaluate_findings, with_maps
from core.model.accelerator import resolve_device
from core.model.checkpoint import LoadedModel
from core.statistics.bootstrap import DRAWS
from core.store.study import Study
from core.tasks.runs.lifecycle import active_model, finished_run, request_of
from core.tasks.runs.run_data import roi_request
from core.tasks.runs.train_job import rows_of_parts
from core.training.begin_or_resume import make_network
from core.training.config import TrainingConfig

METHOD_NAMES = {"iaia-bl": "IAIA-BL", "protopnet": "ProtoPNet"}


@dataclass(frozen=True, kw_only=True, eq=False)
class RunToJudge:
    """A run's active model with the lesions that it is evaluated on; loaded once for every figure."""

    run: Run
    model: LoadedModel
    rois: RoiSet
    """Lesions with a trained class, of one part of the run's own split."""
    training: RoiSet
    """The training lesions of the run in this study; none for a model that was imported."""
    controls: Controls

    def predictions(self, cancelled: IsCancelled = never) -> Predictions:
        method = self.model.card.method
        name = METHOD_NAMES.get(method, method)
        return judge(self.model, self.rois, name=name, controls=self.controls, cancelled=cancelled)

    def maps(self, cancelled: IsCancelled = never) -> MapRecord:
        """Stability and faithfulness of the maps, on a sample of the lesions."""
        return measure(explainer_of(self.model, name=self.run.name), sample(self.rois), cancelled=cancelled)

    def comparators(self, emit: Emit, cancelled: IsCancelled = never) -> dict[str, Predictions]:
        """Predictions of simple comparators, fitted on the run's training lesions; none without any of a class."""
        if len(self.rois) == 0 or len(set(self.training.label.tolist())) < len(self.training.class_names):
            return {}
        kinds: dict[str, Features] = {HAND_MADE: hand_made_features}
        try:
            network = make_network(msgspec.convert(self.run.config, TrainingConfig), fresh=True)
        except ModelError as error:
            emit(Message(level="warning", text=message("The linear probe is left out: {error}", error=error)))
        else:
            network.to(resolve_device("auto"))
            kinds = {PROBE: partial(pooled_features, network, cancelled=cancelled), **kinds}
        return {name: linear_predictions(name, one, self.training, self.rois) for name, one in kinds.items()}


def run_to_judge(
    study: Study, run: Run, *, part: Part, emit: Emit = silent, cancelled: IsCancelled = never
) -> RunToJudge:
    """Load the run's active model, the lesions of this part, and the controls of localisation.

    The position-only map is the mean mask of the run's training lesions; without any in this study (a model that
    was imported) that of the other patients of the part.
    """
    model, request = active_model(study, run).on(resolve_device("auto")), request_of(study, run)
    wanted = roi_request(request.config)
    built = build_roi_set(study, wanted, emit=emit, cancelled=cancelled)
    rois, parts = rows_of_parts(built.rois, request.parts)
    rois, parts = rois.rows(rois.label >= 0), parts[rois.label >= 0]
    judged, training = rois.rows(parts == part.value), rois.rows(parts == Part.TRAINING.value)
    drawn = build_drawn_rois(study, wanted, judged.lesion_ids, emit=emit, cancelled=cancelled)
    placed = build_drawn_rois(study, wanted, training.lesion_ids, pixels=False, cancelled=cancelled)
    controls = controls_of(training, training_drawn=placed, drawn=drawn)
    return RunToJudge(run=run, model=model, rois=judged, training=training, controls=controls)


def run_on_study(
    home: Study, run: Run, study: Study, *, emit: Emit = silent, cancelled: IsCancelled = never
) -> RunToJudge:
    """The active model of a run of ``home`` with every lesion of ``study`` that has a trained class.

    The position-only map is the mean mask of the training lesions in ``home``; without any, of the other patients.
    """
    model, request = active_model(home, run).on(resolve_device("auto")), request_of(home, run)
    wanted = roi_request(request.config)
    rois = build_roi_set(study, wanted, emit=emit, cancelled=cancelled).rois
    rois = rois.rows(rois.label >= 0)
    drawn = build_drawn_rois(study, wanted, rois.lesion_ids, emit=emit, cancelled=cancelled)
    training, placed = rois.rows([]), drawn.rows([])
    if Part.TRAINING in request.parts.values():
        known, parts = rows_of_parts(build_roi_set(home, wanted, cancelled=cancelled).rois, request.parts)
        training = known.rows((parts == Part.TRAINING.value) & (known.label >= 0))
        placed = build_drawn_rois(home, wanted, training.lesion_ids, pixels=False, cancelled=cancelled)
    controls = controls_of(training, training_drawn=placed, drawn=drawn)
    return RunToJudge(run=run, model=model, rois=rois, training=training, controls=controls)


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
    """The reports of ``judge_runs`` alone."""
    _, reports = judge_runs(study, names, part=part, draws=draws, maps=maps, emit=emit, cancelled=cancelled)
    return reports


def judge_runs(
    study: Study,
    names: Sequence[str],
    *,
    part: Part = Part.TEST,
    draws: int = DRAWS,
    maps: bool = False,
    emit: Emit = silent,
    cancelled: IsCancelled = never,
) -> tuple[Predictions, list[EvaluationReport]]:
    """Predictions of these runs, pooled where there are several, and reports on them: per data set, then all, then
    per finding.

    With ``maps``, stability and faithfulness are measured too, some forty forward passes a
    lesion. StudyError where the part holds no labelled lesion.
    """
    steps = len(names) * (2 if maps else 1) + 1
    given: list[Predictions] = []
    records: list[MapRecord] = []
    others: list[dict[str, Predictions]] = []
    for name in names:
        emit(Progress(stage="evaluation", done=len(given) + len(records), total=steps, detail=verbatim(name)))
        opened = run_to_judge(study, finished_run(study, name), part=part, emit=emit, cancelled=cancelled)
        given.append(opened.predictions(cancelled))
        others.append(opened.comparators(emit, cancelled))
        if maps and len(given[-1]):
            emit(Progress(stage="evaluation", done=len(given) + len(records), total=steps, detail=verbatim(name)))
            records.append(opened.maps(cancelled))
    emit(Progress(stage="evaluation", done=steps - 1, total=steps, detail=message("intervals")))
    predictions = pooled(given)
    if len(predictions) == 0:
        raise StudyError(
            message("No {part} lesion of these runs has a trained class; nothing to evaluate.", part=part)
        )
    beside = {
        name: one for name, one in _pooled_by_name(others).items() if one.lesion_ids == predictions.lesion_ids
    }
    reports = reports_of(predictions, study, others=beside, records=records, draws=draws)
    emit(Progress(stage="evaluation", done=steps, total=steps))
    return predictions, reports


def reports_of(
    predictions: Predictions,
    study: Study,
    *,
    others: Mapping[str, Predictions],
    records: Sequence[MapRecord] = (),
    draws: int = DRAWS,
) -> list[EvaluationReport]:
    """Reports per data set where there are several, then on all, then per finding.

    ``others``: comparators on the same lesions, by name. ``records``: stability and faithfulness, one a fold.
    """
    sources = sorted(set(predictions.sources))
    synthetic = study.is_synthetic
    readers = reader_values(study, predictions.lesion_ids)
    label = sources[0] if len(sources) == 1 else "all sources pooled (class and source may be confounded)"
    sets = [(source, [source]) for source in sources if len(sources) > 1] + [(label, sources)]
    reports = []
    for title, chosen in sets:
        rows = np.array([source in chosen for source in predictions.sources], dtype=np.bool_)
        here = predictions.rows(rows)
        report = evaluate(here, source=title, synthetic=synthetic, draws=draws)
        beside = {name: other.rows(rows) for name, other in others.items()}
        report = with_comparators(report, here, beside, {name: one[rows] for name, one in readers.items()})
        if records:
            report = with_maps(report, of_sources(joined(records), chosen), draws=draws)
        reports.append(report)
    if len(np.unique(predictions.finding_ids)) < len(predictions):
        reports.append(evaluate_findings(predictions, source=label, synthetic=synthetic, draws=draws))
    return reports


def _pooled_by_name(folds: Sequence[dict[str, Predictions]]) -> dict[str, Predictions]:
    """Return the comparators that every fold has, pooled over the folds that evaluate a lesion."""
    kept = [fold for fold in folds if fold]
    names = [name for name in kept[0] if all(name in fold for fold in kept)] if kept else []
    return {name: pooled([fold[name] for fold in kept]) for name in names}
