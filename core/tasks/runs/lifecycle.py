"""Runs of a study, as the parent sees them: planned, carried out in a child process, recorded, resumed."""

from __future__ import annotations

import shlex
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from core.data.training_set import build_roi_set
from core.domain.errors import Cancelled, ModelError, StudyError, TrainingError
from core.domain.events import CancelledByUser, Emit, Event, Failed, IsCancelled, Message, Succeeded
from core.domain.messages import joined, message
from core.domain.study import ModelRevision, Run, RunStatus
from core.domain.vocabulary import Part
from core.jobs import detached
from core.jobs.attended import attended
from core.jobs.catalogue import JobRequest
from core.jobs.execution_target import THIS_MACHINE, ExecutionTarget
from core.jobs.hosts import Hosts
from core.jobs.run_records import LEFT, check_run_name
from core.jobs.run_records import find_run as find_run
from core.jobs.run_records import finished_run as finished_run
from core.jobs.run_records import is_imported as is_imported
from core.jobs.supervisor import supervise
from core.model.checkpoint import LoadedModel, load_model, note_in_card
from core.platform.atomic import atomic_write, make_folder
from core.platform.version import code_version
from core.pruning.revision import apply_revision, load_revision
from core.store.anchor import NOTE, anchor_text
from core.store.study import Study
from core.tasks.readers.opinions import Mark, marks_of
from core.tasks.runs.pruned_again import prune_as_parent
from core.tasks.runs.run_data import ChangedData, changed_data, keep_snapshot, roi_request
from core.tasks.runs.train_job import MODEL as MODEL
from core.tasks.runs.train_job import TrainRequest
from core.training.config import TrainingConfig
from core.training.feature_cache import FILE
from core.training.forgotten_patches import ForgottenPatch
from core.training.steering import SteeredPlace

RUNS = "runs"
REQUEST = "request.json"
LOG = "log.txt"
UNPRUNED = "As trained"
"""Reason of the first revision of a run."""


def now_utc() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True, kw_only=True)
class ParentOfRun:
    """The finished run that a new one updates, or whose prototypes are steered."""

    run: Run
    steered: tuple[SteeredPlace, ...] = ()
    pruned: tuple[int, ...] = ()
    """Prototypes (from 0) that its active revision has lost, and that a steered run loses too."""


def plan_run(
    study: Study,
    config: TrainingConfig,
    parts: dict[str, Part],
    *,
    name: str,
    host: str = "",
    parent: ParentOfRun | None = None,
) -> Run:
    """A new run with its folder and request; nothing is computed yet. StudyError where the name is taken.

    ``host``: name of the machine that trains it; "": this one. ``parent``: the finished run that it begins
    from.
    """
    check_run_name(name)
    if study.runs.find(name) is not None:
        raise StudyError(
            message("This study has a run named {name} already; choose another name or resume it.", name=name)
        )
    identifier = uuid.uuid4().hex
    folder = study.folder / RUNS / identifier
    make_folder(folder)
    request = TrainRequest(
        study=str(study.folder),
        folder=str(folder),
        config=config,
        parts=parts,
        forgotten=forgotten_patches(study),
        host=host,
        parent="" if parent is None else parent.run.id,
        features="" if parent is None else features_run(study, parent.run),
        steered=() if parent is None else parent.steered,
        pruned=() if parent is None else parent.pruned,
    )
    atomic_write(folder / REQUEST, msgspec.json.format(msgspec.json.encode(request)))
    run = Run(
        id=identifier,
        name=name,
        created_utc=now_utc(),
        config=msgspec.to_builtins(config),
        folder=f"{RUNS}/{identifier}",
        code_version=code_version(),
    )
    study.runs.add(run)
    return run


def features_run(study: Study, run: Run) -> str:
    """Return the id of the run that keeps the features for updates of this one: itself, or one that it updated."""
    if (study.run_folder(run.id) / FILE).is_file():
        return run.id
    return request_of(study, run).features or run.id


def forgotten_patches(study: Study) -> tuple[ForgottenPatch, ...]:
    """Return the sources of the prototypes that readers marked as not medically relevant.

    They are collected from all runs that still have a model, archived ones included."""
    found = []
    for run in study.runs.all(archived=True):
        marked = [index for index, mark in marks_of(study, run).items() if mark is Mark.NOT_RELEVANT]
        if not marked:
            continue
        try:
            prototypes = load_model(study.run_folder(run.id) / MODEL).card.prototypes
        except ModelError:
            continue  # what it learned is gone with it
        found += [
            ForgottenPatch(run=run.name, number=p.index + 1, lesion_id=p.lesion_id, box=p.patch_box_image)
            for p in prototypes
            if p.index in marked
        ]
    return tuple(found)


