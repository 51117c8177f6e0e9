"""An explanation as a page: HTML by the engine, PDF and PNG painted here. None of them names a patient."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QBuffer, QByteArray, QIODevice, QMarginsF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QImage, QPageLayout, QPageSize, QPainter, QPdfWriter

from app.qt.translation import tr
from app.widgets.explain.evidence_model import Column, EvidenceLine, EvidenceModel
from app.widgets.explain.heat import RELEVANT, HeatLook, coloured, draw_box, fitted, frame_to
from app.widgets.explain.numbers import class_qcolour, number, percent
from app.widgets.explain.pictures import CasePictures, PatchLibrary
from core.domain.errors import MarginaliaError
from core.domain.vocabulary import DISCLAIMER
from core.platform.atomic import atomic_write

if TYPE_CHECKING:
    from core.explain.panel import Panel
    from core.explain.prototype_patches import PrototypePatch
    from core.explain.report import Provenance

WIDTH = 1000.0
"""Of a page, in its own units; heights follow."""
_ROW, _PICTURE, _MARGIN = 112.0, 100.0, 40.0
_PAPER_HEIGHT = WIDTH * 297 / 210
_PNG_SCALE = 1.6
_PDF_DPI = 150
_NUMBERS = (Column.SIMILARITY, Column.WEIGHT, Column.CONTRIBUTION, Column.RUNNING)


@dataclass(frozen=True, kw_only=True, eq=False)
class Page:
    """What is exported."""

    panel: Panel
    patches: tuple[PrototypePatch, ...]
    provenance: Provenance
    title: str
    look: HeatLook


def export(page: Page, path: Path) -> Path:
    """Write the page as its suffix says. MarginaliaError for another suffix; StorageFullError without room."""
    makers = {".html": _html, ".pdf": _pdf, ".png": _png}
    make = makers.get(path.suffix.lower())
    if make is None:
        raise MarginaliaError(f"{path.name} cannot be written: choose a name that ends in .html, .pdf or .png.")
    atomic_write(path, make(page))
    return path


def _html(page: Page) -> bytes:
    from core.explain.case_page import render_case

    text = render_case(
        page.panel.explanation,
        page.provenance,
        patches=page.patches,
        title=page.title,
        colours=page.look.colours,
    )
    return text.encode()


def _png(page: Page) -> bytes:
    printed = _Printed(page)
    image = QImage(round(WIDTH * _PNG_SCALE), round(printed.height() * _PNG_SCALE), QImage.Format.Format_RGB32)
    image.fill(QColor("white"))
    painter = QPainter(image)
    painter.scale(_PNG_SCALE, _PNG_SCALE)
    printed.paint(painter, new_page=None)
    painter.end()
    return _bytes(image)


def _bytes(image: QImage) -> bytes:
    content = QByteArray()
    buffer = QBuffer(content)
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    image.save(buffer, "PNG")  # type: ignore[call-overload]
    return bytes(content.data())


def _pdf(page: Page) -> bytes:
    content = QByteArray()
    buffer = QBuffer(content)
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    writer = QPdfWriter(buffer)
    writer.setResolution(_PDF_DPI)
    writer.setTitle(page.title)
    writer.setCreator("Marginalia")
    writer.setPageLayout(
        QPageLayout(QPageSize(QPageSize.PageSizeId.A4), QPageLayout.Orientation.Portrait, QMarginsF(0, 0, 0, 0))
    )
    painter = QPainter(writer)
    scale = writer.width() / WIDTH
    painter.scale(scale, scale)
    _Printed(page).paint(painter, new_page=writer.newPage)
    painter.end()
    buffer.close()
    return bytes(content.data())


class _Printed:
    def __init__(self, page: Page) -> None:
        self._page = page
        self._explanation = page.panel.explanation
        self._model = EvidenceModel(PatchLibrary())
        self._model.show_case(CasePictures(page.panel), self._explanation.predicted)

    def height(self) -> float:
        """Of everything on one page."""
        return 2 * _MARGIN + 330 + 24 + _ROW * len(self._model.lines) + 170

    def paint(self, painter: QPainter, new_page: object) -> None:
        """``new_page``: begins a page where one is full; None where there is one of any length."""
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        y = self._heading(painter, _MARGIN)
        y = self._row_heads(painter, y)
        for place in range(len(self._model.lines)):
            if callable(new_page) and y + _ROW > _PAPER_HEIGHT - _MARGIN - 60:
                self._foot(painter)
                new_page()
                y = self._row_heads(painter, _MARGIN)
            self._row(painter, place, y)
            y += _ROW
        y = self._total(painter, y)
        if callable(new_page) and y + 120 > _PAPER_HEIGHT - _MARGIN - 60:
            self._foot(painter)
            new_page()
            y = _MARGIN
        self._provenance(painter, y)
        if callable(new_page):
            self._foot(painter)
        else:
            self._disclaimer(painter, y + 110)

    def _heading(self, painter: QPainter, y: float) -> float:
        said = self._explanation
        right = QRectF(_MARGIN + 290, y, WIDTH - 2 * _MARGIN - 290, 34)
        _text(painter, right, self._page.title, size=20, bold=True)
        if said.synthetic:
            right.translate(0, 34)
            _text(painter, right, tr("SYNTHETIC DATA"), size=12, bold=True)
        right.translate(0, 40)
        name = tr(said.class_names[said.predicted])
        if said.precedent.found:
            verdict = f"{name} · {percent(float(said.probabilities[said.predicted]))}"
        else:
            verdict = tr("No prediction: the model has no precedent for this lesion")
        _text(painter, right, verdict, size=16, bold=True)
        for c, class_name in enumerate(said.class_names):
            right.translate(0, 27)
            share = float(said.probabilities[c])
            painter.fillRect(QRectF(right.left() + 150, right.top() + 12, 240 * share, 11), class_qcolour(c))
            score = number(float(said.logits[c]), 3)
            _text(painter, right, tr(class_name), size=12)
            aside = right.adjusted(410, 0, 0, 0)
            _text(painter, aside, f"{percent(share)}   {tr('score')} {score}", size=12)
        chance = said.malignancy_probability
        if chance is not None:
            right.translate(0, 32)
            _text(painter, right, tr("Malignancy: {share}", share=percent(chance)), size=12)
        if said.roi.class_name:
            right.translate(0, 27)
            _text(painter, right, tr("Read as {name}", name=tr(said.roi.class_name)), size=12)
        pictures = self._model.pictures
        assert pictures is not None
        painter.drawImage(QRectF(_MARGIN, y, 260, 260), pictures.roi)
        return y + 290

    def _row_heads(self, painter: QPainter, y: float) -> float:
        for column in Column:
            area = _place(column, y, 24.0)
            if area is not None:
                text = str(self._model.headerData(int(column), Qt.Orientation.Horizontal, 0))
                _text(painter, area, text, size=9, right=column in _NUMBERS, grey=True)
        return y + 26

    def _row(self, painter: QPainter, place: int, y: float) -> None:
        line = self._model.lines[place]
        for column in Column:
            area = _place(column, y, _PICTURE)
            if area is None:
                continue
            text = str(self._model.data(self._model.index(place, int(column))) or "")
            if text:
                _text(painter, area, text, size=9, right=column in _NUMBERS)
            else:
                self._picture(painter, area, line, column)
        painter.fillRect(QRectF(_MARGIN - 8, y, 4, _PICTURE), class_qcolour(line.shown.row.class_index))

    def _picture(self, painter: QPainter, area: QRectF, line: EvidenceLine, column: Column) -> None:
        pictures, look, patch = self._model.pictures, self._page.look, line.patch
        assert pictures is not None
        heat, box = None, line.shown.row.relevant_box
        if column in (Column.ROI, Column.ACTIVATION):
            picture = pictures.roi
            if column is Column.ACTIVATION:
                heat = coloured(pictures.map_of(line.shown.row.index, common=look.common), look)
        elif patch is None:
            return
        elif column is Column.PART:
            painter.drawImage(fitted((patch.part.width(), patch.part.height()), area), patch.part)
            return
        else:
            picture, box = patch.source, patch.patch.relevant_box
            heat = coloured(patch.map, look) if column is Column.SELF else None
        painter.drawImage(area, picture)
        if heat is not None:
            painter.drawImage(area, heat)
        draw_box(painter, box, frame_to(area, picture.width(), picture.height()), RELEVANT)

    def _total(self, painter: QPainter, y: float) -> float:
        name = tr(self._explanation.class_names[self._explanation.predicted])
        score = float(self._explanation.logits[self._explanation.predicted])
        area = QRectF(_MARGIN, y, WIDTH - 2 * _MARGIN, 30)
        text = tr("Score of {name}: {score}", name=name, score=number(score, 3))
        _text(painter, area, text, size=12, bold=True, right=True)
        return y + 40

    def _provenance(self, painter: QPainter, y: float) -> None:
        found = self._page.provenance
        lines = [f"{what}: {value}" for what, value in found.details]
        lines += [f"Model {found.model_sha256[:16]}", f"Data {found.data_fingerprint[:16]}"]
        area = QRectF(_MARGIN, y, WIDTH - 2 * _MARGIN, 100)
        _text(painter, area, " · ".join(lines), size=8, grey=True, wrap=True)

    def _foot(self, painter: QPainter) -> None:
        self._disclaimer(painter, _PAPER_HEIGHT - _MARGIN - 36)

    @staticmethod
    def _disclaimer(painter: QPainter, y: float) -> None:
        area = QRectF(_MARGIN, y, WIDTH - 2 * _MARGIN, 40)
        _text(painter, area, DISCLAIMER, size=8, wrap=True)


def _place(column: Column, y: float, height: float) -> QRectF | None:
    """Where a column's cell stands; None for one that is not printed."""
    if column is Column.PRECISION:
        return None
    lefts = {Column.PROTOTYPE: (0.0, 102.0), Column.SIMILARITY: (624.0, 64.0), Column.WEIGHT: (692.0, 70.0)}
    lefts |= {Column.CONTRIBUTION: (766.0, 76.0), Column.RUNNING: (846.0, 70.0)}
    pictures = (Column.ROI, Column.ACTIVATION, Column.PART, Column.SOURCE, Column.SELF)
    lefts |= {one: (106.0 + i * (_PICTURE + 4), _PICTURE) for i, one in enumerate(pictures)}
    left, width = lefts[column]
    return QRectF(_MARGIN + left, y, width, height)


def _text(
    painter: QPainter,
    area: QRectF,
    text: str,
    *,
    size: int,
    bold: bool = False,
    grey: bool = False,
    right: bool = False,
    wrap: bool = False,
) -> None:
    font = QFont()
    font.setPixelSize(round(size * 1.33))
    font.setBold(bold)
    painter.setFont(font)
    painter.setPen(QColor("#59626d") if grey else QColor("#16191d"))
    side = Qt.AlignmentFlag.AlignRight if right else Qt.AlignmentFlag.AlignLeft
    flags: int = side | (Qt.AlignmentFlag.AlignTop if wrap else Qt.AlignmentFlag.AlignVCenter)
    if wrap:
        flags |= Qt.TextFlag.TextWordWrap
    painter.drawText(area, flags, text)
