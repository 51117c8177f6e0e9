"""The table of all prototypes: every number is seen without scrolling to the side."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from PySide6.QtCore import QLocale
from PySide6.QtWidgets import QApplication, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from app.qt.theme import Theme, apply_theme
from app.qt.translation import install
from app.widgets.explain.all_table import AllTable
from core.domain.vocabulary import MarginType
from core.explain.explanation import Explanation
from tests.app.measuring import cut_words, pale_words

NAMES = tuple(margin.value for margin in MarginType)


def explanation(classes: int) -> Explanation:
    """Two prototypes a class, with contributions of every length."""
    random = np.random.default_rng(3)
    names = NAMES[:classes]
    rows = [
        SimpleNamespace(
            number=number + 1,
            class_name=names[number // 2],
            class_index=number // 2,
            score=float(random.uniform(0, 9)),
            contributions=random.normal(0, 8, classes),
            malignancy_contribution=float(random.normal()),
        )
        for number in range(2 * classes)
    ]
    found = SimpleNamespace(
        class_names=names, rows=rows, logits=random.normal(0, 20, classes), malignancy_logit=-1.25,
        malignancy_bias=-12.5,
    )  # fmt: skip
    return cast("Explanation", found)


@pytest.fixture
def german(qapp: QApplication) -> Iterator[None]:
    before = QLocale()
    install(qapp, "de")
    yield
    install(qapp, "en")
    QLocale.setDefault(before)


def shown(qtbot: QtBot, width: int, classes: int) -> tuple[QWidget, AllTable]:
    window = QWidget()
    qtbot.addWidget(window)
    table = AllTable()
    layout = QVBoxLayout(window)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.addWidget(table)
    window.resize(width, 420)
    window.show()
    qtbot.waitExposed(window)
    table.show_explanation(explanation(classes))
    return window, table


@pytest.mark.usefixtures("german")
@pytest.mark.parametrize("theme", list(Theme)[:2])
@pytest.mark.parametrize(("classes", "width"), [(3, 430), (5, 460), (5, 700), (3, 900)])
def test_no_number_is_out_of_sight_and_no_heading_cut(
    qtbot: QtBot, qapp: QApplication, *, classes: int, width: int, theme: Theme
) -> None:
    apply_theme(qapp, theme)
    window, table = shown(qtbot, width, classes)
    qtbot.waitUntil(lambda: table.horizontalScrollBar().maximum() == 0, timeout=3_000)
    assert cut_words(window) == set()
    assert pale_words(window) == set()
    apply_theme(qapp, Theme.DARK)


def test_where_there_is_room_the_class_of_a_prototype_is_written_and_else_it_is_in_the_tip(qtbot: QtBot) -> None:
    window, table = shown(qtbot, 1200, 5)
    item = table.item(2, 0)
    assert item is not None
    assert item.text() == f"3  {NAMES[1]}"
    window.resize(460, 420)
    qtbot.waitUntil(lambda: table.item(2, 0).text() == "3")  # type: ignore[union-attr]
    assert table.item(2, 0).toolTip() == f"3  {NAMES[1]}"  # type: ignore[union-attr]
    window.resize(1200, 420)
    qtbot.waitUntil(lambda: table.item(2, 0).text() == f"3  {NAMES[1]}")  # type: ignore[union-attr]
