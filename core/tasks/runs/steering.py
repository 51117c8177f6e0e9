"""Steered runs: prototypes of a finished run that a reader placed elsewhere, as a new run with its parent named.

Undo archives the steered run, which keeps its folder; redo takes it back. Both stand in the audit trail.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from core.domain.errors import StudyError, TrainingError
from core.domain.geometry import Point
from core.domain.messages import message
from core.domain.study import Run
from core.domain.vocabulary import Part
from core.store.study import Study
from core.tasks.runs.lifecycle import ParentOfRun, plan_run, request_of
from core.training.steering import SteeredPlace

STEERED = "prototype.steered"
"""Action in the audit trail; its subject begins with the lesion, so that the value goes when the patient is
forgotten."""


class SteeringRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Record that the audit trail keeps of a placed prototype."""

    run_id: str
    parent_id: str
    """Id of the run whose prototype was placed."""
    number: int
    place: Point
    """In pixels of the mammogram."""
    reason: str


def plan_steering(study: Study, run: Run, places: Sequence[SteeredPlace], *, name: str = "") -> Run:
    """A new run in which these prototypes of a finished one look at other places; nothing is computed yet.

    What the parent's active revision had pruned stays pruned. TrainingError for a place outside the training part
    or for a pruned prototype, StudyError where the name is taken or a reason is missing.
    """
    request = request_of(study, run)
    if not request.config.project:
        raise TrainingError(
            message("The prototypes of run {run} are not patches: it was trained without stage A2.", run=run.name)
        )
    if not all(one.reason.strip() for one in places):
        raise StudyError(message("Give a short reason for moving this prototype: the reason stays with the run."))
    active = study.models.active(run.id)
    if active is None:
        raise StudyError(message("Run {run} has no model yet: finish it with train --resume {run}.", run=run.name))
    trained = next(one for one in study.models.of_run(run.id) if one.parent_id is None)
    pruned = tuple(sorted(set(trained.prototype_indices) - set(active.prototype_indices)))
    for one in places:
        if one.number - 1 in pruned:
            raise TrainingError(
                message("Prototype {number} is pruned: choose one that the model has.", number=one.number)
            )
        patient = study.images.get(study.lesions.get(one.lesion_id).image_id).patient_id
        if request.parts.get(patient) is not Part.TRAINING:
            raise TrainingError(
                message(
                    "Lesion {lesion} is not in the training part: a prototype is a patch of a training "
                    "lesion, so that validation and test stay unseen.",
                    lesion=one.lesion_id[:8],
                )
            )
    with study.batch():
        made = plan_run(
            study,
            request.config,
            request.parts,
            name=name or _free_name(study, run),
            parent=ParentOfRun(run=run, steered=tuple(places), pruned=pruned),
        )
        for one in places:
            said = SteeringRecord(
                run_id=made.id, parent_id=run.id, number=one.number, place=one.place, reason=one.reason
            )
            study.audit.record(STEERED, f"lesion {one.lesion_id} run {made.id} prototype {one.number}", new=said)
    return made


def parent_of(study: Study, run: Run) -> Run | None:
    """The run that this one updates or steers; None without one."""
    parent = request_of(study, run).parent
    return study.runs.get(parent) if parent else None


def steered_places(study: Study, run: Run) -> tuple[SteeredPlace, ...]:
    """Return the places of a steered run; () of any other."""
    return request_of(study, run).steered


def undo_steering(study: Study, run: Run) -> Run:
    """Archive a steered run and return its parent. StudyError where the run is not a steered one."""
    parent = parent_of(study, run)
    if parent is None or not steered_places(study, run):
        raise StudyError(
            message("No prototype of run {run} was placed by a reader: there is nothing to undo.", run=run.name)
        )
    with study.batch():
        study.runs.update(msgspec.structs.replace(study.runs.get(run.id), archived=True))
        if parent.archived:
            parent = msgspec.structs.replace(parent, archived=False)
            study.runs.update(parent)
    return parent


def redo_steering(study: Study, run: Run) -> Run:
    """Take back the newest archived run that was steered from this one. StudyError where there is none."""
    found = undone_steering(study, run)
    if found is None:
        raise StudyError(message("No steered run of {run} was undone.", run=run.name))
    taken = msgspec.structs.replace(found, archived=False)
    study.runs.update(taken)
    return taken


def undone_steering(study: Study, run: Run) -> Run | None:
    """Return the newest archived run that was steered from this one and still has a model; None without one."""
    steered = {
        said.run_id
        for record in study.audit.all_of(STEERED)
        if record.new is not None
        and (said := msgspec.json.decode(record.new, type=SteeringRecord)).parent_id == run.id
    }
    archived = [one for one in study.runs.all(archived=True) if one.archived and one.id in steered]
    return next((one for one in reversed(archived) if study.models.active(one.id) is not None), None)


def _free_name(study: Study, run: Run) -> str:
    stem = run.name.rpartition("-steered")[0] or run.name
    taken = {one.name for one in (*study.runs.all(), *study.runs.all(archived=True))}
    return next(name for n in range(1, len(taken) + 2) if (name := f"{stem}-steered{n}") not in taken)
