"""Waiting for a window by its events, not by a clock: a slow machine is no failure, silence is."""

from __future__ import annotations

import time
from collections.abc import Callable

from PySide6.QtWidgets import QApplication

from app.views.main_window.window import MainWindow

SILENCE = 600
"""Seconds without any event of the window's work after which it is given up."""
_PAUSE = 0.01


class Patience:
    """Waits until something is true, as long as the window's trainings, models or pictures report anything.

    Raises at once where a training or a model failed, with its sentence.
    """

    def __init__(self, window: MainWindow, silence: float = SILENCE) -> None:
        self._window, self._silence = window, silence
        self._heard = time.monotonic()
        desk, training = window.desk, window.training
        for signal in (
            window.session.changed, training.changed, training.said, training.ended, training.planned,
            desk.opening, desk.model_changed, desk.runs_changed, desk.cases_changed, desk.explained, desk.surveyed,
            desk.surveying, desk.refused,
        ):  # fmt: skip
            signal.connect(self._hear)

    def __call__(self, there: Callable[[], bool]) -> None:
        self._hear()
        while not there():
            QApplication.processEvents()
            time.sleep(_PAUSE)
            self._refuse_failure()
            quiet = time.monotonic() - self._heard
            assert quiet < self._silence, f"nothing happened for {quiet:.0f} s"
        for _ in range(3):  # what just came is laid out and shown with the next events
            QApplication.processEvents()
            time.sleep(_PAUSE)

    def _hear(self, *_: object) -> None:
        self._heard = time.monotonic()

    def _refuse_failure(self) -> None:
        job, importing = self._window.training.job, self._window.studies.imports.dialog
        assert job is None or not job.problem, job.problem
        assert not self._window.desk.problem, self._window.desk.problem
        if importing is not None and importing.task.running:
            self._hear()  # its thread reports each file to the dialog
