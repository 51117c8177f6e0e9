"""Who is on which case: seen by others, and gone with the program that told it, also where that was killed."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.store.check import check_study
from core.store.move import move_study
from core.store.postgresql.address import read_address
from core.store.presence import Present
from core.store.study import Study
from tests.core.store.helpers import add_case
from tests.database_server import DatabaseServer

_CHILD = """
import sys, time
from pathlib import Path
from core.store.study import Study
with Study.open(Path(sys.argv[1])) as study:
    presence = study.presence()
    while True:
        presence.beat("Dr Bert", "i2")
        print("there", flush=True)
        time.sleep(0.1)
"""


@pytest.fixture
def folder(tmp_path: Path, shared_server: DatabaseServer) -> Path:
    with Study.create(tmp_path / "s", name="s", server=shared_server.address()) as study:
        for number in (1, 2):
            add_case(study, number)
    return tmp_path / "s"


@pytest.fixture
def other(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A program of somebody else, which is on image i2."""
    child = subprocess.Popen([sys.executable, "-c", _CHILD, str(folder)], stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None and child.stdout.readline() == "there\n"
        yield child
    finally:
        child.kill()
        child.communicate()


@pytest.mark.postgresql
def test_others_are_seen_and_nothing_is_left_of_a_program_that_was_killed(
    folder: Path, other: subprocess.Popen[str], shared_server: DatabaseServer
) -> None:
    with Study.open(folder) as study:
        presence = study.presence()
        assert presence is not None
        assert presence.beat("Dr Anna", "i1") == (Present(name="Dr Bert", image_id="i2"),), "without herself"
        other.kill()
        end = time.monotonic() + 60
        while presence.beat("Dr Anna", "i1"):
            assert time.monotonic() < end, "the killed program is still there"
            time.sleep(0.05)
        presence.beat("Dr Anna", "i1")
        schema = read_address(folder).schema
        rows = shared_server.run_sql(f"SELECT name, image_id FROM {schema}.presence")
        assert rows == [("Dr Anna", "i1")], "its row is gone too"
        presence.beat("Dr Anna", None)
        second = study.presence()
        assert second is not None and second.beat("Dr Cleo", "i1") == (), "who is on no case is not shown"
        presence.close()
        second.close()
        assert check_study(study).problems == ()


@pytest.mark.postgresql
def test_who_beats_no_more_is_not_shown_and_a_move_takes_nobody_along(
    folder: Path, shared_server: DatabaseServer
) -> None:
    with Study.open(folder) as study:
        first, second = study.presence(), study.presence()
        assert first is not None and second is not None
        first.beat("Dr Anna", "i1")
        assert second.beat("Dr Bert", "i2") == (Present(name="Dr Anna", image_id="i1"),)
        schema = read_address(folder).schema
        shared_server.run_sql(f"UPDATE {schema}.presence SET at = at - interval '21 s' WHERE name = 'Dr Anna'")
        assert second.beat("Dr Bert", "i2") == ()
        first.close()
        second.close()
    move_study(folder, "")
    with Study.open(folder) as study:
        assert study.presence() is None
        assert check_study(study).problems == ()
