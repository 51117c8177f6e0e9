from __future__ import annotations

import csv
import io

import pytest

from core.domain.spreadsheet import csv_cell, csv_document, read_cell

PAYLOADS = ("=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\x00=1", "'quoted", "plain", "")


@pytest.mark.parametrize("text", PAYLOADS)
def test_no_cell_starts_with_what_a_spreadsheet_runs_and_text_comes_back(text: str) -> None:
    assert not csv_cell(text).startswith(("=", "+", "-", "@", "\t", "\r", "\x00"))
    assert read_cell(csv_cell(text)) == text


def test_numbers_stay_numbers() -> None:
    assert (csv_cell(-1.5), csv_cell(3), csv_cell(None)) == ("-1.5", "3", "")


def test_a_document_reads_back() -> None:
    rows = list(csv.reader(io.StringIO(csv_document(("a", "b"), [("x, y", -1), ("=1", None)]).decode())))
    assert rows == [["a", "b"], ["x, y", "-1"], ["'=1", ""]]
