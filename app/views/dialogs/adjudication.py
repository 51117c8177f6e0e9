"""Adjudication: both readers' labels and drawings of a lesion beside each other, and the decision of a third."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from functools import partial

import msgspec
from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QDialog,
    QGridLayout,
    QHBoxLayout,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from app.models.pictures import LoadedPicture, Pictures
from app.operations.group import decide
from app.qt.formatting import word
from app.qt.sentences import translate_message
from app.qt.spacing import APART, NEAR, dialog_column
from app.qt.translation import tr
from app.state.changes import AnnotationChanged, AssignmentsChanged, Change, OthersChanged, StudyClosing
from app.state.session import Session
from app.widgets.choice_row import Choice, ChoiceRow
from app.widgets.label import Label
from app.widgets.viewer.layers import OutlineLayer, ShapesLayer
from app.widgets.viewer.mammogram_view import MammogramView
from core.domain.errors import MarginaliaError
from core.domain.geometry import Box
from core.domain.group import ConsensusSource, merged, sources_of
from core.domain.shapes import Shape
from core.domain.study import Labels, Lesion
from core.domain.vocabulary import MarginType, MassShape

_WIDTH, _HEIGHT = 1120, 760
_NONE = ""
"""Choice of no drawing."""


class _Side(QWidget):
    """One reader: the lesion with the reader's drawing, and the labels below it."""

    def __init__(self) -> None:
        super().__init__()
        self.head, self.words, self.view = Label(), Label(), MammogramView()
        self.view.has_notice = False
        self.outline, self.shapes = OutlineLayer(), ShapesLayer(self.view.update_box)
        self.view.layers = [self.outline, self.shapes]
        self.view.setMinimumSize(280, 220)
        self._shapes: tuple[Shape, ...] = ()
        self._box: Box | None = None
        self.words.setWordWrap(True)
        self.words.setObjectName("faint")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(NEAR)
        column.addWidget(self.head)
        column.addWidget(self.view, 1)
        column.addWidget(self.words)

    def show_call(self, name: str, labels: Labels, lesion: Lesion, shapes: tuple[Shape, ...]) -> None:
        self.head.setText(name)
        self.words.setText(_words(labels) if shapes else f"{_words(labels)}\n{tr('Nothing drawn')}")
        self.view.set_picture(None)
        self.outline.outline = lesion.outline
        self.shapes.set_shapes(())
        self._shapes, self._box = shapes, lesion.box

    def show_picture(self, loaded: LoadedPicture) -> None:
        self.view.set_picture(loaded.picture)
        self.shapes.set_spacing(loaded.picture.spacing_mm)
        self.shapes.set_shapes(self._shapes)
        if self._box is not None:
            self.view.show_box(self._box)


