"""The training that runs, or the one that ended while nobody looked at Train, as a chip of the status line."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from app.qt.translation import tr
from app.services.training_service import TrainingService
from app.views.train.job_panel import share_done
from app.widgets.progress_chip import ProgressChip


class TrainChip(QObject):
    clicked = Signal()

    def __init__(self, training: TrainingService, chip: ProgressChip) -> None:
        super().__init__(chip)
        self._training, self._chip = training, chip
        self._seen = True
        """Flag: Train was shown since the last training ended."""
        chip.setToolTip(tr("Show it in Train"))
        chip.clicked.connect(self.clicked)
        training.changed.connect(self._show)
        training.said.connect(self._show)
        training.ended.connect(self._end)

    def show_train(self, shown: bool) -> None:
        """Update the chip when Train is shown or hidden."""
        self._seen = self._seen or shown
        self._show()

    def _end(self) -> None:
        self._seen = False
        self._show()

    def _show(self) -> None:
        job = self._training.job
        if job is None or (job.ended and self._seen):
            self._chip.show_work("", None)
        elif job.ended:
            self._chip.show_work(_end_words(job.run.name, failed=bool(job.problem), stopped=job.stopped), None)
        else:
            progress = job.progress
            share = progress.done / progress.total if progress is not None and progress.total else 0.0
            self._chip.show_work(" ".join(part for part in (job.run.name, share_done(job)) if part), share)


def _end_words(name: str, *, failed: bool, stopped: bool) -> str:
    if failed:
        return tr("{name} failed", name=name)
    return tr("{name} was stopped", name=name) if stopped else tr("{name} is finished", name=name)
