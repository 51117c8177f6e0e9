"""Review: why the model answers what it answers on a lesion, beside the reader's own call and their verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace as replaced
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QCheckBox, QPushButton, QStackedWidget, QWidget

from app.actions.catalogue import Need
from app.operations import models
from app.qt import settings
from app.qt.sentences import translate_message
from app.qt.translation import tr
from app.services.model_service import ModelService
from app.services.opened_model import OpenedModel
from app.state.begun_comments import BegunComments
from app.state.changes import Change, OpinionGiven, ReaderChanged, ReadingGiven, StudyClosing
from app.state.session import Session
from app.views.case_pair import CasePair
from app.views.dialogs.calibrate import stored_calibration
from app.views.model_screen import ModelScreen
from app.views.reading.window import ReadingWindow
from app.views.review.case_list import CaseList
from app.views.review.exporting import CaseExport
from app.views.review.given import opinion_of, reading_of
from app.views.review.handlers import review_handlers
from app.views.review.history import OpinionStep, ReviewHistory, ReviewStep
from app.views.review.page import Page, page_of
from app.views.review.verdict_bar import verdict_of
from app.views.review.voices_bar import model_call
from app.views.review.work_area import WorkArea
from app.views.screen import History
from app.widgets.explain.pictures import CasePictures, PatchLibrary
from app.widgets.notice import Notice
from core.domain.errors import MarginaliaError
from core.domain.opinion import Verdict
from core.domain.vocabulary import MarginType, MassShape
from core.explain.hypothetical import Supposition
from core.tasks.readers.opinions import opinions_of
from core.tasks.readers.voices import Voice, voices_of

if TYPE_CHECKING:
    from core.explain.panel import Panel

_ASK = "review/ask_first"


class ReviewScreen(ModelScreen):
    def __init__(self, session: Session, desk: ModelService, parent: QWidget | None = None) -> None:
        super().__init__(session, desk, parent)
        self.cases, self.library = CaseList(), PatchLibrary()
        self.pair = CasePair(session, desk, self.library, self)
        self.work = WorkArea(self.pair, self.library)
        self.ask, self.tabs, self.answer = self.work.ask, self.work.tabs, self.work.answer
        self.case_notice, self.pages_of_case = Notice(), QStackedWidget()
        self.ask_first = QCheckBox(tr("My reading first"))
        self.ask_first.setToolTip(tr("Ask for your own reading before the model's answer is shown"))
        self.ask_first.setChecked(settings.text(_ASK, "on") == "on")
        self.export_button, self.study_button = QPushButton(tr("Export…")), QPushButton(tr("Reader study…"))
        self.reading: ReadingWindow | None = None
        self.answer.verdicts.begun = BegunComments(session)
        self.export = CaseExport(self, self._page)
        self.steps = ReviewHistory(
            session, show=self._choose_unseen, refuse=self.refused.emit, changed=self.actions_changed.emit
        )
        self._supposition = Supposition()
        self._shown_without_call: set[str] = set()
        self._lay_out()
        self._connect()
        self.refresh()

    # made once

    def _lay_out(self) -> None:
        for widget in (self.ask_first, self.study_button, self.export_button):
            # a click leaves the keys with the screen
            widget.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            self.top.addWidget(widget)
            self.top.addSpacing(8)
        for page in (self.work, self.case_notice):
            self.pages_of_case.addWidget(page)
        self._add_parts((self.cases, 0, 232, 240), (self.pages_of_case, 1, 560, 1400))

    def _connect(self) -> None:
        self.desk.cases_changed.connect(self._show_cases)
        self.desk.explained.connect(self._take_panel)
        self.desk.refused.connect(self._refuse_case)
        self.session.changed.connect(self._follow)
        self.cases.case_chosen.connect(self._case_chosen)
        self.work.controls.changed.connect(self.pair.show_look)
        self.tabs.row_shown.connect(self._hover_row)
        self.answer.strip.row_shown.connect(self._hover_row)
        self.answer.strip.row_chosen.connect(self._choose_row)
        self.answer.strip.switched.connect(self._switch)
        self.answer.verdicts.chosen.connect(self._give_verdict)
        self.tabs.what_if.score_set.connect(self._set_score)
        self.tabs.what_if.reset_wanted.connect(self._reset)
        self.ask.called.connect(self._keep_call)
        self.ask.skipped.connect(self._skip_call)
        self.ask.refused.connect(self.refused)
        self.answer.verdicts.left.connect(self.pair.lesion.view.setFocus)
        self.ask_first.toggled.connect(self._set_ask_first)
        self.export_button.clicked.connect(self.export.ask_for_file)
        self.export.written.connect(self.refused)
        self.study_button.clicked.connect(self._open_reader_study)

    # what the window asks

    @property
    def history(self) -> History:
        return self.steps

    def available(self) -> frozenset[Need]:
        if not self.lesion_shown:
            return frozenset()
        return frozenset({"case", "reading"}) if self.work.is_blind else frozenset({"case"})

    def handlers(self) -> Mapping[str, Callable[[], object]]:
        return review_handlers(self)

    # what is shown

    def _show_model(self, model: OpenedModel) -> None:
        self._enable(True)
        self.library.clear()
        self._show_cases()
        if self.cases.lesion_id:
            self._case_chosen(self.cases.lesion_id)

    def _show_nothing(self) -> None:
        self._enable(False)
        self.pair.show_nothing()
        self.actions_changed.emit()

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
        given = opinions_of(self.session.study, model.run)
        self.cases.show_cases(model.cases, model.class_names, given, (model.run.id, model.revision.id))

    @property
    def _asks(self) -> bool:
        """Return True if readings are requested: also only where they can be kept."""
        return self.ask_first.isChecked() and self.session.can_write

    def _must_call(self, lesion_id: str) -> bool:
        case = self.cases.case_of(lesion_id)
        if case is None or not self._asks or case.own is not None:
            return False
        return lesion_id not in self._shown_without_call

    def _case_chosen(self, lesion_id: str) -> None:
        self._supposition = Supposition()
        self.desk.ask(lesion_id, self.cases.neighbours())

    def _take_panel(self, panel: Panel) -> None:
        if panel.explanation.roi.lesion_id != self.cases.lesion_id:
            return
        shown = self.pair.pictures
        if shown is None or shown.panel is not panel:
            shown = CasePictures(panel)
            self._supposition = Supposition()
        self._show_panel(shown)
        self.actions_changed.emit()

    def _show_panel(self, pictures: CasePictures | None) -> None:
        if pictures is None:
            return
        blind = self._must_call(pictures.panel.explanation.roi.lesion_id)
        self.pages_of_case.setCurrentWidget(self.work)
        self.pair.lesion.view.calibrated = stored_calibration(self.screen().name())[1]
        self.pair.source.view.has_notice = False
        other = self.pair.pictures is not pictures
        self.pair.show_case(pictures, blind=blind)
        was_blind = self.work.is_blind
        self.work.show_blind(blind=blind)
        self.actions_changed.emit()
        if blind:
            if other or not was_blind:
                self._ask_for_call()
            return
        self._show_answer(keep=not other and not was_blind)
        self._show_given()

    def _ask_for_call(self) -> None:
        model = self.desk.model
        label = "margin" if model is None else model.opened.model.card.label
        self.ask.ask(label, [w.value for w in (MarginType if label == "margin" else MassShape)])
        self.work.voices.show_blind(self.session.reader.name if self.session.reader else "")
        self.pair.lesion.head.say(tr("This lesion: read it before the model's answer is shown"))
        self.pair.lesion.view.setFocus(Qt.FocusReason.OtherFocusReason)

    def _show_answer(self, *, keep: bool = True) -> None:
        """``keep``: the chosen prototype stays chosen."""
        pictures = self.pair.pictures
        if pictures is None or self.work.is_blind:
            return
        explanation = pictures.panel.explanation
        self.tabs.show_case(explanation, self._supposition)
        self.answer.show_case(pictures, self._supposition, keep=keep)
        self._show_voices(pictures)

    def _show_voices(self, pictures: CasePictures) -> None:
        model = self.desk.model
        if model is None:
            return
        call = model_call(pictures.panel.explanation, self._supposition)
        reader = self.session.reader.name if self.session.reader else ""
        self.work.voices.show_voices(call, self.voices(), reader, model.class_names)

    def voices(self) -> tuple[Voice, ...]:
        model = self.desk.model
        if model is None or not self.lesion_shown:
            return ()
        reader_id = self.session.reader.id if self.session.reader else ""
        label = model.opened.model.card.label
        return voices_of(self.session.study, self.lesion_shown, label, reader_id=reader_id)

    def _refuse_case(self, sentence: str) -> None:
        self.pair.show_nothing()
        self.case_notice.say(tr("This lesion cannot be explained"), sentence)
        self.pages_of_case.setCurrentWidget(self.case_notice)
        self.actions_changed.emit()

    def _hover_row(self, row: object) -> None:
        if not self.work.is_blind:
            self.pair.show_row(row if isinstance(row, int) else None)

    def _choose_row(self, row: object) -> None:
        pictures = self.pair.pictures
        if self.work.is_blind or pictures is None:
            return
        self.pair.choose_row(row if isinstance(row, int) else None)
        if isinstance(row, int):
            shown = pictures.panel.explanation.rows[row]
            name = tr(shown.class_name)
            self.pair.source.head.say(
                tr(
                    "Prototype {number}, {name}: the lesion it comes from",
                    number=shown.number,
                    name=name,
                )
            )
            self.pair.lesion.head.say(
                tr("This lesion, where it resembles prototype {number}", number=shown.number)
            )

    def _show_given(self) -> None:
        shown, reader = self.lesion_shown, self.session.reader
        self.answer.verdicts.show_given(shown, self.cases.cases.said.get(shown, ()), reader.name if reader else "")

    def _follow(self, change: Change) -> None:
        match change:
            case StudyClosing():
                self.export.stop()
                self.answer.verdicts.keep_draft()
                self._shown_without_call.clear()
                self.steps.clear()
                self.pair.close()
            case ReaderChanged():
                self.steps.clear()
                self._shown_without_call.clear()
                self._show_given()
                if self.isVisible():
                    self._show_panel(self.pair.pictures)
            case OpinionGiven() if self.isVisible():
                self._show_cases()
                self._show_given()
            case ReadingGiven(lesion_id=lesion_id) if self.isVisible() and lesion_id == self.lesion_shown:
                self._show_panel(self.pair.pictures)

    # what the user does

    @property
    def lesion_shown(self) -> str:
        """The lesion whose explanation is there; empty where none is."""
        pictures = self.pair.pictures
        return "" if pictures is None else pictures.panel.explanation.roi.lesion_id

    def step(self, by: int) -> None:
        """To the next or the previous lesion of the queue."""
        if not self.cases.step(by):
            self.refused.emit(
                tr("This was the last lesion of the queue.") if by > 0 else tr("This is the first one.")
            )

    def _choose_unseen(self, lesion_id: str) -> None:
        if self.cases.lesion_id != lesion_id:
            self.cases.choose(lesion_id)

    def _switch(self, row: int, on: bool) -> None:
        off = self._supposition.off - {row} if on else self._supposition.off | {row}
        self._supposition = replaced(self._supposition, off=off)
        self._show_answer()

    def switch_chosen(self) -> None:
        """Leave the chosen prototype out, or take it in again."""
        line = self.answer.strip.line
        if line is not None:
            self._switch(line.index, line.off)

    @property
    def chosen_prototype(self) -> int | None:
        """Return the index of the chosen prototype in the unpruned model; None if none is chosen."""
        line, pictures = self.answer.strip.line, self.pair.pictures
        if line is None or pictures is None:
            return None
        return pictures.panel.explanation.rows[line.index].number - 1

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
        self._show_panel(self.pair.pictures)

    def _keep_call(self, word: str, probability: object) -> None:
        """For the lesion that is seen: the next one may be chosen, and not be there yet."""
        model, lesion_id, reader = self.desk.model, self.lesion_shown, self.session.reader
        if model is None or not lesion_id or reader is None:
            return
        reading = reading_of(model, reader.id, lesion_id, word, probability)
        try:
            models.give_reading(self.session, reading)
        except MarginaliaError as error:
            self.refused.emit(translate_message(error))
            return
        self.steps.add(ReviewStep(reading=reading))

    def _skip_call(self) -> None:
        self._shown_without_call.add(self.lesion_shown)
        self._show_panel(self.pair.pictures)

    def _give_verdict(self, verdict: Verdict | None, comment: str) -> None:
        model, pictures, reader = self.desk.model, self.pair.pictures, self.session.reader
        if model is None or pictures is None:
            return
        if reader is None:
            self.refused.emit(tr("Nobody is signed in. Sign in to draw and label."))
            self._show_given()
            return
        lesion_id = self.lesion_shown
        standing = verdict_of(opinions_of(self.session.study, model.run).get(lesion_id, ()), reader.name)
        line = self.answer.strip.line
        opinion = None if verdict is None else opinion_of(model, lesion_id, verdict, comment, line)
        try:
            if opinion is not None:
                models.say(self.session, opinion)
            elif standing is not None:
                models.withdraw_opinion(self.session, standing)
        except MarginaliaError as error:
            self.refused.emit(translate_message(error))
            self._show_given()
            return
        if opinion is not None:
            self.answer.verdicts.clear_comment()
        before = None if standing is None or verdict is Verdict.COMMENT else standing.opinion
        if before is not None or opinion is not None:
            self.steps.add(OpinionStep(before=before, after=opinion))

    def _open_reader_study(self) -> None:
        self.reading = ReadingWindow(self.session, self.desk, self)
        self.reading.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.reading.setModal(True)
        self.reading.open()

    def _page(self) -> Page | None:
        model, pictures, case = self.desk.model, self.pair.pictures, self.cases.case
        if model is None or pictures is None or case is None or self.work.is_blind:
            return None
        look = self.work.controls.look
        return page_of(model, pictures, title=case.title, look=look, voices=self.voices())

    def stop(self) -> None:
        self.export.stop()
        self.pair.stop()
