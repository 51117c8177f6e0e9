"""Measurement of the planned run's cost in a child process, while the window stays free."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from app.qt.background import WorkResult
from app.qt.formatting import decimal
from app.qt.task import LongTask
from app.qt.translation import tr
from app.state.session import Session
from app.views.train.job_panel import duration
from app.views.train.plan_panel import PlanPanel
from core.domain.errors import Cancelled
from core.domain.events import Emit, IsCancelled
from core.tasks.runs.devices import devices

if TYPE_CHECKING:
    from core.training.run_estimate import Rehearsed


class Devices(QObject):
    """Asks once what a training could run on here: the graphics cards are known to a child process only."""

    def __init__(self, panel: PlanPanel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._panel = panel
        self._task: LongTask | None = None

    def ask(self) -> None:
        if self._task is None:
            self._task = LongTask(
                lambda emit, cancelled: devices(emit=emit, cancelled=cancelled), self, name="devices"
            )
            self._task.ended.connect(self._take)
            self._task.start()

    def stop(self) -> None:
        """Stop the measurement and wait for its end; unanswered requests are repeated."""
        if self._task is not None and self._task.running:
            task, self._task = self._task, None
            task.wait()

    def _take(self, outcome: WorkResult) -> None:
        if isinstance(outcome.value, tuple):
            self._panel.show_devices(outcome.value)


class Measuring(QObject):
    """One measurement at a time, for the plan as it was when it was asked for."""

    def __init__(self, session: Session, panel: PlanPanel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session, self._panel = session, panel
        self._task: LongTask | None = None
        self._key = b""
        panel.measure_wanted.connect(self._ask)

    def stop(self) -> None:
        """End it and wait for its end; afterwards nothing here uses the study."""
        task, self._task = self._task, None
        if task is not None:
            task.wait()
            self._panel.show_measuring("")

    def _ask(self, wanted: bool) -> None:
        if not wanted:
            if self._task is not None:
                self._task.cancel()
            return
        config, split, study = self._panel.config, self._panel.split, self._session.study
        if config is None or self._task is not None:
            return

        def job(emit: Emit, cancelled: IsCancelled) -> object:
            from core.tasks.runs.estimate import estimate

            parts = None if split is None else dict(split.parts)
            return estimate(study, config, parts, emit=emit, cancelled=cancelled)

        self._key = self._panel.plan_key
        self._task = LongTask(job, self, name="estimate")
        self._task.ended.connect(self._take)
        self._panel.show_measuring(tr("Measuring …"))
        self._task.start()

    def _take(self, outcome: WorkResult) -> None:
        if self._task is None or self.sender() is not self._task:
            return
        self._task = None
        if outcome.error is None:
            self._panel.keep_measured(self._key, words(outcome.value))  # type: ignore[arg-type]
        self._panel.show_measuring("")
        if outcome.error is not None and not isinstance(outcome.error, Cancelled):
            self._panel.show_problem(outcome.sentence)


def words(found: Rehearsed) -> str:
    """The estimate, and how it came about."""
    time = duration(found.seconds)
    if found.memory_bytes is None:
        said = tr("About {time}; the memory is not known on this system.", time=time)
    else:
        said = tr("About {time}, {memory} GB.", time=time, memory=decimal(found.memory_bytes / 1e9, 1))
    how = tr(
        "Measured on {device}: a batch of {batch} images took {seconds} s, an epoch has {count}; "
        "{lesions} lesions.",
        device=found.device,
        batch=found.batch,
        seconds=decimal(found.batch_seconds, 2),
        count=found.batches_an_epoch,
        lesions=found.lesions,
    )
    return f"{said} {how}"
