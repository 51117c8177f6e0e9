"""Review: why the model says what it says of a lesion, and what the reader says of that."""

from __future__ import annotations

from dataclasses import replace as replaced
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, Qt
from PySide6.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from app.operations import models
from app.qt import settings
from app.qt.background import Background, WorkResult
from app.qt.dialogs import open_dialog
from app.qt.sentences import translate_message
from app.qt.translation import tr
from app.services.model_service import ModelService
from app.services.opened_model import OpenedModel
from app.state.changes import Change, OpinionGiven, StudyClosing
from app.state.session import Session
from app.views.model_screen import ModelScreen
from app.views.reading.window import ReadingWindow
from app.views.review.ask_first import AskFirst
from app.views.review.case_list import CaseList
from app.views.review.explanation_tabs import ExplanationTabs
from app.views.review.opinion_bar import OpinionBar
from app.widgets.explain.heat import HeatLook
from app.widgets.explain.heat_controls import HeatControls
from app.widgets.explain.numbers import percent
from app.widgets.explain.pictures import CasePictures
from app.widgets.explain.roi_view import ColourBar, RoiView
from app.widgets.explain.verdict import VerdictPanel
from app.widgets.notice import Notice
from core.domain.errors import MarginaliaError
from core.domain.opinion import CaseReading, Opinion, Verdict
from core.domain.vocabulary import MarginType, MassShape
from core.explain.hypothetical import Supposition, suppose
from core.store.database import now_utc
from core.tasks.readers.opinions import opinions_of
from core.tasks.readers.voices import Voice, voices_of

if TYPE_CHECKING:
    from core.explain.panel import Panel

_ASK = "review/ask_first"


