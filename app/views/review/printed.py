"""An explanation as a page: HTML by the engine, PDF and PNG painted here in the same design. None of them holds
more of a patient than the study's own pseudonym."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QBuffer, QByteArray, QIODevice, QMarginsF
from PySide6.QtGui import QColor, QImage, QPageLayout, QPageSize, QPainter, QPdfWriter, QPicture

from app.views.review.case_sheet import ENDLESS, CaseSheet
from app.views.review.page import Page
from app.views.review.sheet import WIDTH
from core.domain.errors import MarginaliaError
from core.domain.messages import message
from core.platform.atomic import atomic_write

_PAPER_HEIGHT = WIDTH * 297 / 210
_PNG_SCALE = 1.6
_PDF_DPI = 150


def export(page: Page, path: Path) -> Path:
    """Write the page in the format of its suffix.

    Raises: MarginaliaError for another suffix; StorageFullError without room."""
    makers = {".html": _html, ".pdf": _pdf, ".png": _png}
    make = makers.get(path.suffix.lower())
    if make is None:
        raise MarginaliaError(
            message("{file} cannot be written: choose a name that ends in .html, .pdf or .png.", file=path.name)
        )
    atomic_write(path, make(page))
    return path


def _html(page: Page) -> bytes:
    from core.explain.case_page import CaseFacts, render_case

    text = render_case(
        page.panel.explanation,
        page.provenance,
        patches=page.patches,
        title=page.title,
        colours=page.look.colours,
        facts=CaseFacts(
            model=page.model,
            day=page.day,
            voices=tuple((voice.who, voice.word, voice.probability) for voice in page.voices),
        ),
    )
    return text.encode()


def _measured(page: Page, height: float) -> tuple[int, float]:
    """Number of pages of this height, and where the last one ends."""
    picture = QPicture()
    painter = QPainter(picture)
    pages, end = CaseSheet(page).paint(painter, height=height, new_page=lambda: None, pages=0)
    painter.end()
    return pages, end


def _png(page: Page) -> bytes:
    _, end = _measured(page, ENDLESS)
    image = QImage(round(WIDTH * _PNG_SCALE), round(end * _PNG_SCALE), QImage.Format.Format_RGB32)
    image.fill(QColor("white"))
    painter = QPainter(image)
    painter.scale(_PNG_SCALE, _PNG_SCALE)
    CaseSheet(page).paint(painter, height=ENDLESS, new_page=None, pages=1)
    painter.end()
    content = QByteArray()
    buffer = QBuffer(content)
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    image.save(buffer, "PNG")  # type: ignore[call-overload]
    return bytes(content.data())


def _pdf(page: Page) -> bytes:
    pages, _ = _measured(page, _PAPER_HEIGHT)
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
    new_page: Callable[[], object] = writer.newPage
    CaseSheet(page).paint(painter, height=_PAPER_HEIGHT, new_page=new_page, pages=pages)
    painter.end()
    buffer.close()
    return bytes(content.data())
