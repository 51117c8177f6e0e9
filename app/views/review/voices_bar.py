"""Model, reader and data set side by side, each by name; and in words whether they differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPalette
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QVBoxLayout, QWidget

from app.qt.translation import tr
from app.widgets.explain.numbers import class_qcolour, number, percent
from app.widgets.label import Label, tip
from core.explain.hypothetical import Supposition, suppose
from core.tasks.readers.voices import Voice

if TYPE_CHECKING:
    from core.explain.explanation import Explanation

HEIGHT = 50
_SWATCH = 10


@dataclass(frozen=True, kw_only=True)
class ModelCall:
    """Answer of the model; words are already in the user's language."""

    word: str
    """The class; "" where the model has no precedent and gives none."""
    class_index: int | None
    share: float | None
    malignancy: float | None
    hypothetical: bool = False
    doubt: str = ""
    """Why there is no answer, as a sentence."""


def model_call(explanation: Explanation, supposition: Supposition) -> ModelCall:
    """The model's answer, or what follows from a supposition."""
    supposed = suppose(explanation, supposition) if supposition else None
    shown = explanation if supposed is None else supposed
    found = explanation.precedent.found or supposed is not None
    return ModelCall(
        word=tr(explanation.class_names[shown.predicted]) if found else "",
        class_index=shown.predicted,
        share=float(shown.probabilities[shown.predicted]) if found else None,
        malignancy=shown.malignancy_probability,
        hypothetical=supposed is not None,
        doubt="" if found else doubt_of(explanation),
    )


def doubt_of(explanation: Explanation) -> str:
    """Why the model gives no answer."""
    return tr(
        "The model has no precedent for this: the most similar prototype of {name} reaches {evidence}, "
        "below the {threshold} that it needs.",
        name=tr(explanation.class_names[explanation.predicted]),
        evidence=number(explanation.precedent.evidence),
        threshold=number(explanation.precedent.threshold or 0.0),
    )


class VoiceChip(QWidget):
    """One voice: its name small, its word large, with the colour of the class."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.name, self.word = Label(), Label()
        self.name.setObjectName("faint")
        self.word.setObjectName("heading")
        self._colour: QColor | None = None
        layout = QVBoxLayout(self)
        layout.setContentsMargins(_SWATCH + 8, 2, 0, 2)
        layout.setSpacing(0)
        layout.addWidget(self.name)
        layout.addWidget(self.word)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    def show_voice(self, name: str, word: str, colour: QColor | None, note: str = "") -> None:
        self.name.setText(name)
        self.word.setText(word)
        self._colour = colour
        self.setToolTip(tip(note))
        self.setAccessibleName(f"{name}: {word}")
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        place = QRectF(0, self.word.y() + (self.word.height() - _SWATCH) / 2, _SWATCH, _SWATCH)
        if self._colour is None:
            painter.setPen(self.palette().color(QPalette.ColorRole.PlaceholderText))
            painter.drawEllipse(place.adjusted(0.5, 0.5, -0.5, -0.5))
        else:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(self._colour)
            painter.drawEllipse(place)
        painter.end()


class VoicesBar(QWidget):
    """Bar of constant height, whatever is known. It hides anything that would lead the reader until they have
    read."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFixedHeight(HEIGHT)
        self.model, self.own, self.data_set, self.malignancy = (VoiceChip() for _ in range(4))
        self.others: list[VoiceChip] = []
        self.remark = Label()
        self.remark.setWordWrap(True)
        self.remark.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Ignored)
        self._line = QHBoxLayout(self)
        self._line.setContentsMargins(2, 0, 2, 0)
        self._line.setSpacing(22)
        for chip in (self.model, self.own, self.data_set):
            self._line.addWidget(chip)
        self._line.addWidget(self.malignancy)
        self._line.addWidget(self.remark, 1)

    def show_blind(self, reader: str) -> None:
        """Before the reader's own call: nothing that would lead them."""
        hidden = tr("after your reading")
        self.model.show_voice(tr("Model"), hidden, None)
        self.own.show_voice(tr("You ({name})", name=reader) if reader else tr("You"), tr("not read yet"), None)
        self.data_set.show_voice(tr("Data set"), hidden, None)
        self.malignancy.show_voice(tr("Malignancy, model"), hidden, None)
        self._show_others(())
        self.remark.setText("")

    def show_voices(
        self, call: ModelCall, voices: Sequence[Voice], reader: str, class_names: Sequence[str]
    ) -> None:
        """``reader``: name of the one who is signed in; ``class_names``: what the model was trained on."""
        by_name = {voice.who: voice for voice in voices}
        colours = {name: class_qcolour(i) for i, name in enumerate(class_names)}
        title = f"{tr('Model')} · {tr('HYPOTHETICAL')}" if call.hypothetical else tr("Model")
        colour = None if call.class_index is None or not call.word else class_qcolour(call.class_index)
        self.model.show_voice(title, _with(call.word or tr("no prediction"), call.share), colour, call.doubt)
        own, data_set = by_name.get(reader) if reader else None, by_name.get("")
        self._show(self.own, tr("You"), own, colours)
        self._show(self.data_set, tr("Data set"), data_set, colours)
        self._show_others([v for v in voices if v.who not in ("", reader)], colours)
        chance = call.malignancy
        self.malignancy.show_voice(
            tr("Malignancy, model"), tr("not predicted") if chance is None else percent(chance), None
        )
        self.remark.setText(call.doubt or _difference(call, own, data_set))
        self.remark.setToolTip(tip(self.remark.text()))

    def _show_others(self, voices: Sequence[Voice], colours: dict[str, QColor] | None = None) -> None:
        for chip in self.others[len(voices) :]:
            chip.hide()
        while len(self.others) < len(voices):
            chip = VoiceChip()
            self.others.append(chip)
            self._line.insertWidget(2 + len(self.others), chip)
        for chip, voice in zip(self.others, voices, strict=False):
            self._show(chip, voice.who, voice, colours or {})
            chip.show()

    @staticmethod
    def _show(chip: VoiceChip, name: str, voice: Voice | None, colours: dict[str, QColor]) -> None:
        if voice is None:
            chip.show_voice(name, "–", None)
            return
        where = tr("reading in Review") if voice.is_reading else tr("label")
        title = name if not voice.who else f"{name} · {where}"
        if voice.probability is not None:
            title += " · " + tr("malignant {share}", share=percent(voice.probability))
        chip.show_voice(title, tr(voice.word), colours.get(voice.word))


def _with(word: str, share: float | None) -> str:
    return word if share is None else f"{word} {percent(share)}"


def _difference(call: ModelCall, own: Voice | None, data_set: Voice | None) -> str:
    """In words, whether the model agrees with the reader and with the data set."""
    if not call.word:
        return ""
    against = [
        name
        for name, voice in ((tr("you"), own), (tr("the data set"), data_set))
        if voice is not None and tr(voice.word) != call.word
    ]
    if against:
        return tr("The model disagrees with {who}.", who=tr(" and ").join(against))
    known = [voice for voice in (own, data_set) if voice is not None]
    return tr("The model agrees.") if known else ""