class ReviewScreen(ModelScreen):
    def __init__(self, session: Session, desk: ModelService, parent: QWidget | None = None) -> None:
        super().__init__(session, desk, parent)
        self.cases, self.roi = CaseList(), RoiView()
        self.controls, self.bar, self.verdict = HeatControls(), ColourBar(), VerdictPanel()
        self.tabs, self.opinions, self.ask = ExplanationTabs(), OpinionBar(), AskFirst()
        self.case_notice = Notice()
        self.ask_first = QCheckBox(tr("My reading first"))
        self.ask_first.setToolTip(tr("Ask for your own reading before the model's answer is shown"))
        self.ask_first.setChecked(settings.text(_ASK, "on") == "on")
        self.export_button = QPushButton(tr("Export…"))
        self.study_button = QPushButton(tr("Reader study…"))
        self.reading: ReadingWindow | None = None
        self.right = QStackedWidget()
        self._pictures: CasePictures | None = None
        self._supposition = Supposition()
        self._shown_without_call: set[str] = set()
        self._exporting = Background(self, name="export", most=4)
        self._lay_out()
        self._connect()
        self.refresh()

    # made once

    def _lay_out(self) -> None:
        self.top.addWidget(self.ask_first)
        self.top.addSpacing(10)
        self.top.addWidget(self.study_button)
        self.top.addSpacing(6)
        self.top.addWidget(self.export_button)
        self._middle = QWidget()
        middle = QVBoxLayout(self._middle)
        middle.setContentsMargins(10, 8, 10, 8)
        middle.addWidget(self.roi, 1)
        middle.addWidget(self.bar)
        middle.addWidget(self.controls)
        middle.addWidget(self.verdict)
        answer = QWidget()
        column = QVBoxLayout(answer)
        column.setContentsMargins(8, 4, 10, 8)
        column.addWidget(self.tabs, 1)
        column.addWidget(self.opinions)
        self._answer = answer
        for page in (answer, self.ask, self.case_notice):
            self.right.addWidget(page)
        self._add_parts((self.cases, 0, 180, 200), (self._middle, 2, 264, 300), (self.right, 5, 420, 1000))

    def _connect(self) -> None:
        self.desk.cases_changed.connect(self._show_cases)
        self.desk.explained.connect(self._take_panel)
        self.desk.refused.connect(self._refuse_case)
        self.session.changed.connect(self._follow)
        self.cases.case_chosen.connect(self._case_chosen)
        self.controls.changed.connect(self._show_look)
        self.tabs.row_shown.connect(self._show_row)
        self.tabs.switched.connect(self._switch)
        self.tabs.evidence.pointed.connect(self._point)
        self.roi.pointed.connect(self._point)
        self.verdict.score_set.connect(self._set_score)
        self.verdict.reset_wanted.connect(self._reset)
        self.ask.called.connect(self._keep_call)
        self.ask.skipped.connect(self._skip_call)
        self.ask_first.toggled.connect(self._set_ask_first)
        self.opinions.said.connect(self._say)
        self.export_button.clicked.connect(self._ask_export)
        self.study_button.clicked.connect(self._open_reader_study)
        self._exporting.done.connect(self._exported)

    # what is shown

    def _show_model(self, model: OpenedModel) -> None:
        self._enable(True)
        self.tabs.library.clear()
        self._show_cases()
        if self.cases.lesion_id:
            self._case_chosen(self.cases.lesion_id)

    def _show_nothing(self) -> None:
        self._enable(False)
        self._pictures = None
        self.roi.show_case(None)

    def _enable(self, able: bool) -> None:
        self.export_button.setEnabled(able)
        self.study_button.setEnabled(able)

    def _purpose(self) -> tuple[str, str]:
        return (
            tr("Open a study to review what its model says."),
            tr("Once a model is trained, its answers are explained here, lesion by lesion."),
        )

    def _show_cases(self) -> None:
        model = self.desk.model
        if model is None or not self.isVisible():
            self._stale = True
            return
        self.cases.set_ask_first(self._asks)
        self.cases.show_cases(model.cases, model.class_names, opinions_of(self.session.study, model.run))

    @property
    def _asks(self) -> bool:
        """Whether readings are asked for: also only where they can be kept."""
        return self.ask_first.isChecked() and self.session.can_write

    def _must_call(self) -> bool:
        case = self.cases.case
        if case is None or not self._asks or case.own is not None:
            return False
        return case.lesion_id not in self._shown_without_call

    def _case_chosen(self, lesion_id: str) -> None:
        self._supposition = Supposition()
        current = self._pictures
        if current is not None and current.panel.explanation.roi.lesion_id == lesion_id:
            self._show_panel()
        self.desk.ask(lesion_id, self.cases.neighbours())

    def _take_panel(self, panel: Panel) -> None:
        if panel.explanation.roi.lesion_id != self.cases.lesion_id:
            return
        if self._pictures is None or self._pictures.panel is not panel:
            self._pictures = CasePictures(panel)
            self._supposition = Supposition()
        self._show_panel()

    def _show_panel(self) -> None:
        pictures = self._pictures
        if pictures is None:
            return
        open_dialog = self._must_call()
        self.roi.show_case(pictures)
        # others' lines would lead the reader too
        self.roi.show_look(
            replaced(self.controls.look, annotation=self.controls.look.annotation and not open_dialog)
        )
        for widget in (self.verdict, self.controls, self.bar):
            widget.setVisible(not open_dialog)
        if open_dialog:
            model = self.desk.model
            label = "margin" if model is None else model.opened.model.card.label
            self.ask.ask(label, [w.value for w in (MarginType if label == "margin" else MassShape)])
            self.right.setCurrentWidget(self.ask)
            return
        self.right.setCurrentWidget(self._answer)
        self._show_answer()
        self._show_past()

    def _show_answer(self) -> None:
        pictures, supposition = self._pictures, self._supposition
        if pictures is None:
            return
        explanation = pictures.panel.explanation
        supposed = suppose(explanation, supposition) if supposition else None
        self.verdict.show_verdict(explanation, supposed, supposition.scores)
        self.verdict.show_reader(self._reader_says())
        self.tabs.show_case(pictures, supposition)

    def _reader_says(self) -> str:
        case = self.cases.case
        if case is None or case.own is None:
            return ""
        chance = None
        for voice in self._voices(case.lesion_id):
            if self.session.reader is not None and voice.who == self.session.reader.name:
                chance = voice.probability
        word = tr(case.own)
        if chance is None:
            return tr("You say {name}", name=word)
        return tr("You say {name}, malignant with {share}", name=word, share=percent(chance))

    def _voices(self, lesion_id: str) -> tuple[Voice, ...]:
        model = self.desk.model
        label = "margin" if model is None else model.opened.model.card.label
        return voices_of(self.session.study, lesion_id, label)

    def _refuse_case(self, sentence: str) -> None:
        self._pictures = None
        self.roi.show_case(None)
        self.case_notice.say(tr("This lesion cannot be explained"), sentence)
        self.right.setCurrentWidget(self.case_notice)

    def _show_row(self, row: object) -> None:
        self.roi.show_row(row if isinstance(row, int) and not self._must_call() else None)
        if self._pictures is not None and isinstance(row, int):
            self.bar.show_scale(self.controls.look, *self._pictures.scale(row, common=self.controls.look.common))

    def _show_look(self, look: HeatLook) -> None:
        self.roi.show_look(look)
        self.tabs.evidence.show_look(look)
        self._show_row(self.roi.row)

    def _point(self, at: object) -> None:
        where = at if isinstance(at, QPointF) else None
        self.roi.show_cross(where)
        self.tabs.evidence.show_cross(where)

    def _show_past(self) -> None:
        self.opinions.show_past(self.cases.cases.said.get(self.cases.lesion_id, ()))

    def _follow(self, change: Change) -> None:
        match change:
            case StudyClosing():
                self._exporting.stop()
                self._shown_without_call.clear()
                self._pictures = None
            case OpinionGiven() if self.isVisible():
                self._show_cases()
                self._show_past()

    # what the user does

    @property
    def lesion_shown(self) -> str:
        """The lesion whose explanation is there; empty where none is."""
        return "" if self._pictures is None else self._pictures.panel.explanation.roi.lesion_id

    def step(self, by: int) -> None:
        self.cases.step(by)

    def _switch(self, row: int, on: bool) -> None:
        off = self._supposition.off - {row} if on else self._supposition.off | {row}
        self._supposition = replaced(self._supposition, off=off)
        self._show_answer()

    def _set_score(self, class_index: int, score: float) -> None:
        scores = {**self._supposition.scores, class_index: score}
        self._supposition = replaced(self._supposition, scores=scores)
        self._show_answer()

    def _reset(self) -> None:
        self._supposition = Supposition()
        self._show_answer()

    def _set_ask_first(self, on: bool) -> None:
        settings.put(_ASK, "on" if on else "off")
        self.cases.set_ask_first(self._asks)
        self._show_panel()

    def _keep_call(self, word: str, probability: object) -> None:
        model, lesion_id = self.desk.model, self.cases.lesion_id
        if model is None or not lesion_id:
            return
        reading = CaseReading(
            lesion_id=lesion_id,
            reader_id=self.session.reader.id if self.session.reader else "",
            run_id=model.run.id,
            revision_id=model.revision.id,
            label="margin" if model.opened.model.card.label == "margin" else "shape",
            word=word,
            probability_of_malignancy=probability if isinstance(probability, float) else None,
            created_utc=now_utc(),
        )
        try:
            models.give_reading(self.session, reading)
        except MarginaliaError as error:
            self.refused.emit(translate_message(error))
            return
        self._shown_without_call.add(lesion_id)
        self.cases.choose(lesion_id)
        self._show_panel()

    def _skip_call(self) -> None:
        self._shown_without_call.add(self.cases.lesion_id)
        self._show_panel()

    def _say(self, verdict: Verdict, comment: str) -> None:
        model, pictures = self.desk.model, self._pictures
        if model is None or pictures is None:
            return
        row = self.roi.row
        about = verdict in (Verdict.WRONG_PROTOTYPE, Verdict.WRONG_REGION) and row is not None
        opinion = Opinion(
            lesion_id=pictures.panel.explanation.roi.lesion_id,
            run_id=model.run.id,
            verdict=verdict,
            prototype=pictures.panel.explanation.rows[row].number if about and row is not None else None,
            comment=comment,
            revision_id=model.revision.id,
        )
        try:
            models.say(self.session, opinion)
        except MarginaliaError as error:
            self.refused.emit(translate_message(error))

    def _open_reader_study(self) -> None:
        self.reading = ReadingWindow(self.session, self.desk, self)
        self.reading.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.reading.setModal(True)
        self.reading.open()

    def _ask_export(self) -> None:
        if self._pictures is None:
            return
        dialog = QFileDialog(self, tr("Export this explanation"))
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setNameFilters([tr("Web page (*.html)"), tr("PDF (*.pdf)"), tr("Picture (*.png)")])
        dialog.selectFile(f"lesion-{self._pictures.panel.explanation.roi.lesion_id[:8]}.html")
        dialog.fileSelected.connect(lambda name: self.export_to(Path(name)))
        open_dialog(dialog)

    def export_to(self, path: Path) -> None:
        """Write the page beside the window's thread; the status line says what became of it."""
        from app.views.review.printed import Page, export

        model, pictures = self.desk.model, self._pictures
        if model is None or pictures is None:
            return
        page = Page(
            panel=pictures.panel,
            patches=model.patches,
            provenance=model.opened.provenance,
            title=tr("Lesion {name}", name=pictures.panel.explanation.roi.lesion_id[:8]),
            look=self.controls.look,
        )
        self._exporting.submit(str(path), lambda: export(page, path))

    def _exported(self, outcome: WorkResult) -> None:
        done = tr("Exported to {path}.", path=str(outcome.key))
        self.refused.emit(outcome.sentence or done)

    def stop(self) -> None:
        self._exporting.stop()
