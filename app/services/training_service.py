"""Training jobs of the window: one runs, the others wait. Each runs in a child process that a thread watches.

A job needs no window: it can be detached when the study is closed, and continues if the window is killed. It is
found when the study is opened again, and followed as if it had never been detached.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from app.qt.background import WorkResult
from app.qt.task import LongTask
from app.state.changes import Change, RunsChanged, StudyClosing, StudyOpened
from app.state.session import Session
from core.domain.errors import Cancelled
from core.domain.events import Emit, Event, IsCancelled, Message, Metrics, Progress, Projected, Started
from core.domain.study import Run
from core.jobs.run_records import has_job_elsewhere

if TYPE_CHECKING:
    from core.store.study import Study
    from core.training.config import TrainingConfig
    from core.training.steering import SteeredPlace


@dataclass(kw_only=True)
class JobState:
    """State of the running job, or of the one that ran last."""

    run: Run
    started: bool = False
    """Flag: the child process answers; before that the lesions are prepared."""
    progress: Progress | None = None
    metrics: list[Metrics] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    projected: Projected | None = None
    """The last time that the prototypes were projected."""
    problem: str = ""
    """Why it failed, in a sentence."""
    ended: bool = False
    stopped: bool = False
    """By the user; it can be resumed."""


@dataclass(frozen=True, kw_only=True)
class PlanRequest:
    config: TrainingConfig
    name: str = ""
    split: str = ""
    """Name of a split; empty: the default one, made where there is none."""
    folds: int = 0
    host: str = ""
    """Name of the machine that trains (``core.jobs.hosts``); empty: this one."""
    launcher: str = ""
    """Name of the launcher of Slurm or of hosts that trains (``core.jobs.launcher_profiles``); empty: none."""


class TrainingService(QObject):
    changed = Signal()
    """The queue, or what runs."""
    said = Signal(object)
    """An ``Event`` of the job that runs."""
    ended = Signal(object)
    """The ``JobState`` of a job that ended, however it did."""
    planned = Signal(object)
    """An ``Outcome``: the new runs, or why there are none."""

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.job: JobState | None = None
        self.waiting: deque[Run] = deque()
        self._task: LongTask | None = None
        self._planning: LongTask | None = None
        self._cancelling: list[LongTask] = []
        self.stopping: set[str] = set()
        """Ids of waiting runs whose job in Slurm or on another machine was asked to stop."""
        self._leave = threading.Event()
        self._found: set[str] = set()
        """Ids of runs whose job was there when the study was opened."""
        session.changed.connect(self._follow)

    @property
    def running(self) -> bool:
        return self._task is not None

    @property
    def planning(self) -> bool:
        return self._planning is not None

    def plan(self, request: PlanRequest) -> None:
        """Make the runs (``planned`` follows); they wait their turn. StudyError where nothing can be written."""
        study = self.session.writable_study()

        def job(emit: Emit, cancelled: IsCancelled) -> object:
            from core.tasks.runs.dispatch import Told, leave_runs
            from core.tasks.runs.training_plan import plan_runs

            runs = plan_runs(
                study,
                request.config,
                name=request.name,
                split=request.split,
                folds=request.folds,
                host=request.host,
            )
            if request.launcher or request.host:  # all of them now; they are followed one after another
                leave_runs(study, runs, request.launcher, Told(emit=emit, cancelled=cancelled))
            return [study.runs.get(run.id) for run in runs]

        self._planning = self._begin(job, "planning", self._take_plan)
        self.changed.emit()

    def plan_again(self, run: Run) -> None:
        """Make a new run of the same plan on the data as they are now (``planned`` follows)."""
        from core.tasks.runs import training_plan

        self._plan_one(lambda study: training_plan.plan_again(study, run))

    def plan_update(self, run: Run) -> None:
        """Make a new run that trains this one further on the data as they are now (``planned`` follows)."""
        from core.tasks.runs import training_plan

        self._plan_one(lambda study: training_plan.plan_update(study, run))

    def plan_steering(self, run: Run, places: Sequence[SteeredPlace]) -> None:
        """Make a new run whose prototypes look at these places (``planned`` follows)."""
        from core.tasks.runs import steering

        self._plan_one(lambda study: steering.plan_steering(study, run, places))

    def _plan_one(self, plan: Callable[[Study], Run]) -> None:
        study = self.session.writable_study()
        self._planning = self._begin(lambda _emit, _cancelled: [plan(study)], "planning", self._take_plan)
        self.changed.emit()

    def enqueue(self, runs: Sequence[Run]) -> None:
        """New runs, or ones to go on with; one that is there already is not taken twice."""
        self.session.writable_study()
        known = {run.id for run in self.waiting}
        if self.running and self.job is not None:
            known.add(self.job.run.id)
        self.waiting.extend(run for run in runs if run.id not in known)
        self._go_on()
        self.changed.emit()

    def withdraw(self, run: Run) -> None:
        """Take a waiting run out of the queue; it stays planned.

        A run that was handed to Slurm or to another machine is cancelled there; it stays until that is recorded.
        """
        if not has_job_elsewhere(self.session.study, run):
            self.waiting = deque(one for one in self.waiting if one.id != run.id)
        elif run.id not in self.stopping:
            self._cancel_elsewhere(run)
        self.changed.emit()

    def _cancel_elsewhere(self, run: Run) -> None:
        study = self.session.writable_study()
        self.stopping.add(run.id)

        def job(emit: Emit, cancelled: IsCancelled) -> object:
            from core.tasks.runs.cancelling import ask_to_cancel

            ask_to_cancel(study, [run])
            return None

        self._cancelling.append(self._begin(job, "cancelling", self._take_cancelled))

    def _take_cancelled(self, outcome: WorkResult) -> None:
        self._cancelling = [task for task in self._cancelling if task.running]
        if outcome.sentence:  # shown where problems of a plan are; it can be asked again
            self.stopping.clear()
            self.planned.emit(outcome)
        self.changed.emit()

    def stop(self) -> None:
        """Stop what runs after its checkpoint; it can be resumed. The next one in the queue begins."""
        if self._task is not None:
            self._task.cancel()

    def stop_all(self) -> None:
        """Forget the queue, stop what runs and wait for its end."""
        self.waiting.clear()
        for task in (self._task, self._planning, *self._cancelling):
            if task is not None:
                task.wait()
        self._task = self._planning = None

    def leave(self) -> None:
        """Forget the queue and let what runs go on alone; it is found again when the study is opened."""
        self.waiting.clear()
        self._leave.set()
        for task in (self._planning, *self._cancelling):
            if task is not None:
                task.wait()
        if self._task is not None:
            self._task.join()
        self._task = self._planning = None
        self._leave.clear()

    def _begin(
        self, job: Callable[[Emit, IsCancelled], object], name: str, receiver: Callable[[WorkResult], None]
    ) -> LongTask:
        task = LongTask(job, self, name=name)
        task.said.connect(self._hear)
        task.ended.connect(receiver)
        task.start()
        return task

    def _go_on(self) -> None:
        if self._task is not None or not self.waiting:
            return
        run, study, leave = self.waiting.popleft(), self.session.study, self._leave
        found = run.id in self._found
        self._found.discard(run.id)
        self.stopping.discard(run.id)
        self.job = JobState(run=run)

        def job(emit: Emit, cancelled: IsCancelled) -> object:
            from core.tasks.runs.dispatch import Told, carry_out_for_window

            told = Told(emit=emit, cancelled=cancelled)
            return carry_out_for_window(study, run, told, left=leave.is_set, found=found)

        self._task = self._begin(job, "training", self._take_end)
        self.changed.emit()

    def _take_plan(self, outcome: WorkResult) -> None:
        if self.sender() is not self._planning:
            return
        self._planning = None
        if isinstance(outcome.value, list):
            for run in outcome.value:
                self.session.changed.emit(RunsChanged(run_id=run.id))
            self.enqueue(outcome.value)
        self.planned.emit(outcome)
        self.changed.emit()

    def _hear(self, event: Event) -> None:
        # what a job of the study before said last may arrive late
        if self.job is None or self.sender() not in (self._task, self._planning):
            return
        match event:
            case Started():
                # what was said until then was about making the lesions ready
                self.job.started, self.job.progress = True, None
            case Progress():
                self.job.progress = event
            case Metrics():
                self.job.metrics.append(event)
            case Projected():
                self.job.projected = event
            case Message():
                self.job.messages.append(event)
        self.said.emit(event)

    def _take_end(self, outcome: WorkResult) -> None:
        if self.sender() is not self._task:
            return
        job, self._task = self.job, None
        if job is None or not self.session.is_open:
            return
        job.ended = True
        job.stopped = isinstance(outcome.error, Cancelled)
        job.problem = "" if job.stopped else outcome.sentence
        self.session.changed.emit(RunsChanged(run_id=job.run.id))
        self.ended.emit(job)
        self._go_on()
        self.changed.emit()

    def _follow(self, change: Change) -> None:
        match change:
            case StudyOpened(read_only=why) if not why:
                self._look_for_jobs()
            case StudyClosing():
                # a job that may not go on was stopped before the study is closed
                self.leave()
                self.job = None
                self.changed.emit()

    def _look_for_jobs(self) -> None:
        """Follow detached jobs again."""
        from core.tasks.runs.detached_runs import unsettled

        runs = unsettled(self.session.study)
        self._found = {run.id for run in runs}
        self.waiting.extend(runs)
        self._go_on()
        self.changed.emit()
