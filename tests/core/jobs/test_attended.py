"""A run whose training was killed with the command line that started it is told from one that is being trained."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from core.domain.errors import StudyError
from core.domain.study import Run, RunStatus
from core.jobs.attended import attended
from core.jobs.run_records import INTERRUPTED, check_deletable, finished_run, is_worked_on, run_lines
from core.store.study import Study
from tests.conftest import ROOT

_ATTENDS = (
    "import sys; from pathlib import Path; from core.jobs.attended import attended\n"
    "with attended(Path(sys.argv[1])): print('there', flush=True); sys.stdin.readline()"
)


@pytest.fixture
def study(tmp_path: Path) -> Study:
    with Study.create(tmp_path / "study", name="s") as made:
        made.runs.add(Run(id="r", name="run", created_utc="2026-01-01", config={}, status=RunStatus.RUNNING))
        yield made


def test_a_training_that_was_killed_with_its_command_line_is_interrupted(study: Study) -> None:
    run, folder, pipe = study.runs.get("r"), study.run_folder("r"), subprocess.PIPE
    assert [line.status for line in run_lines(study)] == [INTERRUPTED]
    with subprocess.Popen([sys.executable, "-c", _ATTENDS, folder], stdin=pipe, stdout=pipe, cwd=ROOT) as program:
        assert program.stdout is not None and program.stdout.readline() == b"there\n"
        assert is_worked_on(study, run) and [line.status for line in run_lines(study)] == ["running"]
        with pytest.raises(StudyError, match="is being trained"):
            check_deletable(study, run)
        program.kill()
    assert not is_worked_on(study, run) and [line.status for line in run_lines(study)] == [INTERRUPTED]
    with pytest.raises(StudyError, match="Run run is interrupted, not finished: resume it"):
        finished_run(study, "run")
    check_deletable(study, run)


def test_a_run_is_attended_in_the_same_process_too(study: Study) -> None:
    run = study.runs.get("r")
    with attended(study.run_folder("r")):
        assert is_worked_on(study, run)
    assert not is_worked_on(study, run)
