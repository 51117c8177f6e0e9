"""Pictures of every screen: ``python -m tests.app.screenshots OUT``.

Each look (theme, language, scale, size) runs in a process of its own, since the scale is fixed when Qt starts.
The mammograms are synthetic.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

LOOKS = ("dark", "light", "125", "150", "200", "german", "1920")
LESIONS = 100_000


@dataclass(frozen=True, kw_only=True)
class Look:
    theme: str = "dark"
    language: str = "en"
    scale: str = "1"
    size: tuple[int, int] = (1280, 800)


_LOOKS = {
    "dark": Look(),
    "light": Look(theme="light"),
    "125": Look(scale="1.25", size=(1024, 700)),
    "150": Look(scale="1.5"),
    "200": Look(scale="2", size=(960, 600)),
    "german": Look(language="de"),
    "1920": Look(size=(1920, 1160)),
}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.app.screenshots")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--look", choices=LOOKS)
    parser.add_argument("--trained", type=Path, help="a study with a model to show (default: one of a tiny model)")
    parser.add_argument("--way", action="store_true", help="the steps of tests/e2e instead, one picture each")
    chosen = parser.parse_args(arguments)
    folder: Path = chosen.folder.absolute()
    if chosen.way:
        (folder / "studies").mkdir(parents=True, exist_ok=True)
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
        os.environ["MARGINALIA_SETTINGS"] = str(folder / "studies" / "way.ini")
        os.environ["MARGINALIA_STATE"] = str(folder / "studies" / "state")
        take_way(folder)
        return 0
    if chosen.look:
        take(folder, chosen.look)
        return 0
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["MARGINALIA_STATE"] = str(folder / "studies" / "state")
    make_studies(folder / "studies", chosen.trained)
    for look in LOOKS:
        environment = os.environ | {
            "QT_QPA_PLATFORM": "offscreen",
            "QT_SCALE_FACTOR": _LOOKS[look].scale,
            "MARGINALIA_SETTINGS": str(folder / "studies" / f"{look}.ini"),
        }
        command = [sys.executable, "-m", "tests.app.screenshots", str(folder), "--look", look]
        subprocess.run(command, env=environment, check=True)
    return 0


def take_way(folder: Path) -> None:
    """Each step of the way from the welcome page to an exported page, which tests/e2e goes too."""
    from PySide6.QtWidgets import QApplication

    from app.qt.theme import Theme, apply_theme
    from app.state.session import Session
    from app.views.main_window.window import MainWindow
    from tests.e2e.steps import Way, click
    from tests.trained_study import TINY

    application = QApplication([])
    apply_theme(application, Theme.DARK)
    window = MainWindow(Session())
    window.resize(1500, 900)
    window.show()
    shots = Shots(application, window, folder, "way")

    def until(there: Callable[[], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not there():
            assert time.monotonic() < deadline
            shots.settle(0.02)

    way = Way(window, until, folder / "studies" / f"way-{time.time_ns()}")
    shots.shoot("1-welcome")
    way.make_demo(15)
    shots.shoot("2-demo")
    way.go_to("train")
    way.plan("first", TINY)
    way.train()
    until(lambda: window.train.job.prototypes.count > 0 or not window.training.running, 300)
    shots.shoot("3-train")
    way.wait_for_the_end(600)
    way.review()
    shots.shoot("4-review")
    way.go_to("prototypes")
    until(lambda: window.desk.surveyed_model is not None, 120)
    way.tick((0, 2))
    shots.shoot("5-prune")
    way.prune("fires on a vessel")
    way.wait_for_prototypes(4)
    click(window.prototypes.undo)
    way.wait_for_prototypes(6)
    way.tick((1, 2))
    way.prune("a near duplicate")
    way.wait_for_prototypes(4)
    window.prototypes.tabs.setCurrentWidget(window.prototypes.revisions)
    shots.shoot("6-pruned-again")
    way.go_to("review")
    way.export(folder / f"page-{time.time_ns()}.html")
    click(window.review.study_button)
    reading = window.review.reading
    assert reading is not None
    reading.setup.name.setText("pilot")
    shots.shoot("7-reader-study", reading)
    reading.setup.make.click()
    until(lambda: reading.pages.currentWidget() is reading._reading, 60)
    shots.shoot("8-reading-alone", reading)
    reading.answer.margins.choose("circumscribed")
    click(reading.answer.probability, reading.answer.probability.place_of(30).toPoint())
    reading.answer.next.click()
    shots.shoot("9-reading-with-model", reading)
    reading.close()
    window.close()


def make_studies(folder: Path, trained: Path | None) -> None:
    from tests.app.studies import make_large_study, make_small_study

    if not (folder / "large").exists():
        make_small_study(folder / "small", folder / "source")
        make_large_study(folder / "large", folder / "small", lesions=LESIONS)
        from core.store.study import Study
        from core.store.trusted_studies import mark_trusted

        Study.create(folder / "empty", name="Empty study").close()
        mark_trusted(folder / "empty")
        if trained is None:
            train_tiny(folder / "trained", folder / "trained-source")
        else:
            shutil.copytree(trained, folder / "trained")
        mark_trusted(folder / "trained")


def train_tiny(study: Path, source: Path) -> None:
    """A model of seconds: its figures mean nothing."""
    from core.cli.main import run_command_line
    from core.phantom.config import PhantomConfig
    from core.phantom.source import write_study_source
    from tests.trained_study import TINY

    write_study_source(source, PhantomConfig(patients=24, seed=5, height=480, width=440), workers=1)
    changes = [part for change in TINY for part in ("--set", change)]
    for command in (
        ["study", "create", str(study)],
        ["import", str(study), str(source), "--quiet"],
        ["split", str(study), "--fractions", "0.5", "0.25", "0.25"],
        ["train", str(study), "--name", "tiny", "--quiet", *changes],
    ):
        assert run_command_line(command) == 0, command


def take(folder: Path, name: str) -> None:
    """All screens in one look."""
    from PySide6.QtWidgets import QApplication

    from app.qt.theme import Theme, apply_theme
    from app.qt.translation import install
    from app.state.session import Session
    from app.views.main_window.window import MainWindow

    look = _LOOKS[name]
    application = QApplication([])
    install(application, look.language)
    apply_theme(application, Theme(look.theme))
    window = MainWindow(Session(), look.language)
    window.resize(*look.size)
    window.show()
    shots = Shots(application, window, folder, name)
    shots.all(folder / "studies")
    window.close()


class Shots:
    def __init__(self, application: object, window: object, folder: Path, look: str) -> None:
        from PySide6.QtWidgets import QApplication

        from app.views.main_window.window import MainWindow

        assert isinstance(application, QApplication) and isinstance(window, MainWindow)
        self.application, self.window, self.folder, self.look = application, window, folder, look

    def shoot(self, screen: str, widget: object = None) -> None:
        from PySide6.QtWidgets import QWidget

        self.settle(0.3)
        target = widget if isinstance(widget, QWidget) else self.window
        target.grab().save(str(self.folder / f"{self.look}-{screen}.png"))

    def settle(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.application.processEvents()
            time.sleep(0.005)

    def until(self, there: Callable[[], bool]) -> None:
        end = time.monotonic() + 240
        while not there() and time.monotonic() < end:
            self.settle(0.02)

    def open(self, folder: Path) -> None:
        self.window.open_study(folder)
        self.until(lambda: self.window.annotate.shown is not None)
        self.settle(0.5)

    def all(self, studies: Path) -> None:
        from core.phantom.records import ANNOTATOR

        window = self.window
        self.shoot("welcome-first")
        window.open_study(studies / "empty")
        self.shoot("empty")
        self.open(studies / "small")
        self.shoot("small-unlabelled")
        window.session.sign_in(ANNOTATOR)
        window.actions_["view.lesion"].trigger()
        window.actions_["view.zoom_out"].trigger()
        window.actions_["tool.freehand"].trigger()
        self.shoot("small")
        window.actions_["lesion.link"].trigger()
        menu = self.application.activePopupWidget()
        assert menu is not None
        self.shoot("small-finding", menu)
        menu.close()
        window.activateWindow()
        window.annotate.panel.form.focus_on("category")
        window.actions_["view.mask"].trigger()
        self.shoot("small-labelling")
        bar = window.annotate.panel.verticalScrollBar()
        bar.setValue(bar.maximum())
        self.shoot("small-history")
        window.actions_["view.mask"].trigger()
        self.hangings()
        for name in ("train", "review", "prototypes"):
            window.actions_[f"workspace.{name}"].trigger()
            self.shoot(name)
        window.actions_["workspace.annotate"].trigger()
        self.dialogs(studies)
        window.banner.say("storage", "study.db could not be written: the disk is full. Make room.", "Try again")
        self.shoot("banner")
        self.model(studies / "trained")
        self.open(studies / "large")
        self.shoot("large")
        window.annotate.worklist.search.setText("nobody")
        self.settle(0.6)
        self.shoot("large-nothing-found")
        window.studies.close()
        self.shoot("welcome")

    def model(self, study: Path) -> None:
        """The screens of a trained model."""
        window = self.window
        self.open(study)
        window.actions_["workspace.train"].trigger()
        self.until(lambda: window.train.runs.table.rowCount() > 0)
        window.train.runs.table.selectRow(0)
        for place, name in enumerate(("train-run", "train-deviations", "train-advanced")):
            window.train.plan.tabs.setCurrentIndex(place)
            self.shoot(name)
        window.actions_["workspace.review"].trigger()
        review = window.review
        self.until(lambda: bool(review.cases.lesion_id) and window.desk.model is not None)
        self.settle(1.0)
        self.shoot("review-blind")
        review.ask_first.setChecked(False)
        self.until(lambda: bool(review.lesion_shown) and review.lesion_shown == review.cases.lesion_id)
        self.settle(1.0)
        self.shoot("review-model")
        window.actions_["workspace.prototypes"].trigger()
        self.until(lambda: window.desk.surveyed_model is not None)
        grid = window.prototypes.grid
        grid.tick(frozenset({next(iter(grid.cards))}))
        self.until(lambda: window.prototypes.outcome is not None)
        self.settle(1.0)
        self.shoot("prototypes-marked")
        window.actions_["prototypes.enlarge"].trigger()
        self.shoot("prototypes-loupe")

    def hangings(self) -> None:
        window = self.window
        for name in ("views", "four", "prior", "single"):
            window.actions_[f"hanging.{name}"].trigger()
            views = window.annotate.wall.hanging_view
            self.until(lambda views=views: all(view.picture is not None for view in views.views))  # type: ignore[misc]
            self.settle(0.2)
            if name != "single":
                self.shoot(f"hanging-{name}")

    def dialogs(self, studies: Path) -> None:
        from PySide6.QtWidgets import QDialog

        window = self.window
        for name in ("help.shortcuts", "help.about", "edit.settings", "edit.shortcuts", "reader.sign_in",
                     "reader.agreement", "view.calibrate", "study.new", "study.export"):  # fmt: skip
            window.actions_[name].trigger()
            self.settle(0.2)
            [dialog] = [found for found in window.findChildren(QDialog) if found.isVisible()]
            self.shoot(name.replace(".", "-"), dialog)
            dialog.close()
            dialog.deleteLater()
            self.settle(0.05)
        window.studies.imports.offer([studies / "source"])
        preview = window.studies.imports.preview
        assert preview is not None
        self.until(lambda: not preview.busy)
        self.shoot("before-import", preview)
        preview.reject()
        window.studies.imports.import_from(studies / "source")
        importing = window.studies.imports.dialog
        assert importing is not None
        self.until(lambda: importing.result_value is not None)
        self.shoot("import", importing)
        importing.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
