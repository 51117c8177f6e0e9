"""Every row of the battery is tested somewhere; see tests/safety/battery.py for where."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.safety import figures
from tests.safety.battery import ROWS, exists
from tests.safety.figures import FORMS, figure_of, table
from tests.safety.kept import go_on, keep


def test_the_battery_has_its_32_rows() -> None:
    assert sorted(ROWS) == [f"B-{number:02}" for number in range(1, 33)]


@pytest.mark.parametrize("name", sorted(ROWS))
def test_a_row_names_tests_that_exist(name: str) -> None:
    row = ROWS[name]
    assert row.quick
    for test in (*row.quick, *row.full):
        assert exists(test), test


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.states[0])
def test_a_figure_has_a_command_that_makes_it(form: figures.Form) -> None:
    assert figures.exists(form)
    assert any(test.startswith(f"{form.file}::") and form.choose in test for test in ROWS[form.row].full)


def test_figures_are_those_that_were_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARGINALIA_SAFETY", str(tmp_path))
    [kills] = [form for form in FORMS if form.row == "B-01"]
    assert figure_of(kills) == (False, "not run here")
    with pytest.raises(ZeroDivisionError):
        go_on("B-01", 3, lambda number: Counter({"kills": 50, "most ms": 9 - number, "odd": 1 // (1 - number)}))
    assert figure_of(kills) == (False, "interrupted at 1 of 3: kills 50, most ms 9, odd 1")
    begun: list[int] = []
    go_on("B-01", 3, lambda number: begun.append(number) or Counter({"kills": 50, "most ms": 20 * number}))
    assert begun == [1, 2], "it went on from where it was interrupted"
    assert figure_of(kills) == (True, "kills 150, most ms 40, odd 1")
    keep("B-23", {"writes": 1000, "lost": 0})
    assert "| B-23 | two programs on one study | writes 1,000, lost 0 |" in table()
