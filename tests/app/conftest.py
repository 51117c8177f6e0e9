"""Any message of Qt fails the test, but for those that the offscreen platform always gives."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from PySide6.QtCore import QMessageLogContext, QtMsgType, qInstallMessageHandler
from pytestqt.qtbot import QtBot

from app.widgets.viewer.picture import Picture
from core.domain.study import Window
from core.domain.vocabulary import Laterality, ViewPosition
from core.store.arrays import pyramid

PATIENCE_MS = 120_000
_HARMLESS = ("propagateSizeHints", "does not support raise()", "does not support grabbing the keyboard")
"""Of a window and of a menu that pops up."""


@pytest.fixture(autouse=True)
def _every_study_is_known(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Tests make their studies beside the program; those marked ``foreign`` are about what it does not know."""
    if request.node.get_closest_marker("foreign") is None:
        monkeypatch.setattr("app.views.main_window.file_menu.is_known", lambda folder: True)


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait as long on a busy machine as it needs: no test of the window is about a time."""
    monkeypatch.setitem(QtBot.waitUntil.__kwdefaults__, "timeout", PATIENCE_MS)


@pytest.fixture(autouse=True)
def qt_messages() -> Iterator[list[str]]:
    messages: list[str] = []

    def note(kind: QtMsgType, _: QMessageLogContext, text: str) -> None:
        if kind != QtMsgType.QtDebugMsg and not any(part in text for part in _HARMLESS):
            messages.append(text)

    before = qInstallMessageHandler(note)
    yield messages
    qInstallMessageHandler(before)
    if messages:
        pytest.fail(f"Qt said: {messages}")


def ramp(rows: int = 400, columns: int = 600) -> NDArray[np.uint16]:
    """Stored value = 10 x column + row."""
    return (10 * np.arange(columns)[None, :] + np.arange(rows)[:, None]).astype(np.uint16)


def picture_of(pixels: NDArray[np.uint16], spacing_mm: float | None = 0.1, **more: object) -> Picture:
    return Picture(
        levels=tuple(pyramid(pixels)),
        choices=(
            Window(centre=3000, width=6000, explanation="WIDE"),
            Window(centre=1000, width=500, explanation="NARROW"),
        ),
        spacing_mm=spacing_mm,
        spacing_source="Imager Pixel Spacing",
        laterality=more.get("laterality", Laterality.LEFT),  # type: ignore[arg-type]
        view=more.get("view", ViewPosition.CC),  # type: ignore[arg-type]
        title="SYNTHETIC ramp",
    )


@pytest.fixture
def picture() -> Picture:
    return picture_of(ramp())
