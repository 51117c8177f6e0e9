"""Opening a run's model for the screens. Imports torch: for threads beside the window's."""

from __future__ import annotations

from dataclasses import replace

from app.qt.sentences import translate_message
from app.services.opened_model import OpenedModel
from core.domain.errors import Cancelled, ModelError, StudyError
from core.domain.events import Emit, IsCancelled, Progress, silent
from core.domain.messages import message
from core.domain.study import RunStatus
from core.explain.prototype_patches import PrototypePatch
from core.explain.render import HeatStyle, colour_bar
from core.store.study import Study
from core.tasks.review.case_list import list_cases
from core.tasks.review.model_in_study import ModelInStudy, open_model
from core.tasks.review.prototypes import Pruning
from core.tasks.runs.lifecycle import active_model


def open_run(
    study: Study,
    run_id: str,
    *,
    reader_id: str,
    former: OpenedModel | None,
    emit: Emit = silent,
    cancelled: IsCancelled,
) -> OpenedModel:
    """The run's active model; what an earlier revision of it (``former``) shares with it is not made again.

    ModelError or StudyError, one sentence, where the run, its files or its classes are not as they must be."""
    run = study.runs.get(run_id)
    if run.status is not RunStatus.FINISHED:
        raise StudyError(
            message("Run {run} is {status}, not finished: it has no model yet.", run=run.name, status=run.status)
        )
    emit(Progress(stage="the model and the lesions", done=0, total=0))
    pruning = Pruning(study, run)
    if former is None:
        opened = open_model(study, run, base=pruning.base, emit=emit, cancelled=cancelled)
    else:
        opened = _revised(study, former)
    card, rois = opened.model.card, opened.rois
    if card.class_names != rois.class_names:
        raise ModelError(
            message(
                "The model of run {run} has the classes {classes}, but its configuration "
                "names {configured}: it is not the model of this run; train again.",
                run=run.name,
                classes=", ".join(card.class_names),
                configured=", ".join(rois.class_names),
            )
        )
    if not card.prototypes:
        raise ModelError(
            message("Run {run} was never projected: it has no prototypical lesions to show.", run=run.name)
        )
    if cancelled():
        raise Cancelled
    emit(Progress(stage="the pictures of the prototypes", done=0, total=0))
    if former is None:
        patches, why = _patches(opened, pruning, cancelled)
    else:
        patches, why = former.patches, former.no_patches
    emit(Progress(stage="the list of lesions", done=0, total=0))
    colour_bar(HeatStyle(high=1.0))  # the colour maps' library loads here and not under the mouse
    return OpenedModel(
        opened=opened,
        pruning=pruning,
        revision=pruning.active,
        patches=patches,
        no_patches=why,
        cases=list_cases(study, opened, reader_id=reader_id),
    )


def _revised(study: Study, former: OpenedModel) -> ModelInStudy:
    active = study.models.active(former.run.id)
    return replace(
        former.opened,
        model=active_model(study, former.run, base=former.pruning.base),
        revision="" if active is None else active.reason,
    )


def _patches(
    opened: ModelInStudy, pruning: Pruning, cancelled: IsCancelled
) -> tuple[tuple[PrototypePatch, ...], str]:
    base = pruning.base
    try:
        patches = opened.patches(cancelled, base=base)
    except ModelError as error:
        return (), translate_message(error)
    return patches, "" if patches else translate_message(
        ModelError(message("This model was shared without its pictures."))
    )
