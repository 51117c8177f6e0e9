"""B-23: two programs on one study lose nothing of each other, and the second knows who the first is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from core.store.study import Study
from tests.core.store.helpers import add_case
from tests.safety.kept import keep

ROOT = Path(__file__).parents[2]

_WRITE = """
import sys, time
from pathlib import Path
from core.domain.errors import StudyLockedError
from core.store.study import Study
from tests.core.store.helpers import drawing
folder, reader, times = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
refused = done = 0
while done < times:
    try:
        with Study.open(folder, holder=reader) as study:
            # a few at a sitting, as a person would
            for _ in range(min(5, times - done)):
                study.annotations.commit("l1", study.readers.ensure(reader).id, drawing(done))
                done += 1
    except StudyLockedError as error:
        refused += 1
        assert "is in use by" in str(error), error
    time.sleep(0.003)
print(refused)
"""


def write_together(folder: Path, times: int) -> int:
    """Two processes write in turns; how often one of them was kept out."""
    with Study.create(folder, name="s") as study:
        add_case(study, 1)
    children = [
        subprocess.Popen(
            [sys.executable, "-c", _WRITE, str(folder), f"Dr {letter}", str(times)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for letter in "AB"
    ]
    outputs = [child.communicate(timeout=1200) for child in children]
    assert [child.returncode for child in children] == [0, 0], outputs
    with Study.open(folder, writable=False) as study:
        assert study.audit.verify().good
        for reader in study.readers.all():
            history = study.annotations.history("l1", reader.id)
            assert [one.revision for one in history] == list(range(1, times + 1))
        assert len(study.readers.all()) == 2
    return sum(int(out) for out, _ in outputs)


def test_two_programs_lose_no_write(tmp_path: Path) -> None:
    write_together(tmp_path / "s", 25)


@pytest.mark.safety_full
@pytest.mark.timeout(3600)
def test_two_programs_lose_none_of_a_thousand_writes(tmp_path: Path) -> None:
    kept_out = write_together(tmp_path / "s", 500)
    keep("B-23", {"writes": 1000, "lost": 0, "times that one was kept out": kept_out})
    assert kept_out > 0