class AdjudicationDialog(QDialog):
    """The lesions that wait for the current reader's decision, one after another."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Adjudication"))
        self.setWindowFlag(Qt.WindowType.WindowMaximizeButtonHint)
        self._session = session
        self._waiting: list[str] = []
        self._lesion: Lesion | None = None
        self._sources: tuple[ConsensusSource, ...] = ()
        self._pictures = Pictures(session, self)
        self._pictures.ready.connect(self._show_picture)
        self.head, self.problem = Label(), Label()
        self.sides = (_Side(), _Side())
        self.margin, self.shape = _choice(tr("Margin"), MarginType), _choice(tr("Shape"), MassShape)
        self.drawings, self.form = _row(tr("Drawing"), ()), QGridLayout()
        self.skip, self.decide = QPushButton(tr("Later")), QPushButton(tr("Decide"))
        self.draw, self.close_ = QPushButton(tr("Draw it myself")), QPushButton(tr("Close"))
        self._lay_out()
        self.margin.chosen.connect(self._show_ready)
        self.skip.clicked.connect(partial(self._go_on, 1))
        self.decide.clicked.connect(self._decide)
        self.draw.clicked.connect(self._draw)
        self.close_.clicked.connect(self.reject)
        self.finished.connect(self._pictures.stop)
        session.changed.connect(self._follow)
        self._fill()

    def _lay_out(self) -> None:
        for label in (self.head, self.problem):
            label.setWordWrap(True)
        self.problem.setObjectName("problem")
        pictures = QHBoxLayout()
        pictures.setSpacing(APART)
        for side in self.sides:
            pictures.addWidget(side, 1)
        form = self.form
        form.setHorizontalSpacing(APART)
        form.setVerticalSpacing(NEAR)
        form.addWidget(Label(tr("Margin")), 0, 0)
        form.addWidget(self.margin, 0, 1)
        form.addWidget(Label(tr("Shape")), 1, 0)
        form.addWidget(self.shape, 1, 1)
        form.addWidget(Label(tr("Drawing")), 2, 0)
        form.addWidget(self.drawings, 2, 1)
        form.setColumnStretch(1, 1)
        buttons = QHBoxLayout()
        for button in (self.draw, self.skip, self.decide, self.close_):
            button.setAutoDefault(False)
        buttons.addWidget(self.draw)
        buttons.addStretch()
        for button in (self.close_, self.skip, self.decide):
            buttons.addWidget(button)
        column = dialog_column(self)
        column.addWidget(self.head)
        column.addLayout(pictures, 1)
        column.addLayout(form)
        column.addWidget(self.problem)
        column.addLayout(buttons)
        self.resize(_WIDTH, _HEIGHT)

    # what is shown

    def _fill(self) -> None:
        reader = self._session.reader
        reads = self._session.study
        found = {} if reader is None else reads.consensus.disputed(reader.id)
        self._waiting = [lesion.id for lesion in reads.lesions.all() if lesion.id in found]
        self._show(self._waiting[0] if self._waiting else None)

    def _show(self, lesion_id: str | None) -> None:
        self._say("")
        there = lesion_id is not None
        for part in (*self.sides, self.margin, self.shape, self.drawings, self.decide, self.skip, self.draw):
            part.setEnabled(there)
        if lesion_id is None:
            self._lesion = None
            self.head.setText(tr("No lesion waits for your decision."))
            for side in self.sides:
                side.setVisible(False)
            return
        study = self._session.study
        self._lesion = lesion = study.lesions.get(lesion_id)
        assignments = study.assignments.of_lesion(lesion_id)
        self._sources = sources_of(assignments)
        place = self._waiting.index(lesion_id) + 1
        patient = study.patients.get(study.images.get(lesion.image_id).patient_id)
        self.head.setText(
            tr(
                "{patient}, lesion {n}: the readers differ. {place} of {all} that wait for your decision.",
                patient=patient.pseudonym,
                n=lesion.number,
                place=place,
                all=len(self._waiting),
            )
        )
        for side, source in zip(self.sides, self._sources, strict=False):
            name = study.readers.get(source.reader_id).name
            shapes = (
                study.annotations.revision(lesion_id, source.reader_id, source.revision).shapes
                if source.revision
                else ()
            )
            side.show_call(name, source.labels, lesion, shapes)
        shared = merged([source.labels for source in self._sources])
        self.margin.set_value(shared.margin)
        self.shape.set_value(shared.shape)
        self._show_drawings()
        self._show_ready()
        self._pictures.want((lesion.image_id, lesion.frame))

    def _show_drawings(self) -> None:
        """Offer the drawings that exist: those of the readers, and the adjudicator's own."""
        before = self.drawn_by
        offered = [(one.reader_id, one.revision) for one in self._sources]
        own, lesion = self._session.reader, self._lesion
        if own is not None and lesion is not None:
            mine = self._session.study.annotations.current(lesion.id, own.id)
            offered.append((own.id, mine.revision if mine is not None and mine.shapes else 0))
        names = {reader.id: reader.name for reader in self._session.readers()}
        if own is not None:
            names[own.id] = tr("My own")
        texts = {reader_id: names[reader_id] for reader_id, revision in offered if revision} | {_NONE: tr("None")}
        choices = [
            Choice(value=value, text=text, key=str(place)) for place, (value, text) in enumerate(texts.items(), 1)
        ]
        drawings = _row(tr("Drawing"), choices)
        drawings.set_value(before if before in texts else None)
        drawings.chosen.connect(self._show_ready)
        self.form.replaceWidget(self.drawings, drawings)
        self.drawings.deleteLater()
        self.drawings = drawings
        self._show_ready()

    @property
    def drawn_by(self) -> str | None:
        """Id of the reader whose drawing is chosen; "" for no drawing, None before one is chosen."""
        return self.drawings.value

    def _show_picture(self, loaded: LoadedPicture) -> None:
        lesion = self._lesion
        if lesion is not None and (loaded.image.id, loaded.frame) == (lesion.image_id, lesion.frame):
            for side, _ in zip(self.sides, self._sources, strict=False):
                side.show_picture(loaded)

    def _show_ready(self, _: object = None) -> None:
        self.decide.setEnabled(
            self._lesion is not None and bool(self.margin.value) and self.drawings.value is not None
        )

    # what is done

    def _go_on(self, by: int) -> None:
        if self._lesion is not None and self._waiting:
            place = self._waiting.index(self._lesion.id) + by
            self._show(self._waiting[place % len(self._waiting)])

    def _decide(self) -> None:
        lesion = self._lesion
        if lesion is None:
            return
        labels = msgspec.structs.replace(
            merged([source.labels for source in self._sources]),
            margin=MarginType(self.margin.value) if self.margin.value else None,
            shape=MassShape(self.shape.value) if self.shape.value else None,
        )
        try:
            decide(self._session, lesion.id, labels, self.drawn_by or None)
        except MarginaliaError as error:
            self._say(translate_message(error))

    def _say(self, problem: str) -> None:
        self.problem.setText(problem)
        self.problem.setVisible(bool(problem))

    def _draw(self) -> None:
        """Go to the lesion on Annotate; the drawing made there is offered when this is opened again."""
        if self._lesion is not None:
            self._session.select(self._lesion.image_id, self._lesion.id)
            self.accept()

    def _follow(self, change: Change) -> None:
        match change:
            case StudyClosing():
                self._pictures.clear()
                self.reject()
            case AssignmentsChanged() | OthersChanged():
                self._fill()
            case AnnotationChanged():
                self._show_drawings()
            case _:
                pass


def _choice(name: str, words: type[StrEnum]) -> ChoiceRow:
    choices = [
        Choice(value=str(one.value), text=word(one), key=str(place)) for place, one in enumerate(words, start=1)
    ]
    return _row(name, choices)


def _row(name: str, choices: Sequence[Choice]) -> ChoiceRow:
    return ChoiceRow(name, choices, columns=max(len(choices), 1), titled=False)


def _words(labels: Labels) -> str:
    said = (
        (tr("Margin"), labels.margin),
        (tr("Shape"), labels.shape),
        (tr("Density"), labels.density),
        (tr("BI-RADS category"), labels.category),
        (tr("Pathology"), labels.pathology),
    )
    return ", ".join(f"{name}: {word(value)}" for name, value in said if value is not None)
