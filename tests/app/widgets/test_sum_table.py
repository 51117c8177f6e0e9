"""A sum by prototype: no column is out of sight in a narrow place."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from app.widgets.explain.sum_table import SumLine, SumTable
from tests.app.measuring import cut_words


@pytest.mark.parametrize(("width", "named"), [(900, True), (480, False)])
def test_the_class_of_a_prototype_is_named_where_no_column_is_pushed_out_by_it(
    qtbot: QtBot, width: int, *, named: bool
) -> None:
    window, table = QWidget(), SumTable("sums")
    qtbot.addWidget(window)
    layout = QVBoxLayout(window)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.addWidget(table)
    window.resize(width, 300)
    window.show()
    qtbot.waitExposed(window)
    lines = [
        SumLine(
            name=f"{n}  mikrolobuliert", colour=QColor("#88f"), factors=(1.234, -1.2, 11.1), share=1.2 - n, row=n
        )
        for n in range(1, 12)
    ]
    head = ("Ähnlichkeit", "Gewicht umschrieben", "Gewicht mikrolobuliert")
    table.show_sum(head, lines, "Unterschied der Punktzahlen", -12.3)
    qtbot.waitUntil(lambda: table.horizontalScrollBar().maximum() == 0, timeout=3_000)
    assert cut_words(window) == set()
    first = table.sums.index(0, 0)
    assert first.data() == ("1  mikrolobuliert" if named else "1")
    assert first.data(Qt.ItemDataRole.ToolTipRole) == "1  mikrolobuliert"
    assert table.sums.index(len(lines), 0).data() == "Unterschied der Punktzahlen"
