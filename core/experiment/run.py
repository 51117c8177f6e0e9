"""The experiment from one call: every model over seeds and folds, then the page. What is finished is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from core.domain.errors import Cancelled, StudyError
from core.domain.events import Emit, IsCancelled, Message
from core.domain.messages import message
from core.domain.vocabulary import Part
from core.evaluation.map_tests import MapRecord
from core.evaluation.predictions import Predictions, pooled
from core.evaluation.repeated import Method
from core.experiment.comparators import comparator_methods
from core.experiment.facts import Experiment
from core.experiment.features import drop_features
from core.experiment.launch import launch_parts
from core.experiment.measured import map_records
from core.experiment.page import ExperimentOutcome, write_pages
from core.experiment.parts import Data, FinishedPart, carry_out
from core.experiment.phantom_study import MARKED, UNMARKED
from core.experiment.plan import IAIA, MALIGNANCY, NO_FINE_LOSS, NO_MASKS, PROTOPNET, VGG, VGG_MASKS, Trial, trials
from core.experiment.request import TableRequest, data_of
from core.experiment.same_machine import settle_for_all
from core.experiment.table import Judged, TestSet, judge_methods
from core.platform.atomic import make_folder
from core.store.study import Study


def table1(study: Study, request: TableRequest, *, emit: Emit, cancelled: IsCancelled) -> ExperimentOutcome:
    """Train what is not trained yet, judge everything by the same code and write ``table1.html`` and ``.md``.

    StudyError, before anything is trained, for a part without a class, one patient, no masks, or one image in
    two parts; for a folder that holds parts of another split.
    """
    if request.seeds < 1:
        raise StudyError(message("An experiment needs at least one seed; choose --seeds 1 or more."))
    if not request.config.project:
        raise StudyError(
            message(
                "Models that are never projected have no prototypical lesions to explain anything with: leave out "
                "--set project=false (--ablations trains a model without projection beside the others)."
            )
        )
    data = data_of(study, request, emit, cancelled)
    make_folder(request.out)
    chosen = [
        trial for trial in trials(request.config, ablations=request.ablations) if _possible(trial, data, emit)
    ]
    lesions = len(data[0].of_part(Part.TRAINING))
    settle_for_all(request.out, request.config, lesions=lesions, emit=emit)
    if request.launcher is not None:
        launch_parts(request, request.launcher, chosen, data, emit=emit, cancelled=cancelled)
    done: dict[str, list[list[FinishedPart]]] = {trial.key: [] for trial in chosen}
    for seed in range(1, request.seeds + 1):
        for trial in chosen:
            folds = []
            for fold in data:
                if cancelled():
                    raise Cancelled
                folds.append(carry_out(request.out, trial, seed, fold, emit=emit, cancelled=cancelled))
            done[trial.key].append(folds)
    drop_features(request.out)
    maps = _maps(done, data, emit, cancelled)
    emit(Message(level="info", text=message("Evaluating the models and writing the page.")))
    experiment = replace(_judged(study, request, chosen, done, data), maps=maps)
    iaia = _method("IAIA-BL", done[IAIA], "model")
    others = comparator_methods(request.config, data, runs=request.seeds, emit=emit, cancelled=cancelled)
    beside = [judge_methods(one, [iaia, *others], draws=request.draws) for one in test_sets(iaia.first.sources)]
    experiment = replace(experiment, comparators=_filled(beside))
    return write_pages(experiment, cancelled=cancelled)


def _maps(
    done: dict[str, list[list[FinishedPart]]], data: Sequence[Data], emit: Emit, cancelled: IsCancelled
) -> tuple[MapRecord, ...]:
    """Draw the first training of each model of Table 1 that explains, and of the one without masks."""
    found: list[MapRecord] = []
    for key in (IAIA, PROTOPNET, VGG, NO_MASKS):
        found += map_records(done[key][0], data, emit=emit, cancelled=cancelled).values()
    return tuple(found)


def _possible(trial: Trial, data: Sequence[Data], emit: Emit) -> bool:
    """Return False for the end-to-end classifier where a part does not show both outcomes, and for a number of
    finely annotated images that are all there are."""
    if trial.fine_images:
        few = all(int(one.of_part(Part.TRAINING).has_fine.sum()) <= trial.fine_images for one in data)
        if few:
            text = message(
                "No more than {fine_images} training images are finely annotated: left out as an ablation.",
                fine_images=trial.fine_images,
            )
            emit(Message(level="info", text=text))
        return not few
    if trial.key != MALIGNANCY:
        return True
    for one in data:
        for part in (Part.TRAINING, Part.TEST) if len(data) == 1 else (Part.TRAINING,):
            if set(one.of_part(part).malignant.tolist()) < {0, 1}:
                text = message(
                    "Malignancy is left out: the biopsied {part} lesions do not show both outcomes.",
                    part=part.value,
                )
                emit(Message(level="warning", text=text))
                return False
    return True


def _method(
    name: str, runs: Sequence[Sequence[FinishedPart]], kind: str, *, post_hoc: bool = False, margins: bool = True
) -> Method:
    """Return the predictions of one kind, folds pooled, one entry a seed."""

    def run(folds: Sequence[FinishedPart]) -> Predictions:
        found = [fold.predictions(kind) for fold in folds]
        return found[0] if len(found) == 1 else pooled(found)

    return Method(name=name, runs=tuple(run(folds) for folds in runs), post_hoc=post_hoc, margins=margins)


def _judged(
    study: Study,
    request: TableRequest,
    chosen: Sequence[Trial],
    done: dict[str, list[list[FinishedPart]]],
    data: Sequence[Data],
) -> Experiment:
    names = {trial.key: trial.name for trial in chosen}
    methods = [
        _method(names[IAIA], done[IAIA], "model"),
        _method(names[PROTOPNET], done[PROTOPNET], "model"),
        _method(f"{names[VGG]} with GradCAM", done[VGG], "GradCAM", post_hoc=True),
        _method(f"{names[VGG]} with GradCAM++", done[VGG], "GradCAM++", post_hoc=True),
    ]
    if MALIGNANCY in done:
        methods.append(_method(names[MALIGNANCY], done[MALIGNANCY], "malignancy", margins=False))
    variants = [methods[0], _method(f"{names[IAIA]}, pruned", done[IAIA], "pruned")]
    variants += [
        _method(trial.name, done[trial.key], "model")
        for trial in chosen
        if trial.key in (NO_MASKS, NO_FINE_LOSS) or trial.ablation
    ]
    if VGG_MASKS in done:
        name = f"{names[VGG_MASKS]}, GradCAM"
        variants += [methods[2], _method(name, done[VGG_MASKS], "GradCAM", post_hoc=True)]
    sets = test_sets(methods[0].first.sources)
    judged = [judge_methods(one, methods, draws=request.draws) for one in sets]
    others = [judge_methods(one, variants, draws=request.draws) for one in sets]
    return Experiment(
        out=request.out,
        config=request.config,
        seeds=request.seeds,
        folds=request.folds,
        trials=tuple(chosen),
        done=done,
        data=tuple(data),
        judged=_filled(judged),
        variants=tuple(others),
        synthetic=study.is_synthetic,
        study=study,
    )


def _filled(judged: Sequence[Judged]) -> tuple[Judged, ...]:
    """Drop the methods that have nothing to say of a test set (no biopsied lesion in it)."""
    filled = []
    for one in judged:
        kept = [i for i, method in enumerate(one.methods) if len(method.first) and one.figures[i].estimates]
        filled.append(
            replace(one, methods=tuple(one.methods[i] for i in kept), figures=tuple(one.figures[i] for i in kept))
        )
    return tuple(filled)


def test_sets(sources: Sequence[str]) -> list[TestSet]:
    """Return each data set of the test part, and all of them together; the twins of the phantom are never
    pooled, since they show the same patients."""
    found = sorted(set(sources))
    if set(found) == {MARKED, UNMARKED}:
        return [
            TestSet(title="Marker drawn at random", sources=(MARKED,)),
            TestSet(title="Marker absent", sources=(UNMARKED,)),
        ]
    each = [TestSet(title=source, sources=(source,)) for source in found]
    if len(each) == 1:
        return each
    title = "All sources pooled (class and source may be confounded)"
    return [*each, TestSet(title=title, sources=tuple(found))]
