"""A reader study on the screen: chosen or made, read lesion by lesion, exported, evaluated."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QCloseEvent
from PySide6.QtWidgets import (
    QDialog,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QPlainTextEdit,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from app.operations import models
from app.qt.background import Background, WorkResult
from app.qt.dialogs import open_dialog
from app.qt.formatting import one_or_many
from app.qt.sentences import translate_message
from app.qt.translation import tr
from app.services.model_service import ModelService
from app.state.changes import Change, StudyClosing
from app.state.session import Session
from app.views.case_pair import CasePair
from app.views.reading.answer import Answer, ReadingForm
from app.views.reading.setup import NewReaderStudy, SetupPage
from app.widgets.explain.evidence_strip import EvidenceStrip
from app.widgets.explain.heat import HeatLook
from app.widgets.explain.pictures import CasePictures, PatchLibrary
from app.widgets.explain.verdict import VerdictPanel
from app.widgets.notice import Notice
from core.domain.errors import MarginaliaError
from core.domain.reading import Condition, ReaderStudy, StudyReading
from core.store.database import now_utc
from core.tasks.readers.reader_study import ReadingStep, check_model, export_readings, make_reader_study, next_step

if TYPE_CHECKING:
    from core.explain.panel import Panel


_SIZE = QSize(1400, 960)
_TITLE = 40
"""Height of a title bar, which is known only once the window is shown."""
_TILE = 72
"""Side of the prototypes' pictures in the strip, in logical pixels."""