def request_of(study: Study, run: Run) -> TrainRequest:
    """The request of a planned run, with the paths of where the study lies now."""
    folder = study.run_folder(run.id)
    try:
        request = msgspec.json.decode((folder / REQUEST).read_bytes(), type=TrainRequest)
    except (OSError, msgspec.MsgspecError) as error:
        raise ModelError(
            message("The request of run {run} is missing or damaged: train again.", run=run.name)
        ) from error
    return msgspec.structs.replace(request, study=str(study.folder), folder=str(folder))


def move_run(study: Study, run: Run, host: str) -> None:
    """Have the rest of an unfinished run trained by this confirmed machine ("": here), where it begins anew."""
    if host:
        Hosts().usable(host)
        check_can_leave(study, run)
    request = request_of(study, run)
    if request.host != host and (study.run_folder(run.id) / LEFT).is_file():
        raise StudyError(
            message(
                "Run {run} was left on {host}, where it goes on; cancel it there before it is moved: "
                "marginalia run cancel STUDY {run}",
                run=run.name,
                host=request.host,
            )
        )
    request = msgspec.structs.replace(request, host=host)
    atomic_write(study.run_folder(run.id) / REQUEST, msgspec.json.format(msgspec.json.encode(request)))


def check_can_leave(study: Study, run: Run) -> None:
    """Raises: TrainingError if the run begins from another run, whose model and features lie here alone."""
    if request_of(study, run).parent:
        raise TrainingError(
            message(
                "Run {run} begins from another run of this study: it is trained on this computer.", run=run.name
            )
        )


def training_of(request: TrainRequest) -> JobRequest:
    """The job of a run: it is trained where the study lies, sent to its host, or followed where it was left."""
    arguments = msgspec.to_builtins(request)
    if not request.host:
        return JobRequest(job="train", arguments=arguments)
    left = (Path(request.folder) / LEFT).is_file()
    return JobRequest(job="follow elsewhere" if left else "train elsewhere", arguments=arguments)


@dataclass(frozen=True, kw_only=True)
class Execution:
    """The way in which a run is executed."""

    place: ExecutionTarget = THIS_MACHINE
    """The place where the child runs."""
    before: Callable[[TrainRequest], JobRequest] = training_of
    """Function that prepares the place and returns the request for the child."""
    after: Callable[[TrainRequest], None] = lambda request: None
    """Once the child has succeeded: brings the results into the run's folder, where they are not there."""


LOCAL = Execution()


def carry_out(study: Study, run: Run, *, emit: Emit, cancelled: IsCancelled, way: Execution = LOCAL) -> Run:
    """Train, or resume from the last checkpoint, and record the outcome.

    A training that was detached from its window is followed to its end. Raises: Cancelled if the user asked for
    it; TrainingError with the child's message if the run failed. In both cases the run can be carried out again
    and continues from its last checkpoint. StudyError if it is finished: its revisions are kept.
    """
    folder = study.run_folder(run.id)
    if goes_on_or_is_done(run, folder):
        final = detached.follow(folder, emit=relay(emit), cancelled=cancelled, log=folder / LOG)
        assert final is not None
        return settle(study, run, final, emit=emit)
    run, request = begin_run(study, run, emit, cancelled)
    detached.forget(folder)  # what an earlier job of the window left must not speak for this one
    try:
        with attended(folder):
            job = way.before(request)
            final = supervise(job, emit=relay(emit), cancelled=cancelled, log=folder / LOG, place=way.place)
            if isinstance(final, Succeeded):
                way.after(request)
    except BaseException:
        # a second Ctrl-C, or a consumer that broke: the child was ended, and nothing runs any more
        study.runs.update(msgspec.structs.replace(run, status=RunStatus.CANCELLED))
        raise
    return settle(study, run, final, emit=emit)


def carry_out_alone(
    study: Study, run: Run, *, emit: Emit, cancelled: IsCancelled, left: IsCancelled, found: bool = False
) -> Run | None:
    """Carry out the run like ``carry_out``, in a detached child.

    None if ``left`` became true and the child continues alone.

    ``found``: the run is one of ``core.tasks.runs.detached_runs.unsettled``; it is only followed to its end, which
    may have come already.
    """
    folder = study.run_folder(run.id)
    if not found and not goes_on_or_is_done(run, folder):
        run, request = begin_run(study, run, emit, cancelled)
        detached.launch(training_of(request), folder, log=folder / LOG)
    final = detached.follow(folder, emit=relay(emit), cancelled=cancelled, left=left, log=folder / LOG)
    return None if final is None else settle(study, run, final, emit=emit)


def goes_on_or_is_done(run: Run, folder: Path) -> bool:
    if detached.is_alive(folder):
        return True
    return run.status is RunStatus.RUNNING and isinstance(detached.final_event(folder), Succeeded)


