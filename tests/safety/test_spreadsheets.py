"""B-17: forty texts that a spreadsheet would run, through every table that the program writes, and back."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.domain.spreadsheet import csv_cell, csv_document, read_cell
from core.domain.study import Patient
from core.exchange.masks.png import export_png_masks
from core.store.study import Study
from tests.core.store.helpers import add_case

COMMANDS = ("=1+1", "+1+1", "-1+1", "@SUM(A1)", "=cmd|'/C calc'!A0", '=HYPERLINK("http://x","y")', "\uff1d1+1")
PAYLOADS = (
    *COMMANDS,
    *(f"\t{command}" for command in COMMANDS),
    *(f"\r{command}" for command in COMMANDS[:3]),
    *(f"\x00{command}" for command in COMMANDS[:3]),
    *(f"name;{command}" for command in COMMANDS),
    *(f'"{command}' for command in COMMANDS[:3]),
    *(f"two\n{command}" for command in COMMANDS[:4]),
    *(f"  {command}" for command in COMMANDS[:3]),
    *("'=1", "''=1", "a;'=1"),
)
TRIGGERS = "=+-@\uff1d\uff0b\uff0d\uff20"


def runs(cell: str) -> bool:
    return cell.lstrip(" ")[:1] in tuple(TRIGGERS) or cell[:1] in ("\t", "\r", "\x00")


def cells(document: bytes, separator: str) -> list[str]:
    """As a spreadsheet with this separator reads it."""
    return [c for row in csv.reader(io.StringIO(document.decode(), newline=""), delimiter=separator) for c in row]


def test_there_are_forty_payloads() -> None:
    assert len(set(PAYLOADS)) >= 40


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_cell_runs_whatever_separates_the_cells(payload: str, separator: str) -> None:
    document = csv_document(("first", payload), [("plain", payload), (payload, 1.5)])
    assert not [cell for cell in cells(document, separator) if runs(cell)]


@given(st.text(alphabet=st.sampled_from("=+-@;,|\t\r\n' \"ab\uff1d"), max_size=12))
@settings(max_examples=300, deadline=None)
def test_every_text_comes_back(text: str) -> None:
    assert read_cell(csv_cell(text)) == text
    assert not runs(csv_cell(text))


def test_exported_tables_are_safe_and_come_back(tmp_path: Path) -> None:
    with Study.create(tmp_path / "s", name="s", synthetic=True) as study:
        for number, payload in enumerate(PAYLOADS, start=1):
            study.patients.add(Patient(id=f"p{number}", pseudonym=f"P{number}", source=payload))
            add_case(study, number, patient=f"p{number}")
        export_png_masks(study, tmp_path / "out")
    document = (tmp_path / "out" / "lesions.csv").read_bytes()
    for separator in ",;":
        assert not [cell for cell in cells(document, separator) if runs(cell)]
    table = csv.DictReader(io.StringIO(document.decode(), newline=""))
    assert {read_cell(row["source"]) for row in table} == set(PAYLOADS)
