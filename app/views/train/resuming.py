"""Before a paused run goes on: what changed in its lesions since it began, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QMessageBox, QWidget

from app.qt.background import Background, WorkResult
from app.qt.dialogs import open_dialog
from app.qt.translation import tr
from app.state.session import Session
from core.domain.study import Run, RunStatus

if TYPE_CHECKING:
    from core.tasks.runs.run_data import ChangedData


class Resuming(QObject):
    """Confirmation by the user before a run resumes, once, if something changed; else the run resumes at once.

    ``go_on(run)`` and ``start_anew(run)`` carry out the choice; ``say(sentence)`` shows why the check failed.
    """

    def __init__(
        self,
        session: Session,
        window: QWidget,
        *,
        go_on: Callable[[Run], None],
        start_anew: Callable[[Run], None],
        say: Callable[[str], None],
    ) -> None:
        super().__init__(window)
        self._session, self._window = session, window
        self._go_on, self._start_anew, self._say = go_on, start_anew, say
        self._run: Run | None = None
        self._checks = Background(self, name="changed data", most=1)
        self._checks.done.connect(self._take)

    def resume(self, run: Run) -> None:
        if run.status is RunStatus.PLANNED:
            self._go_on(run)
            return
        self._run, study = run, self._session.study

        def work() -> ChangedData:
            from core.tasks.runs.lifecycle import changes_since_start

            return changes_since_start(study, run)

        self._checks.submit(run.id, work)

    def stop(self) -> None:
        self._run = None
        self._checks.stop()

    def _take(self, outcome: WorkResult) -> None:
        run = self._run
        if run is None or outcome.key != run.id:
            return
        self._run = None
        if outcome.error is not None:
            self._say(outcome.sentence)
            return
        changed: ChangedData = outcome.value  # type: ignore[assignment]
        if changed:
            open_dialog(self.question(run, changed))
        else:
            self._go_on(run)

    def question(self, run: Run, changed: ChangedData) -> QMessageBox:
        box = QMessageBox(self._window)
        box.setWindowTitle(tr("Resume {name}", name=run.name))
        box.setText(tr("Since {name} began: {changes}.", name=run.name, changes=change_words(changed)))
        box.addButton(tr("Cancel"), QMessageBox.ButtonRole.RejectRole)
        anew = box.addButton(tr("Train a new run with the new ones"), QMessageBox.ButtonRole.ActionRole)
        anew.clicked.connect(lambda: self._start_anew(run))
        if changed.missing:
            box.setInformativeText(
                tr("It cannot go on: {count} of its lesions are no longer in the study.", count=changed.missing)
            )
            box.setDefaultButton(anew)
            return box
        box.setInformativeText(
            tr("A run keeps the labels and annotations that it began with. A new run takes them as they are now.")
        )
        old = box.addButton(tr("Continue with the old ones"), QMessageBox.ButtonRole.AcceptRole)
        old.clicked.connect(lambda: self._go_on(run))
        box.setDefaultButton(old)
        return box


def change_words(changed: ChangedData) -> str:
    """Such as "2 labels changed, 1 lesion added"."""
    found = changed.changes
    words = (
        (found.labels, tr("1 label changed"), tr("{n} labels changed", n=found.labels)),
        (found.annotations, tr("1 annotation changed"), tr("{n} annotations changed", n=found.annotations)),
        (found.outlines, tr("1 outline changed"), tr("{n} outlines changed", n=found.outlines)),
        (found.added, tr("1 lesion added"), tr("{n} lesions added", n=found.added)),
        (found.removed, tr("1 lesion removed"), tr("{n} lesions removed", n=found.removed)),
    )
    return ", ".join(one if count == 1 else many for count, one, many in words if count)
