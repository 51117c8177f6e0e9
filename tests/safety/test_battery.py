"""Every row of the battery is tested somewhere; see tests/safety/battery.py for where."""

from __future__ import annotations

import pytest

from tests.safety.battery import ROWS, exists


def test_the_battery_has_its_31_rows() -> None:
    assert sorted(ROWS) == [f"B-{number:02}" for number in range(1, 32)]


@pytest.mark.parametrize("name", sorted(ROWS))
def test_a_row_names_tests_that_exist(name: str) -> None:
    row = ROWS[name]
    assert row.quick
    for test in (*row.quick, *row.full):
        assert exists(test), test