def begin_run(study: Study, run: Run, emit: Emit, cancelled: IsCancelled) -> tuple[Run, TrainRequest]:
    """Record that the run is being trained; return it, and the request for its child.

    Raises: StudyError if it is finished.
    """
    if run.status is RunStatus.FINISHED:
        raise StudyError(
            message(
                "Run {run} is finished; there is nothing to resume. Train a new one under another name.",
                run=run.name,
            )
        )
    request, folder = request_of(study, run), study.run_folder(run.id)
    changed = changes_since_start(study, run)
    if changed and not changed.missing:
        text = message(
            "Since {run} began: {words}. It goes on with the data that it began with.",
            run=run.name,
            words=changed.changes.words,
        )
        emit(Message(level="info", text=text))
    snapshot = keep_snapshot(study, request.config, folder)
    # kept here, where the study can be written, for the child that may only read it
    build_roi_set(study, roi_request(request.config), snapshot=snapshot, emit=emit, cancelled=cancelled)
    run = msgspec.structs.replace(run, status=RunStatus.RUNNING)
    study.runs.update(run)
    return run, request


def changes_since_start(study: Study, run: Run) -> ChangedData:
    """Return the changes in a run's lesions since its first start; none if it was not started yet."""
    request = request_of(study, run)
    return changed_data(study, request.config, set(request.parts), study.run_folder(run.id))


def relay(emit: Emit) -> Emit:
    """Return ``emit`` for the child's events before its end, which ``settle`` turns into a value or an error."""

    def pass_on(event: Event) -> None:
        if not isinstance(event, Succeeded | Failed | CancelledByUser):
            emit(event)

    return pass_on


def settle(study: Study, run: Run, final: Event, *, emit: Emit) -> Run:
    """Record the outcome of a run's child and return the finished run.

    Raises: Cancelled or TrainingError if the run did not finish.
    """
    match final:
        case Succeeded(result=result):
            try:
                return _finished(study, run, result)
            except ModelError:
                # else it would count as running, and be settled again instead of being gone on with
                study.runs.update(msgspec.structs.replace(run, status=RunStatus.FAILED))
                raise
        case Failed(sentence=sentence, last_words=words):
            study.runs.update(msgspec.structs.replace(run, status=RunStatus.FAILED))
            hint = message("Its log is {folder}/{file} in the study.", folder=run.folder, file=LOG)
            raise TrainingError(joined([sentence, hint]) if words else sentence)
        case _:
            study.runs.update(msgspec.structs.replace(run, status=RunStatus.CANCELLED))
            emit(
                Message(
                    level="info",
                    text=message(
                        "Go on later with: marginalia train {folder} --resume {run}",
                        folder=shlex.quote(str(study.folder)),
                        run=run.name,
                    ),
                )
            )
            raise Cancelled


def _finished(study: Study, run: Run, result: dict[str, object]) -> Run:
    card = load_model(study.run_folder(run.id) / MODEL).card
    done = msgspec.structs.replace(
        run, status=RunStatus.FINISHED, metrics=result, data_fingerprint=card.data_fingerprint
    )
    trained = ModelRevision(
        id=uuid.uuid4().hex,
        run_id=run.id,
        parent_id=None,
        prototype_indices=tuple(range(len(card.prototype_class))),
        reason=UNPRUNED,
        created_utc=now_utc(),
    )
    with study.batch():  # a finished run has a model, whatever happens in between
        study.runs.update(done)
        study.models.add(trained)
        prune_as_parent(study, done, request_of(study, done), trained)
    # the card leaves the study with the model, and then tells whether the trail was written anew
    anchor = anchor_text(study.info.id, study.audit.head())
    note_in_card(study.run_folder(run.id) / MODEL, {NOTE: anchor})
    return done


def trained_model(study: Study, run: Run) -> LoadedModel:
    """The run's model as trained. ModelError where the files in its folder are those of another study or run."""
    found = load_model(study.run_folder(run.id) / MODEL)
    if run.data_fingerprint and found.card.data_fingerprint != run.data_fingerprint:
        raise ModelError(
            message(
                "The model in the folder of run {run} was trained on other data than the run: it is the model "
                "of another study or run; put the run's own model back, or train again.",
                run=run.name,
            )
        )
    return found


def active_model(study: Study, run: Run, *, base: LoadedModel | None = None) -> LoadedModel:
    """The model of the run's active revision: as trained (``base``, where it is loaded already), or as pruned."""
    base = base or trained_model(study, run)
    revision = study.models.active(run.id)
    if revision is None or revision.parent_id is None:
        return base
    return apply_revision(base, load_revision(study.run_folder(run.id), revision.id))