class ReadingWindow(QDialog):
    refused = Signal(str)
    """One sentence for the status line."""

    def __init__(self, session: Session, desk: ModelService, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Reader study"))
        self.setWindowFlag(Qt.WindowType.WindowMaximizeButtonHint)
        self.session, self.desk = session, desk
        self.made: ReaderStudy | None = None
        self.step: ReadingStep | None = None
        self.setup, self.answer, self.verdict = SetupPage(), ReadingForm(), VerdictPanel()
        self.library = PatchLibrary()
        self.pair = CasePair(session, desk, self.library, self)
        self.evidence = EvidenceStrip(self.library)
        self.evidence.can_switch = False
        self.evidence.set_picture_side(_TILE)
        # how the map lies in the annotation would tell the reader where the margin was drawn
        self.evidence.strip.shows_precision = False
        self.results, self.notice, self.figures = QWidget(), Notice(), QPlainTextEdit()
        self.export, self.evaluate = QPushButton(tr("Export…")), QPushButton(tr("Evaluate"))
        self.pages, self._reading = QStackedWidget(), QWidget()
        self._evaluating = Background(self, name="reader study")
        self._lay_out()
        self.setup.begin_wanted.connect(self._begin)
        self.setup.make_wanted.connect(self._make)
        self.setup.results_wanted.connect(self._show_done)
        self.answer.answered.connect(self._keep)
        self.evidence.row_shown.connect(self._hover_row)
        self.evidence.row_chosen.connect(self._choose_row)
        self.desk.explained.connect(self._take_panel)
        self.desk.refused.connect(self._refuse)
        self.export.clicked.connect(self._ask_export)
        self.evaluate.clicked.connect(self._evaluate)
        self._evaluating.done.connect(self._take_figures)
        self.notice.pressed.connect(self._to_setup)
        session.changed.connect(self._follow)
        self._to_setup()

    def _lay_out(self) -> None:
        pictures = QGridLayout()
        self.pair.source.view.has_notice = False
        self.beside = QStackedWidget()
        """The whole mammogram while the reader is alone, then the prototype's lesion."""
        self.beside.addWidget(self.pair.context)
        self.beside.addWidget(self.pair.source)
        for place, pane in enumerate((self.pair.lesion, self.beside)):
            pictures.addWidget(pane, 0, place)
            pictures.setColumnStretch(place, 1)
        below = QHBoxLayout()
        below.setSpacing(24)
        below.addWidget(self.answer, 3)
        below.addWidget(self.verdict, 2)
        hidden: tuple[QWidget, ...] = (self.verdict, self.evidence)
        for part in hidden:
            # nothing moves when the model's answer comes
            policy = part.sizePolicy()
            policy.setRetainSizeWhenHidden(True)
            part.setSizePolicy(policy)
        column = QVBoxLayout(self._reading)
        column.setSpacing(6)
        column.addLayout(pictures, 1)
        column.addWidget(self.evidence)
        column.addLayout(below)
        results = QVBoxLayout(self.results)
        self.figures.setReadOnly(True)
        self.figures.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        results.addWidget(self.figures, 1)
        line = QHBoxLayout()
        back = QPushButton(tr("Back"))
        back.clicked.connect(self._to_setup)
        for button in (back, self.evaluate, self.export):
            button.setAutoDefault(False)
            line.addWidget(button)
        line.insertStretch(1)
        results.addLayout(line)
        for page in (self.setup, self._reading, self.results, self.notice):
            self.pages.addWidget(page)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.pages)
        self.answer.next.setAutoDefault(False)
        room = self.screen().availableSize()
        self.resize(_SIZE.boundedTo(QSize(room.width(), room.height() - _TITLE)))

    # before

    def _to_setup(self) -> None:
        self.made = self.step = None
        if self.session.is_open:
            self.setup.show_studies(self.session.study.reader_studies.all(), able=self.session.can_write)
        self.pages.setCurrentWidget(self.setup)

    def _make(self, wanted: NewReaderStudy) -> None:
        model = self.desk.model
        if model is None:
            return
        from core.tasks.runs.lifecycle import request_of  # with torch, which the open model has loaded

        def make() -> None:
            study = self.session.writable_study()
            parts = request_of(study, model.run).parts
            made = make_reader_study(study, model.run, parts, name=wanted.name, most=wanted.most, seed=wanted.seed)
            self._begin(made)

        self._try(make)

    def _begin(self, made: ReaderStudy) -> None:
        def begin() -> None:
            run = check_model(self.session.study, made)
            self.made = made
            if self.desk.run_id != run.id:
                self.desk.open(run.id)
            self._go_on()

        self._try(begin)

    # while reading

    def _go_on(self) -> None:
        made, reader = self.made, self.session.reader
        if made is None or reader is None:
            return
        before = self.step
        self.step = next_step(self.session.study, made, reader.id)
        if self.step is None:
            self._show_done(made)
            return
        if before is not None and before.lesion_id == self.step.lesion_id:
            self._show_step()  # the same lesion, now with the model
            return
        self.notice.say(tr("Opening the lesion …"), "")
        self.pages.setCurrentWidget(self.notice)
        self.desk.ask(self.step.lesion_id, self._following())

    def _following(self) -> tuple[str, ...]:
        assert self.made is not None and self.step is not None and self.session.reader is not None
        order = self.made.order_for(self.session.reader.id)
        place = order.index(self.step.lesion_id) + 1
        return order[place : place + 1]

    def _take_panel(self, panel: Panel) -> None:
        step = self.step
        if step is None or panel.explanation.roi.lesion_id != step.lesion_id:
            return
        self._pictures = CasePictures(panel)
        self._show_step()

    def _show_step(self) -> None:
        step = self.step
        assert step is not None
        with_model = step.condition is Condition.WITH_MODEL
        # others' lines would lead the reader, with the model too
        self.pair.show_look(replace(HeatLook(), annotation=False))
        self.pair.show_case(self._pictures, blind=not with_model)
        self.pair.lesion.head.say(tr("This lesion"))
        self.beside.setCurrentWidget(self.pair.source if with_model else self.pair.context)
        for part in (self.verdict, self.evidence):
            part.setVisible(with_model)
        if with_model:
            explanation = self._pictures.panel.explanation
            self.verdict.show_verdict(explanation, None, {})
            for line in self.verdict.lines:
                line.score.setReadOnly(True)
            self.evidence.show_case(self._pictures, explanation.predicted)
        self.pages.setCurrentWidget(self._reading)
        self.answer.ask(step.condition, step.done, step.total)

    @property
    def _with_model(self) -> bool:
        return self.step is not None and self.step.condition is Condition.WITH_MODEL

    def _hover_row(self, row: object) -> None:
        self.pair.show_row(row if isinstance(row, int) and self._with_model else None)

    def _choose_row(self, row: object) -> None:
        if isinstance(row, int) and self._with_model:
            self.pair.choose_row(row)
            shown = self._pictures.panel.explanation.rows[row]
            name = tr(shown.class_name)
            self.pair.source.head.say(
                tr("Prototype {number}, {name}: the lesion it comes from", number=shown.number, name=name)
            )

    def _refuse(self, sentence: str) -> None:
        if self.step is not None:
            self._say(sentence)

    def _keep(self, answer: Answer) -> None:
        made, step, reader = self.made, self.step, self.session.reader
        if made is None or step is None or reader is None:
            return

        def keep() -> None:
            models.keep_reading(
                self.session,
                StudyReading(
                    reader_study_id=made.id,
                    lesion_id=step.lesion_id,
                    reader_id=reader.id,
                    condition=step.condition,
                    margin=answer.margin,
                    probability_of_malignancy=answer.probability,
                    trust=answer.trust,
                    seconds=answer.seconds,
                    created_utc=now_utc(),
                ),
            )
            self._go_on()

        self._try(keep)

    # afterwards

    def _show_done(self, made: ReaderStudy) -> None:
        self.made, self.step = made, None
        count = len(self.session.study.reader_studies.readings(made.id))
        kept = one_or_many(
            count,
            tr("{name}: 1 reading is kept.", name=made.name),
            tr("{name}: {count} readings are kept.", name=made.name, count=count),
        )
        self.figures.setPlainText(kept)
        self.pages.setCurrentWidget(self.results)

    def _evaluate(self) -> None:
        made, study = self.made, self.session.study
        if made is None:
            return

        def work() -> str:
            from core.tasks.review.reader_study_figures import evaluate_reader_study, figures_text

            return figures_text(evaluate_reader_study(study, made))

        self.figures.setPlainText(tr("Evaluating …"))
        self._evaluating.submit("figures", work)

    def _take_figures(self, outcome: WorkResult) -> None:
        self.figures.setPlainText(outcome.sentence or str(outcome.value))

    def _ask_export(self) -> None:
        dialog = QFileDialog(self, tr("Export the readings"))
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setNameFilters([tr("Table (*.csv)")])
        dialog.setDefaultSuffix("csv")
        dialog.fileSelected.connect(lambda name: self.export_to(Path(name)))
        open_dialog(dialog)

    def export_to(self, path: Path) -> None:
        from core.platform.atomic import atomic_write

        made = self.made
        if made is not None:
            self._try(lambda: atomic_write(path, export_readings(self.session.study, made)))

    def _try(self, act: object) -> None:
        try:
            act()  # type: ignore[operator]
        except MarginaliaError as error:
            self._say(translate_message(error))

    def _say(self, sentence: str) -> None:
        self.notice.say(tr("This cannot be read"), sentence, tr("Back"))
        self.pages.setCurrentWidget(self.notice)

    def _follow(self, change: Change) -> None:
        if isinstance(change, StudyClosing):
            self._evaluating.stop()
            self.pair.close()
            self.close()

    def closeEvent(self, event: QCloseEvent) -> None:
        self._evaluating.stop()
        self.pair.stop()
        self.step = None
        super().closeEvent(event)
