"""Train: what will be trained on, how, how far it is, and what came of the runs before."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import (
    QApplication,
    QDialog,
    QFileDialog,
    QPlainTextEdit,
    QSplitter,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from app.operations import models
from app.qt.background import Background, WorkResult
from app.qt.dialogs import open_dialog as open_dialog
from app.qt.sentences import translate_message
from app.qt.translation import tr
from app.services.model_service import ModelService
from app.services.training_service import JobState, PlanRequest, TrainingService
from app.state.changes import (
    AnnotationChanged,
    Change,
    ImagesImported,
    LabelsChanged,
    LesionsChanged,
    ReaderChanged,
    RunsChanged,
    StudyClosed,
    StudyClosing,
    StudyOpened,
)
from app.state.session import Session
from app.views.screen import Screen
from app.views.train.comparison import RunComparisonView
from app.views.train.history import FILE as HISTORY
from app.views.train.history import Point, auroc_course, continued, read_history
from app.views.train.job_panel import JobPanel
from app.views.train.machine_dialog import MachineDialog
from app.views.train.machines_dialog import MachinesDialog
from app.views.train.measuring import Devices, Measuring
from app.views.train.plan_panel import PlanPanel
from app.views.train.resuming import Resuming
from app.views.train.runs_table import RunsTable
from app.views.train.validation import ExternalValidationView
from app.widgets.label import in_title
from app.widgets.notice import Notice
from core.domain.errors import MarginaliaError
from core.domain.events import Event, Metrics, Projected
from core.domain.study import Run, RunStatus
from core.jobs.hosts import Hosts
from core.jobs.launcher_profiles import host_pools, slurm_launchers
from core.jobs.run_records import is_worked_on
from core.tasks.runs.projection_file import ProjectedPictures, read_projected

if TYPE_CHECKING:
    from core.tasks.runs.training_data import TrainingData

LOG = "log.txt"
_LOG_END = 20_000
"""Characters of a log that are shown, from its end."""


class TrainScreen(Screen):
    lesion_wanted = Signal()
    """Emitted when the user asks to see a lesion; it is selected by then."""
    model_wanted = Signal()
    """The model that was opened is to be looked at."""

    def __init__(
        self, session: Session, desk: ModelService, training: TrainingService, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.session, self.desk, self.training = session, desk, training
        self.plan, self.job, self.runs, self.notice = PlanPanel(), JobPanel(), RunsTable(), Notice()
        self.pages = QStackedWidget()
        self._paused = False
        self._followed = ""
        """Id of the run that was chosen when its training began."""
        self._stale = True
        self._looking = Background(self, name="training data", most=1)
        self._measuring = Measuring(session, self.plan, self)
        self._devices = Devices(self.plan, self)
        self._pictures = Background(self, name="projected prototypes", most=1)
        self._resuming = Resuming(
            session, self, go_on=self._go_on, start_anew=self._start_anew, say=self.plan.show_problem
        )
        self._lay_out()
        self._connect()
        self.refresh()

    def _lay_out(self) -> None:
        right = QSplitter(Qt.Orientation.Vertical)
        right.addWidget(_padded(self.job))
        right.addWidget(_padded(self.runs))
        right.setStretchFactor(0, 3)
        right.setStretchFactor(1, 2)
        right.setChildrenCollapsible(False)
        right.setSizes([520, 260])
        self.splitter = QSplitter(Qt.Orientation.Horizontal)
        self.splitter.addWidget(self.plan)
        self.splitter.addWidget(right)
        self.splitter.setStretchFactor(1, 1)
        self.splitter.setChildrenCollapsible(False)
        self.splitter.setSizes([440, 900])
        for page in (self.notice, self.splitter):
            self.pages.addWidget(page)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.pages)

    def _connect(self) -> None:
        self.session.changed.connect(self._follow)
        self.training.changed.connect(self._show_job)
        self.training.said.connect(self._hear)
        self.training.ended.connect(self._ended)
        self.training.planned.connect(self._planned)
        self._looking.done.connect(self._take_data)
        self._pictures.done.connect(self._take_prototypes)
        self.plan.data_wanted.connect(self._look)
        self.plan.data.lesion_wanted.connect(self._show_lesion)
        self.plan.start_wanted.connect(self._start)
        self.plan.machine_wanted.connect(self._add_machine)
        self.plan.machines_wanted.connect(self._show_machines)
        self.job.stop_wanted.connect(self._stop)
        self.job.resume_wanted.connect(self._resume_last)
        self.job.log_wanted.connect(self._show_log)
        self.runs.chosen.connect(self._show_curves)
        self.runs.open_wanted.connect(self._open_model)
        self.runs.resume_wanted.connect(self._resume)
        self.runs.withdraw_wanted.connect(self.training.withdraw)
        self.runs.update_wanted.connect(lambda run: self._try(lambda: self.training.plan_update(run)))
        self.runs.compare_wanted.connect(self._compare)
        self.runs.validate_wanted.connect(self._validate)
        self.runs.log_wanted.connect(self._show_log)
        self.runs.archive_wanted.connect(self._archive)
        self.runs.note_written.connect(self._note)
        self.runs.archived.toggled.connect(self._show_runs)

    # what is shown

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if self._stale:
            self.refresh()

    def refresh(self) -> None:
        """Everything, after another study or other data; put off while nobody looks."""
        self._stale = not self.isVisible()
        if self._stale:
            return
        if not self.session.is_open:
            self.notice.say(tr("No study is open"), tr("Open a study to train a model on its lesions."))
            self.pages.setCurrentWidget(self.notice)
            return
        self.pages.setCurrentWidget(self.splitter)
        study = self.session.study
        self.plan.suggest_preset(synthetic=study.is_synthetic)
        self.plan.show_study(study.splits.all(), study.runs.all(archived=True))
        self.plan.label_rule.show_readers([reader.name for reader in study.readers.all()])
        self._show_hosts()
        self._devices.ask()
        self._look()
        self._show_runs()
        self._show_job()

    def _show_hosts(self, chosen: str = "") -> None:
        try:
            self.plan.show_hosts([host.name for host in Hosts().confirmed()], chosen)
            self.plan.show_launchers(slurm_launchers(), [pool.name for pool in host_pools()])
        except MarginaliaError as error:
            self.refused.emit(translate_message(error))

    def _look(self) -> None:
        """Count what would be trained on, beside the window's thread."""
        config = self.plan.config
        if not self.session.is_open or config is None:
            return
        study, split = self.session.study, self.plan.split

        def work() -> TrainingData:
            from core.tasks.runs.training_data import look_at_data

            return look_at_data(study, config, None if split is None else split.parts)

        self._looking.submit("data", work)

    def _take_data(self, outcome: WorkResult) -> None:
        self.plan.show_data(outcome.value, outcome.sentence)  # type: ignore[arg-type]

    def _show_job(self) -> None:
        if not self.session.is_open:
            return
        job, planning = self.training.job, self.training.planning
        self.job.show_job(job, list(self.training.waiting), paused=self._paused, planning=planning)
        self.plan.set_busy(planning, able=self.session.can_write)
        self._show_prototypes()
        self._show_runs()
        if job is not None and job.run.id != self._followed:
            # a run that begins is the one that is looked at
            self._followed = job.run.id
            self.runs.choose(job.run.id)
        self._show_curves()

    def _show_runs(self) -> None:
        if not self.session.is_open:
            return
        if not self.isVisible():
            self._stale = True
            return
        runs = self.session.study.runs.all(archived=self.runs.archived.isChecked())
        job = self.training.job
        live = job.run.id if job is not None and self.training.running else ""
        stopping = self.training.stopping
        states = {
            run.id: tr("is being stopped") if run.id in stopping else tr("waiting")
            for run in self.training.waiting
        }
        if live:
            states[live] = tr("is being trained")
        for run in runs:
            if run.status is RunStatus.RUNNING and run.id != live and run.id not in states:
                # somebody else's, in a study that is open for reading only
                working = is_worked_on(self.session.study, run)
                states[run.id] = tr("is being trained") if working else tr("interrupted")
        self.runs.show_runs(runs, live, states, [run.id for run in self.training.waiting])
        self.runs.show_courses({run.id: auroc_course(self._history(run)) for run in runs})

    def _show_curves(self) -> None:
        """The curves of the ticked runs, else of the chosen one, else of the job."""
        if not self.session.is_open or not self.isVisible():
            return
        job = self.training.job
        chosen = self.runs.compared or self.runs.selected
        if not chosen and job is not None:
            chosen = [job.run]
        self.job.show_histories({run.name: self._history(run) for run in chosen})

    def _history(self, run: Run) -> list[Point]:
        written = read_history(self.session.study.folder / run.folder / HISTORY)
        job = self.training.job
        return continued(written, job.metrics) if job is not None and job.run.id == run.id else written

    def _hear(self, event: Event) -> None:
        job = self.training.job
        if job is None or not self.isVisible():
            return
        self.job.show_progress(job)
        if isinstance(event, Metrics):
            self._show_curves()
            self.runs.show_courses({job.run.id: auroc_course(self._history(job.run))})
        elif isinstance(event, Projected):
            self._show_prototypes()

    def _show_prototypes(self) -> None:
        """Show the job's prototypes of the last projection; they are read in a background thread."""
        job = self.training.job
        if job is None or job.projected is None:
            self.job.prototypes.show_pictures(None)
            return
        path = self.session.study.folder / job.run.folder / job.projected.file
        self._pictures.submit("prototypes", lambda: read_projected(path))

    def _take_prototypes(self, outcome: WorkResult) -> None:
        found = outcome.value
        self.job.prototypes.show_pictures(found if isinstance(found, ProjectedPictures) else None)

    def _ended(self, job: JobState) -> None:
        window = self.window()
        QApplication.alert(window)
        if job.problem:
            self.refused.emit(tr("{name} failed", name=job.run.name) + f": {job.problem}")
        elif not job.stopped:
            self.refused.emit(tr("{name} is finished", name=job.run.name))
        self._show_curves()

    def _planned(self, outcome: WorkResult) -> None:
        self.plan.show_problem(outcome.sentence)
        if not outcome.sentence:
            self.plan.clear_name()
            study = self.session.study
            self.plan.show_study(study.splits.all(), study.runs.all(archived=True))
            self._look()

    def _follow(self, change: Change) -> None:
        match change:
            case StudyClosing():
                self._looking.stop()
                self.plan.weights.stop()
                self._resuming.stop()
                self._measuring.stop()
                self._devices.stop()
                self._pictures.stop()
                self._followed = ""
            case RunsChanged():
                self._show_runs()
            case StudyOpened() | StudyClosed() | ImagesImported() | ReaderChanged():
                self.refresh()
            case LabelsChanged() | LesionsChanged() | AnnotationChanged():
                self._stale = True

    # what the user does

    def _show_lesion(self, lesion_id: str) -> None:
        self.session.select(self.session.study.lesions.get(lesion_id).image_id, lesion_id)
        self.lesion_wanted.emit()

    def _add_machine(self) -> None:
        dialog = MachineDialog(self)
        dialog.added.connect(self._show_hosts)
        open_dialog(dialog)

    def _show_machines(self) -> None:
        open_dialog(MachinesDialog([host.name for host in Hosts().confirmed()], self))

    def _start(self, request: PlanRequest) -> None:
        self._paused = False
        self._try(lambda: self.training.plan(request))

    def _stop(self, paused: bool) -> None:
        self._paused = paused
        self.job.detail.setText(tr("stopping after the checkpoint …"))
        self.training.stop()

    def _resume_last(self) -> None:
        if self.training.job is not None:
            self._resume(self.training.job.run)

    def _resume(self, run: Run) -> None:
        self._try(lambda: self._resuming.resume(self.session.study.runs.get(run.id)))

    def _go_on(self, run: Run) -> None:
        self._paused = False
        self._try(lambda: self.training.enqueue([self.session.study.runs.get(run.id)]))

    def _start_anew(self, run: Run) -> None:
        self._paused = False
        self._try(lambda: self.training.plan_again(run))

    def _open_model(self, run: Run) -> None:
        self.desk.open(run.id)
        self.model_wanted.emit()

    def _archive(self, run: Run, archived: bool) -> None:
        self._try(lambda: models.note_run(self.session, run, archived=archived))

    def _note(self, run: Run, notes: str) -> None:
        self._try(lambda: models.note_run(self.session, run, notes=notes))

    def _compare(self, runs: list[Run]) -> None:
        RunComparisonView(runs, self).show()

    def _validate(self, run: Run) -> None:
        title = tr("Study on which {name} is evaluated", name=run.name)
        chosen = QFileDialog.getExistingDirectory(self, title, str(self.session.study.folder.parent))
        if chosen:
            ExternalValidationView(self.session.study.folder, run, Path(chosen), self).show()

    def _show_log(self, run: Run) -> None:
        path = self.session.study.folder / run.folder / LOG
        dialog = QDialog(self)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setWindowTitle(in_title(tr("Log of {name}", name=run.name)))
        dialog.resize(760, 460)
        text = QPlainTextEdit(_end_of(path))
        text.setReadOnly(True)
        text.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        layout = QVBoxLayout(dialog)
        layout.addWidget(text)
        dialog.show()
        QTimer.singleShot(0, text, partial(text.verticalScrollBar().setValue, text.verticalScrollBar().maximum()))

    def _try(self, act: object) -> None:
        try:
            act()  # type: ignore[operator]
        except MarginaliaError as error:
            self.plan.show_problem(translate_message(error))


def _end_of(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")[-_LOG_END:] or tr("The log is empty.")
    except OSError:
        return tr("There is no log: the run has not begun.")


def _padded(widget: QWidget) -> QWidget:
    page = QWidget()
    layout = QVBoxLayout(page)
    layout.setContentsMargins(12, 8, 12, 8)
    layout.addWidget(widget)
    return page
