"""How soon Review and Prototypes answer, in the real window on a synthetic study, with real events.

    QT_QPA_PLATFORM=offscreen python -m tests.benchmarks.bench_screens [--study FOLDER] [--json FILE]

``explanation``: from choosing a lesion that nobody asked for to the painted panel, less one forward pass (measured
alone). ``prefetched``: the next lesion, whose panel is there. ``pruning``: from the click on a card to the figures
in the table, for 1,000 lesions in the run's table; ``intervals``: from there to the last interval. The model is
the compact preset's network with five prototypes a class, hardly trained: its figures mean nothing, its size does.
Nothing is asserted; the goals stand beside the figures.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

GOALS = {"explanation": 60, "prefetched": 60, "pruning": 150, "intervals": 2000}
CHANGES = (
    "epochs.warm_start=1",
    "epochs.warm_up=0",
    "epochs.joint=1",
    "epochs.project_every=1",
    "epochs.draws=60",
)
LESIONS = {"training": 400, "validation": 300, "test": 300}


def make_study(folder: Path, *, patients: int = 24) -> None:
    """A trained study; one that is there already is used again."""
    from core.cli.main import run_command_line
    from core.phantom.config import PhantomConfig
    from core.phantom.source import write_study_source

    if folder.exists():
        return
    with tempfile.TemporaryDirectory() as place:
        source = Path(place) / "source"
        write_study_source(source, PhantomConfig(patients=patients, seed=5, height=480, width=440), workers=1)
        changes = [part for change in CHANGES for part in ("--set", change)]
        for command in (
            ["study", "create", str(folder)],
            ["import", str(folder), str(source), "--quiet"],
            ["split", str(folder), "--fractions", "0.5", "0.25", "0.25"],
            ["train", str(folder), "--name", "bench", "--quiet", *changes],
        ):
            assert run_command_line(command) == 0


class Bench:
    def __init__(self, application: QApplication, folder: Path) -> None:
        from app.qt import settings
        from app.qt.background import prefer_the_window
        from app.state.session import Session
        from app.views.main_window.window import MainWindow

        settings.put("review/ask_first", "off")
        prefer_the_window()
        self.application = application
        self.window = MainWindow(Session())
        self.window.resize(1500, 900)
        self.window.show()
        self.window.studies.open_trusted(folder)
        self.figures: dict[str, list[float]] = {}

    def until(self, there: Callable[[], bool], seconds: float = 60) -> None:
        deadline = time.perf_counter() + seconds
        while not there():
            if time.perf_counter() > deadline:
                raise TimeoutError
            self.application.processEvents()
            time.sleep(0.0002)  # as the event loop does when it waits: the threads beside it have the interpreter

    def painted(self) -> None:
        """All that waits to be painted is: the first round posts what the second paints."""
        self.application.processEvents()
        self.application.processEvents()

    def forward_ms(self) -> float:
        """One forward pass as explanations make it, the median of ten."""
        from core.training.inference import infer_one

        model = self.window.desk.model
        assert model is not None
        network, rois = model.opened.model.network, model.opened.rois
        times = []
        for row in range(11):
            begin = time.perf_counter()
            infer_one(network, rois, row)
            times.append(1e3 * (time.perf_counter() - begin))
        return statistics.median(times[1:])

    def explain(self, rounds: int) -> None:
        window, review = self.window, self.window.review
        window.actions_["workspace.review"].trigger()
        self.until(lambda: window.desk.model is not None or bool(window.desk.problem), 180)
        assert window.desk.model is not None, window.desk.problem
        self.until(lambda: bool(review.lesion_shown))
        self.until(lambda: all(c.probabilities is not None for c in window.desk.model.cases))  # type: ignore[union-attr]
        review.cases.which.setCurrentIndex(0)
        forward = self.forward_ms()
        self.figures["forward pass"] = [forward]
        count = len(review.cases.cases.cases)
        cold, warm = [], []
        for step in range(rounds):
            row = (step * 5 + 2) % (count - 1)
            cold.append(self.choose(row, forget=True) - forward)
            lesion = review.cases.cases.cases[row + 1].lesion_id
            self.until(lambda lesion=lesion: lesion in window.desk._state.panels)  # type: ignore[misc]
            warm.append(self.choose(row + 1, forget=False))
        self.figures["explanation"], self.figures["prefetched"] = cold, warm

    def choose(self, row: int, *, forget: bool) -> float:
        """Milliseconds from the key to the painted explanation."""
        review = self.window.review
        self.until(lambda: self.window.desk._network.is_idle)
        if forget:
            self.window.desk._state.panels.clear()
        wanted = review.cases.cases.cases[row].lesion_id
        self.painted()  # what was asked for before is not counted
        begin = time.perf_counter()
        review.cases.view.setCurrentIndex(review.cases.cases.index(row))
        self.until(lambda: review.lesion_shown == wanted)
        self.painted()
        return 1e3 * (time.perf_counter() - begin)

    def prune(self, rounds: int) -> None:
        from core.domain.vocabulary import Part
        from core.pruning.prune import prepare

        window, screen = self.window, self.window.prototypes
        window.actions_["workspace.prototypes"].trigger()
        self.until(lambda: window.desk.surveyed_model is not None, 180)
        model = window.desk.model
        assert model is not None
        model.pruning.table = prepare(large_table(model.pruning))
        assert sum(len(rows) for rows in model.pruning.table.judged.values()) == 600
        assert Part.VALIDATION in model.pruning.table.judged
        times, intervals = [], []
        for step in range(rounds):
            card = screen.grid.cards[(0, 5, 10, 1, 6, 11)[step % 6]]
            begin = time.perf_counter()
            QTest.mouseClick(card, Qt.MouseButton.LeftButton)
            self.until(lambda: screen.outcome is not None and set(screen.outcome.removed) == screen.grid.ticked)
            self.painted()
            shown = time.perf_counter()
            self.until(lambda: screen.effect.text_of("auroc_mean", 4) != "")
            self.painted()
            times.append(1e3 * (shown - begin))
            intervals.append(1e3 * (time.perf_counter() - shown))
            if len(screen.grid.ticked) == 3:
                screen.grid.tick(frozenset())
                self.until(lambda: screen.preview.idle)
        self.figures["pruning"], self.figures["intervals"] = times, intervals

    def close(self) -> None:
        self.window.close()
        self.application.processEvents()


def large_table(pruning: Any) -> Any:
    """As many lesions as the goal speaks of, with similarities like those of the model's own table; SYNTHETIC."""
    from core.training.similarity_table import SimilarityTable

    rng = np.random.default_rng(0)
    own = pruning.state.prototype_class
    n, classes = sum(LESIONS.values()), len(pruning.state.class_names)
    label = rng.integers(0, classes, n)
    scores = rng.normal(2, 1, (n, len(own))) + 0.8 * (np.array(own)[None] == label[:, None])
    return SimilarityTable(
        scores=np.clip(scores, 0.01, 9).astype(np.float32),
        label=label,
        malignant=rng.integers(0, 2, n),
        lesion_ids=tuple(f"lesion{i}" for i in range(n)),
        patient_ids=tuple(f"patient{i // 2}" for i in range(n)),
        part=tuple(part for part, count in LESIONS.items() for _ in range(count)),
    )


def summary(figures: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    return {
        name: {
            "median_ms": round(statistics.median(values), 1),
            "max_ms": round(max(values), 1),
            "goal_ms": GOALS.get(name, 0),
        }
        for name, values in figures.items()
    }


def measure(folder: Path, *, rounds: int = 12) -> dict[str, dict[str, float]]:
    make_study(folder)
    application = QApplication.instance() or QApplication([])
    assert isinstance(application, QApplication)
    bench = Bench(application, folder)
    try:
        bench.explain(rounds)
        bench.prune(min(rounds, 6))
    finally:
        bench.close()
    return summary(bench.figures)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", type=Path, help="folder to keep the trained study in")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--rounds", type=int, default=12)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        os.environ.setdefault("MARGINALIA_SETTINGS", str(Path(place) / "settings.ini"))
        os.environ.setdefault("MARGINALIA_STATE", str(Path(place) / "state"))
        found = measure(options.study or Path(place) / "study", rounds=options.rounds)
    for name, row in found.items():
        goal = f"at most {row['goal_ms']:.0f}" if row["goal_ms"] else ""
        print(f"{name:14}{row['median_ms']:9.1f} ms, longest {row['max_ms']:.1f}  {goal}")  # noqa: T201
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
