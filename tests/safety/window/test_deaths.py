"""B-26 through the window: whatever a worker dies of, the window lives, says so, and offers to go on."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pytestqt.qtbot import QtBot

from app.services.training_service import JobState
from app.views.main_window.window import MainWindow
from core.domain.events import Started
from core.domain.study import Run, RunStatus
from core.imaging import worker as worker_module
from core.jobs import detached
from core.jobs.catalogue import JobRequest
from core.tasks.runs.configure import configure
from core.tasks.runs.training_plan import plan_runs
from tests.core.imaging import samples
from tests.safety.kept import go_on
from tests.safety.test_workers import SOON_MS, WAYS, belongings
from tests.safety.window.hands import PATIENCE_MS, no_defects
from tests.safety.window.test_foreign import imported

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="signals of POSIX"),
    pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts descriptors by /proc"),
]

DECODER = (
    "import os; os.abort()",
    "import os; os.kill(os.getpid(), 11)",
    "import os; os.kill(os.getpid(), 9)",
    "import os; os._exit(3)",
    "import os; os.write(1, b'garbage\\n' * 100); os._exit(0)",
    "raise BaseException",
    "raise SystemExit(0)",
    "raise MemoryError",
)
MODEL: tuple[type[BaseException], ...] = (RuntimeError, MemoryError, SystemExit, BaseException, KeyError, OSError)


LastWords = Callable[[], float]
"""When a child that is dead was last alive, in seconds as ``time.time``."""


def dying(way: str, last_words: list[LastWords]) -> Callable[..., None]:
    """``launch`` with a real child that dies in this way in place of the training."""
    launch = detached.launch

    def run(request: JobRequest, folder: Path, *, log: Path) -> None:
        end = "deaf" if way.startswith("SIG") else way
        launch(JobRequest(job="rehearsal", arguments={"steps": 1, "end": end}), folder, log=log)
        if way.startswith("SIG"):
            pid = next(
                e.pid for e in detached.EventTail(folder / detached.EVENTS).read() if isinstance(e, Started)
            )
            killed_at = time.time()
            os.kill(pid, getattr(signal, way))
            last_words.append(lambda: killed_at)
        else:
            last_words.append(lambda: (folder / detached.EVENTS).stat().st_mtime)

    return run


class Ward:
    """A window on the trained study with a run that waits to be trained, and a folder to import."""

    def __init__(self, qtbot: QtBot, window: MainWindow, study: Path, tmp_path: Path) -> None:
        self.qtbot, self.window, self.source = qtbot, window, tmp_path / "in"
        window.open_study(study)
        config = configure("compact", label="margin", seed=1, changes=("transform.input_size=64",))
        [self.run] = plan_runs(window.session.study, config, name="doomed")
        self.source.mkdir()
        (self.source / "a.png").write_bytes(samples.png(samples.texture()))

    def training(self, way: str, monkeypatch: pytest.MonkeyPatch) -> int:
        """ms, at most, from the death to the moment that the window says so, and the run can be started again."""
        ended: list[tuple[float, JobState]] = []
        last_words: list[LastWords] = []
        desk = self.window.training

        def note(job: JobState) -> None:
            ended.append((time.time(), job))

        desk.ended.connect(note)
        with monkeypatch.context() as patch:
            patch.setattr(detached, "launch", dying(way, last_words))
            desk.enqueue([self.window.session.study.runs.get(self.run.id)])
            self.qtbot.waitUntil(lambda: bool(ended) and not desk.running, timeout=PATIENCE_MS)
        desk.ended.disconnect(note)
        [(said_at, job)] = ended
        assert job.problem and "Traceback" not in job.problem, way
        stored: Run = self.window.session.study.runs.get(self.run.id)
        # "garbage" ends well as far as its supervisor knows, and has no model: the run is never called finished
        assert stored.status is not RunStatus.FINISHED, way
        return round(1000 * (said_at - last_words[0]()))

    def importing(self, doing: str, monkeypatch: pytest.MonkeyPatch) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(worker_module, "_START", f"import sys; sys.stdin.readline(); {doing}")
            result = imported(self.qtbot, self.window, self.source)
        [file] = [one for one in result.files if one.name == "a.png"]
        assert result.images == 0 and file.sentences, doing

    def explaining(self, kind: type[BaseException], monkeypatch: pytest.MonkeyPatch) -> None:
        window, said = self.window, list[str]()
        window.actions_["workspace.review"].trigger()
        desk = window.desk
        self.qtbot.waitUntil(lambda: desk.model is not None and not desk.is_opening, timeout=PATIENCE_MS)
        lesion = window.session.study.lesions.all()[0].id

        def fails(*_: object, **__: object) -> None:
            raise kind("made to fail")

        desk.refused.connect(said.append)
        with monkeypatch.context() as patch:
            patch.setattr(type(desk.model.opened), "explanation", fails)  # type: ignore[union-attr]
            desk._state.panels.clear()
            desk.ask(lesion)
            self.qtbot.waitUntil(lambda: bool(said), timeout=PATIENCE_MS)
        desk.refused.disconnect(said.append)
        shown: list[object] = []
        desk.explained.connect(shown.append)
        desk.ask(lesion)
        self.qtbot.waitUntil(lambda: bool(shown), timeout=PATIENCE_MS)
        desk.explained.disconnect(shown.append)


def deaths() -> list[tuple[str, Any]]:
    return [
        *(("training", way) for way in WAYS),
        *(("importing", doing) for doing in DECODER),
        *(("explaining", kind) for kind in MODEL),
    ]


def die(ward: Ward, death: tuple[str, Any], monkeypatch: pytest.MonkeyPatch) -> int:
    """ms until the window offered a restart; 0 where what died was started again without asking."""
    took: int | None = getattr(ward, death[0])(death[1], monkeypatch)
    assert ward.window.isVisible()
    return took or 0


@pytest.mark.filterwarnings("ignore")
def test_the_window_lives_whatever_a_worker_dies_of(
    qtbot: QtBot, window: MainWindow, own_study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ward = Ward(qtbot, window, own_study, tmp_path)
    every = deaths()
    for death in (every[0], every[6], every[7], every[9], every[13], every[16], every[18], every[19], every[8]):
        die(ward, death, monkeypatch)


@pytest.mark.safety_full
@pytest.mark.timeout(0)
@pytest.mark.filterwarnings("ignore")
def test_the_window_lives_a_hundred_of_a_hundred_times(
    qtbot: QtBot, window: MainWindow, own_study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ward, every, errors = Ward(qtbot, window, own_study, tmp_path), deaths(), list[BaseException]()
    die(ward, every[-1], monkeypatch)
    die(ward, every[0], monkeypatch)
    before = belongings()

    def step(number: int) -> Counter[str]:
        death = every[number % len(every)]
        took = die(ward, death, monkeypatch)
        return Counter({f"deaths in {death[0]} survived": 1, "most ms until a restart is offered": took})

    with no_defects(errors):
        counted = go_on("B-26-window", 100, step)
    assert sum(count for name, count in counted.items() if name.startswith("deaths")) == 100
    assert counted["most ms until a restart is offered"] < SOON_MS, counted
    assert belongings()[0] == before[0] and belongings()[1] <= before[1] + 2
