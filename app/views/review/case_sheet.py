"""The page of one explained lesion on paper, with the parts, the order and the legend of the HTML page."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QLinearGradient, QPainter, QPen

from app.qt.translation import tr
from app.views.review import sheet as s
from app.views.review.page import Page
from app.views.review.sheet import Sheet
from app.widgets.explain.evidence import EvidenceLine, evidence_lines
from app.widgets.explain.heat import (
    RECEPTIVE,
    RELEVANT,
    colour_table,
    coloured,
    draw_box,
    fitted,
    frame_to,
)
from app.widgets.explain.numbers import class_qcolour, number, percent, signed
from app.widgets.explain.pictures import CasePictures, PatchLibrary
from core.domain.geometry import Box
from core.domain.vocabulary import DISCLAIMER

ENDLESS = 1e9
"""Height of one page that is as long as it needs to be."""
_PICTURE, _GAP = 122.0, 11.0
_ROW = _PICTURE + 16
_SUM = s.MARGIN + 5 * (_PICTURE + _GAP)
"""Left edge of the column of contributions."""
_LARGE = 260.0
_HEADS = 48.0


class CaseSheet:
    def __init__(self, page: Page) -> None:
        self._page = page
        self._explanation = page.panel.explanation
        self._pictures = CasePictures(page.panel)
        self._lines = evidence_lines(self._pictures, PatchLibrary(), self._explanation.predicted)
        self._pages = 0

    @property
    def _name(self) -> str:
        return tr(self._explanation.class_names[self._explanation.predicted])

    def paint(
        self, painter: QPainter, *, height: float, new_page: Callable[[], object] | None, pages: int
    ) -> tuple[int, float]:
        """Paint everything; ``pages``: how many there will be, for "page 1 of 3". Returns the number of pages and
        where the last one ends."""
        self._pages = pages
        on = Sheet(painter, height=height, new_page=new_page)
        on.foot = self._foot
        self._heading(on)
        self._voices(on)
        self._verdict(on)
        self._legend(on)
        self._heads(on)
        for line in self._lines:
            on.need(_ROW, lambda: self._heads(on))
            self._row(on, line)
        self._total(on)
        on.need(150)
        self._provenance(on)
        if new_page is None or height >= ENDLESS:
            on.height = on.y + s.MARGIN + 34
        on.end()
        return on.number, on.height

    # the parts, from top to bottom

    def _heading(self, on: Sheet) -> None:
        if self._explanation.synthetic:
            band = QRectF(0, 0, s.WIDTH, 28)
            on.painter.fillRect(band, s.BANNER)
            words = tr("SYNTHETIC: computer-made images of no patient. They say nothing about real mammograms.")
            on.text(band.adjusted(s.MARGIN, 6, 0, 0), words, s.Type(size=12, bold=True, colour=QColor("#1a1204")))
            on.y = 42
        on.words(QPointF(s.MARGIN, on.y), "Marginalia", s.STRONG)
        room = QRectF(s.MARGIN + 100, on.y + 3, s.INNER - 100, 20)
        on.text(room, DISCLAIMER, s.TINY, right=True)
        on.y += 34
        on.words(QPointF(s.MARGIN, on.y), self._page.title, s.TITLE)
        on.y += s.TITLE.line + 4
        revision = dict(self._page.provenance.details).get("Revision", "")
        about = [tr("Model {name}", name=self._page.model) if self._page.model else ""]
        about += [tr(revision) if revision else "", self._page.day]
        on.words(QPointF(s.MARGIN, on.y), " · ".join(part for part in about if part), s.QUIET)
        on.y += s.QUIET.line + 8

    def _voices(self, on: Sheet) -> None:
        """Data set, readers and model, each by name."""
        x, found = s.MARGIN, self._explanation.precedent.found
        names = self._explanation.class_names
        calls = [
            (voice.who or tr("Data set"), tr(voice.word), _colour(voice.word, names), voice.probability)
            for voice in self._page.voices
        ]
        predicted = self._explanation.predicted
        share = float(self._explanation.probabilities[predicted]) if found else None
        model = self._name if found else tr("no prediction")
        calls.append((tr("Model"), model, class_qcolour(predicted) if found else s.FAINT, share))
        for who, word, colour, chance in calls:
            if x > s.WIDTH - 280:
                x, on.y = s.MARGIN, on.y + 30
            x += on.words(QPointF(x, on.y + 3), f"{who}:", s.QUIET) + 8
            x += on.tag(QPointF(x, on.y), word, colour) + 6
            if chance is not None:
                amount = percent(chance)
                text = amount if who == tr("Model") else tr("malignant {share}", share=amount)
                x += on.words(QPointF(x, on.y + 3), text, s.QUIET)
            x += 24
        on.y += 38

    def _verdict(self, on: Sheet) -> None:
        said = self._explanation
        top, left = on.y, s.MARGIN + _LARGE + 30
        on.painter.drawImage(QRectF(s.MARGIN, top, _LARGE, _LARGE), self._pictures.roi)
        width = s.WIDTH - s.MARGIN - left
        on.text(QRectF(left, on.y, width, 20), tr("Scores"), s.STRONG)
        on.y += 26
        logits = [float(value) for value in said.logits]
        low, high = min(0.0, *logits), max(0.0, *logits)
        for c, name in enumerate(said.class_names):
            on.tag(QPointF(left, on.y), tr(name), class_qcolour(c))
            on.bar(QRectF(left + 140, on.y + 4, width - 290, 12), 0.0, logits[c], low, high)
            on.text(QRectF(left, on.y + 1, width - 70, 20), signed(logits[c]), s.BODY, right=True)
            if said.precedent.found:
                share = percent(float(said.probabilities[c]))
                on.text(QRectF(left, on.y + 1, width, 20), share, s.QUIET, right=True)
            on.y += 30
        if not said.precedent.found:
            words = tr("No prediction: the model has no precedent for this lesion")
            on.paragraph(words, s.STRONG, left=left, width=width)
        chance = said.malignancy_probability
        if chance is not None and said.precedent.found:
            on.y += 8
            on.text(QRectF(left, on.y, width, 20), tr("Malignancy: {share}", share=percent(chance)), s.STRONG)
            on.y += 22
            words = tr("On the logistic scale, from the margin scores alone.")
            on.paragraph(words, s.SMALL, left=left, width=width)
        on.y = max(on.y, top + _LARGE) + 24

    def _legend(self, on: Sheet) -> None:
        on.words(QPointF(s.MARGIN, on.y), tr("Because it looks like these"), s.HEADING)
        on.y += s.HEADING.line + 4
        on.paragraph(
            tr(
                "Every prototype, by what it contributes to the score of {name}. Similarity times weight is the "
                "contribution; the contributions add up to the score.",
                name=self._name,
            )
        )
        x, y, look = s.MARGIN, on.y + 4, self._page.look
        ramp = QLinearGradient(QPointF(0, 0), QPointF(1, 0))
        ramp.setCoordinateMode(QLinearGradient.CoordinateMode.ObjectBoundingMode)
        table = colour_table(look.colours, 1.0)
        for step in range(0, 256, 15):
            ramp.setColorAt(step / 255, QColor.fromRgb(table[step]))
        x += on.words(QPointF(x, y), tr("similarity 0"), s.SMALL) + 6
        on.painter.fillRect(QRectF(x, y + 4, 120, 8), ramp)
        x += 126
        high = number(self._page.panel.highest, 1)
        x += on.words(QPointF(x, y), tr("{high} in (b); (e) on its own scale", high=high), s.SMALL) + 22
        x = _key(on, x, y, RELEVANT, tr("box around the top 5% of the map"))
        if look.receptive:
            _key(on, x, y, RECEPTIVE, tr("what the strongest cell can see at most"), dashed=True)
        on.y += 30

    def _heads(self, on: Sheet) -> None:
        texts = (
            tr("this lesion"),
            tr("where it resembles the prototype"),
            tr("most relevant part of the prototype"),
            tr("lesion it was learned from"),
            tr("prototype on its own lesion"),
            tr("contribution to {name}", name=self._name),
        )
        for place, text in enumerate(texts):
            left = s.MARGIN + place * (_PICTURE + _GAP)
            letter = on.words(QPointF(left, on.y), "abcdef"[place], s.Type(size=11.5, bold=True))
            width = _PICTURE - letter - 6 if place < 5 else s.WIDTH - s.MARGIN - left - letter - 6
            on.text(QRectF(left + letter + 6, on.y, width, _HEADS - 2), text, s.SMALL, wrap=True)
        on.y += _HEADS
        on.rule()
        on.y += 8

    def _row(self, on: Sheet, line: EvidenceLine) -> None:
        row, look, patch = line.shown.row, self._page.look, line.patch
        receptive = row.receptive_box if look.receptive else None
        frames = [QRectF(s.MARGIN + i * (_PICTURE + _GAP), on.y, _PICTURE, _PICTURE) for i in range(5)]
        heat = coloured(self._pictures.map_of(row.index, common=True), look)
        _picture(on, frames[0], self._pictures.roi, None, row.relevant_box)
        if receptive is not None:
            side = self._pictures.side
            draw_box(on.painter, receptive, frame_to(frames[0], side, side), RECEPTIVE, dashed=True)
        _picture(on, frames[1], self._pictures.roi, heat, row.relevant_box)
        if patch is None:
            for frame in frames[2:]:
                on.painter.setPen(QPen(s.LINE, 1, Qt.PenStyle.DashLine))
                on.painter.drawRect(frame)
                on.text(frame.adjusted(8, 50, -8, 0), tr("picture not shared"), s.TINY, wrap=True)
        else:
            on.painter.fillRect(frames[2], Qt.GlobalColor.black)
            part = patch.part
            on.painter.drawImage(fitted((part.width(), part.height()), frames[2]), part)
            _picture(on, frames[3], patch.source, None, patch.patch.relevant_box)
            own = coloured(patch.map_of(*patch.own_scale), look)
            _picture(on, frames[4], patch.source, own, patch.patch.relevant_box)
        self._contribution(on, line)
        on.y += _ROW

    def _contribution(self, on: Sheet, line: EvidenceLine) -> None:
        row, width = line.shown.row, s.WIDTH - s.MARGIN - _SUM
        used = on.tag(QPointF(_SUM, on.y), tr(row.class_name), class_qcolour(row.class_index))
        on.words(QPointF(_SUM + used + 8, on.y + 3), tr("prototype {number}", number=row.number), s.SMALL)
        y = on.y + 30
        on.words(QPointF(_SUM, y), f"{number(row.score)} × {number(line.weight)} =", s.QUIET)
        on.words(QPointF(_SUM, y + 18), signed(line.contribution), s.BIG)
        sums = [0.0, *(one.running for one in self._lines)]
        start = line.running - line.contribution
        on.bar(QRectF(_SUM, y + 46, width, 10), start, line.running, min(sums), max(sums))
        on.words(QPointF(_SUM, y + 62), tr("sum so far {sum}", sum=signed(line.running)), s.SMALL)

    def _total(self, on: Sheet) -> None:
        score = signed(float(self._explanation.logits[self._explanation.predicted]))
        text = tr("Score of {name}: {score}", name=self._name, score=score)
        on.text(QRectF(s.MARGIN, on.y, s.INNER, 24), text, s.STRONG, right=True)
        on.y += 30

    def _provenance(self, on: Sheet) -> None:
        on.rule()
        on.y += 10
        on.words(QPointF(s.MARGIN, on.y), tr("Where this comes from"), s.STRONG)
        on.y += 22
        found = self._page.provenance
        lines = [f"{what}: {value}" for what, value in found.details]
        lines += [f"Model {found.model_sha256[:16]}", f"Data {found.data_fingerprint[:16]}"]
        on.paragraph(" · ".join(lines), s.TINY)

    def _foot(self, on: Sheet) -> None:
        y = on.height - s.MARGIN - 14
        on.text(QRectF(s.MARGIN, y, s.INNER - 120, 18), DISCLAIMER, s.TINY)
        if self._pages > 1:
            pages = tr("page {number} of {count}", number=on.number, count=self._pages)
            on.text(QRectF(s.MARGIN, y, s.INNER, 18), pages, s.TINY, right=True)


def _colour(word: str, names: tuple[str, ...]) -> QColor:
    return class_qcolour(names.index(word)) if word in names else s.FAINT


def _picture(on: Sheet, frame: QRectF, picture: QImage, heat: QImage | None, box: Box) -> None:
    on.painter.drawImage(frame, picture)
    if heat is not None:
        on.painter.drawImage(frame, heat)
    draw_box(on.painter, box, frame_to(frame, picture.width(), picture.height()), RELEVANT)


def _key(on: Sheet, x: float, y: float, colour: QColor, text: str, *, dashed: bool = False) -> float:
    style = Qt.PenStyle.DashLine if dashed else Qt.PenStyle.SolidLine
    on.painter.setBrush(Qt.BrushStyle.NoBrush)
    for shade, width in ((QColor(0, 0, 0, 150), 3.5), (colour, 1.8)):
        on.painter.setPen(QPen(shade, width, style))
        on.painter.drawRect(QRectF(x, y + 3, 15, 11))
    return x + 24 + on.words(QPointF(x + 24, y), text, s.SMALL) + 22
