"""The job that runs: stage in words, progress, time left, curves; pause, cancel, and its result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QVBoxLayout, QWidget

from app.qt.formatting import decimal
from app.qt.sentences import translate_message
from app.qt.translation import tr
from app.services.training_service import JobState
from app.views.train.history import Point
from app.views.train.projected_strip import ProjectedStrip
from app.views.train.stage_names import stage_sentence
from app.widgets.label import Elided, Label
from core.domain.study import Run

if TYPE_CHECKING:
    from app.views.train.curves import Curves


class JobPanel(QWidget):
    stop_wanted = Signal(bool)
    """True: only for now, so that one press goes on."""
    resume_wanted = Signal()
    log_wanted = Signal(object)
    """The ``Run`` whose log is to be shown."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.title, self.detail, self.queue, self.problem = Label(), Elided(), Label(), Label()
        self.title.setObjectName("headline")
        self.queue.setObjectName("faint")
        self.problem.setObjectName("badge")
        self.problem.setWordWrap(True)
        self.problem.setMargin(4)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName(tr("Progress of the training"))
        self.pause, self.cancel = QPushButton(tr("Pause")), QPushButton(tr("Cancel"))
        self.resume, self.log = QPushButton(tr("Resume")), QPushButton(tr("Show the log"))
        self.curves: Curves | None = None
        """Made when there is something to draw: its library takes half a second to load."""
        self._job: JobState | None = None
        self.prototypes = ProjectedStrip()
        self._rest = Label(tr("While a training runs, its progress, loss and accuracy are drawn here."))
        self._rest.setObjectName("faint")
        self._rest.setWordWrap(True)
        self._rest.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._rest.setMinimumHeight(150)
        self._lay_out()
        for widget in (self.bar, self.detail):
            # their room is kept, so that the charts do not move when a training begins
            policy = widget.sizePolicy()
            policy.setRetainSizeWhenHidden(True)
            widget.setSizePolicy(policy)
        self.pause.clicked.connect(lambda: self.stop_wanted.emit(True))
        self.cancel.clicked.connect(lambda: self.stop_wanted.emit(False))
        self.resume.clicked.connect(self.resume_wanted)
        self.log.clicked.connect(self._show_log)
        self.show_job(None, (), paused=False, planning=False)

    def _lay_out(self) -> None:
        line = QHBoxLayout()
        line.addWidget(self.title, 1)
        for button in (self.pause, self.cancel, self.resume, self.log):
            line.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(line)
        for part in (self.bar, self.detail, self.queue, self.problem, self.prototypes):
            layout.addWidget(part)
        layout.addWidget(self._rest, 1)

    def show_job(self, job: JobState | None, waiting: Sequence[Run], *, paused: bool, planning: bool) -> None:
        self._job = job
        running = job is not None and not job.ended
        self.pause.setVisible(running)
        self.cancel.setVisible(running)
        busy = running or planning
        self.bar.setVisible(busy)
        self.detail.setVisible(busy)
        self.resume.setVisible(job is not None and job.ended and (job.stopped or bool(job.problem)))
        self.log.setVisible(job is not None and bool(job.problem))
        self.problem.setVisible(job is not None and bool(job.problem))
        self.problem.setText("" if job is None else job.problem)
        names = ", ".join(run.name for run in waiting)
        self.queue.setText(tr("Waiting: {names}", names=names) if names else "")
        self.queue.setVisible(bool(names))
        self.title.setText(tr("A training is being planned") if planning and not running else _title(job, paused))
        if running and job is not None:
            self.show_progress(job)
        elif planning:
            self._say(tr("Dividing the patients and writing the plan …"), 0, 0)

    def show_progress(self, job: JobState) -> None:
        progress = job.progress
        if progress is None:
            loads = tr("The training program starts; this takes some seconds …")
            before = translate_message(job.messages[-1].text) if job.messages else tr("Preparing the lesions …")
            self._say(loads if job.started else before, 0, 0)
            return
        parts = [stage_sentence(progress.stage), translate_message(progress.detail), share_done(job)]
        if progress.eta_s is not None:
            parts.append(tr("about {time} left", time=duration(progress.eta_s)))
        if progress.rate is not None:
            parts.append(tr("{rate} lesions/s", rate=decimal(progress.rate, 1)))
        if job.messages:
            parts.append(translate_message(job.messages[-1].text))
        self._say(" · ".join(part for part in parts if part), progress.done, progress.total)

    def _say(self, sentence: str, done: int, total: int) -> None:
        self.bar.setRange(0, total)
        self.bar.setValue(done)
        self.detail.say(sentence)

    def show_histories(self, histories: Mapping[str, Sequence[Point]]) -> None:
        """By name of the run; no charts are made before there is a run."""
        if self.curves is None:
            if not histories:
                return
            from app.views.train.curves import Curves

            self.curves = Curves()
            layout = self.layout()
            assert layout is not None
            layout.replaceWidget(self._rest, self.curves)
            self._rest.hide()
            self._rest.deleteLater()
        self.curves.show_runs(histories)

    def _show_log(self) -> None:
        if self._job is not None:
            self.log_wanted.emit(self._job.run)


def share_done(job: JobState) -> str:
    """Such as "43%"; empty where the end is not known."""
    progress = job.progress
    if progress is None or not progress.total:
        return ""
    return tr("{number}%", number=int(100 * progress.done / progress.total))


def _title(job: JobState | None, paused: bool) -> str:
    if job is None:
        return tr("No training is running")
    name = job.run.name
    if not job.ended:
        return tr("{name} is being trained", name=name)
    if job.problem:
        return tr("{name} failed", name=name)
    if job.stopped:
        return tr("{name} is paused", name=name) if paused else tr("{name} was cancelled", name=name)
    return tr("{name} is finished", name=name)


def duration(seconds: float) -> str:
    """In the largest units that fit."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return tr("{n} s", n=round(seconds))
    return tr("{n} min", n=minutes) if minutes < 120 else tr("{n} h", n=decimal(seconds / 3600, 1))
