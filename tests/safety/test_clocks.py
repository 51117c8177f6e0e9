"""B-30: clocks that jump and places that write numbers otherwise."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.store.study import Study
from tests.core.store.helpers import add_case, drawing

ROOT = Path(__file__).parents[2]


def test_order_comes_from_counters_when_the_clock_is_set_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter(datetime(2026, 3, 29, 1, 59, tzinfo=UTC) - timedelta(hours=hours) for hours in range(100_000))
    monkeypatch.setattr("core.store.database.now_utc", lambda: next(times).isoformat())
    monkeypatch.setattr("core.store.annotations.now_utc", lambda: next(times).isoformat())
    with Study.create(tmp_path / "s", name="s") as study:
        add_case(study, 1)
        reader = study.readers.ensure("Dr A")
        for number in range(5):
            study.annotations.commit("l1", reader.id, drawing(number))
        assert study.annotations.current("l1", reader.id).shapes == drawing(4)
        records = list(study.audit.records())
        stamps = [record.at_utc for record in records]
        assert stamps == sorted(stamps, reverse=True) and stamps[0] > stamps[-1]
        assert [record.counter for record in records] == list(range(1, len(records) + 1))
        assert study.audit.verify().good


_ELSEWHERE = """
import contextlib, locale, sys, time
from pathlib import Path
for name in ("de_DE.UTF-8", "fr_FR.UTF-8", "ar_EG.UTF-8", ""):
    with contextlib.suppress(locale.Error):
        locale.setlocale(locale.LC_ALL, name)
        break
from core.domain.shapes import circle
from core.domain.spreadsheet import csv_document
from core.store.study import Study
from tests.core.store.helpers import add_case
with Study.create(Path(sys.argv[1]), name="Gr\\u00f6\\u00dfe") as study:
    add_case(study, 1)
    reader = study.readers.ensure("Dr \\u00c4")
    study.annotations.commit("l1", reader.id, (circle((0.1, 1234567.25), 1.5),))
    assert study.annotations.current("l1", reader.id).shapes == (circle((0.1, 1234567.25), 1.5),)
    assert study.audit.verify().good
assert csv_document(("a",), [(-1.5,)]) == b"a\\r\\n-1.5\\r\\n"
sys.stdout.write(ascii(study.info.name))
"""


@pytest.mark.parametrize("place", [{"LC_ALL": "C"}, {"LC_ALL": "de_DE.UTF-8"}, {"TZ": "Pacific/Apia"}], ids=str)
def test_numbers_and_names_come_back_everywhere(tmp_path: Path, place: dict[str, str]) -> None:
    environment = {**os.environ, **place, "PYTHONUTF8": "0"}
    command = [sys.executable, "-c", _ELSEWHERE, str(tmp_path / "s")]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ascii("Größe")
    with Study.open(tmp_path / "s", writable=False) as study:
        assert study.info.name == "Größe"
        stamps = [record.at_utc for record in study.audit.records()]
    assert all(stamp.endswith("+00:00") for stamp in stamps)
