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
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtWidgets import QApplication, QWidget

from app.qt.theme import Theme, apply_theme
from app.qt.translation import install
from app.state.session import Session
from app.views.main_window.window import MainWindow
from core.phantom.records import ANNOTATOR
from core.store.trusted_studies import mark_trusted
from tests.app.all_dialogs import visit_dialogs
from tests.app.all_screens import visit_plain_screens, visit_screens
from tests.e2e.patience import Patience
from tests.e2e.steps import Way, click
from tests.trained_study import TINY

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
    application = QApplication([])
    apply_theme(application, Theme.DARK)
    window = MainWindow(Session())
    window.resize(1500, 900)
    window.show()
    shots = Shots(application, window, folder, "way")
    until = shots.until
    way = Way(window, until, folder / "studies" / f"way-{time.time_ns()}")
    shots.shoot("1-welcome")
    way.make_demo(15)
    shots.shoot("2-demo")
    way.go_to("train")
    way.plan("first", TINY)
    way.train()
    until(lambda: window.train.job.prototypes.count > 0 or not window.training.running)
    shots.shoot("3-train")
    way.wait_for_the_end()
    way.review()
    shots.shoot("4-review")
    way.go_to("prototypes")
    until(lambda: window.desk.surveyed_model is not None)
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
    until(lambda: reading.pages.currentWidget() is reading._reading)
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
    """Takes the pictures of one look; what cannot be shown yet is waited for by the window's events."""

    def __init__(self, application: QApplication, window: MainWindow, folder: Path, look: str) -> None:
        self.application, self.window, self.folder, self.look = application, window, folder, look
        self.until = Patience(window)

    def shoot(self, screen: str, widget: QWidget | None = None) -> None:
        self.until(self._is_loaded)
        self.settle(0.3)
        (widget or self.window).grab().save(str(self.folder / f"{self.look}-{screen}.png"))

    def _is_loaded(self) -> bool:
        """True if the picture that is chosen is there, and the worklist with its counts."""
        session, shown = self.window.session, self.window.workspaces.shown_name
        if not session.is_open:
            return self.window.welcome.glances.is_idle
        if shown != "annotate":
            return True
        annotate = self.window.annotate
        return not annotate.worklist.model.busy and (session.image_id is None or annotate.shown is not None)

    def settle(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.application.processEvents()
            time.sleep(0.005)

    def open(self, folder: Path) -> None:
        self.window.open_study(folder)
        self.until(lambda: self.window.annotate.shown is not None)
        self.settle(0.5)

    def all(self, studies: Path) -> None:
        window = self.window
        self.shoot("welcome-first")
        window.open_study(studies / "empty")
        visit_plain_screens(window, lambda name, widget: self.shoot(f"empty-{name}", widget))
        self.small(studies)
        own = studies / f"trained-{self.look}"
        shutil.copytree(studies / "trained", own, dirs_exist_ok=True)
        mark_trusted(own)
        self.open(own)
        visit_screens(window, self.shoot, self.until)
        window.actions_["workspace.annotate"].trigger()
        visit_dialogs(window, studies / "source", self.shoot, self.until)
        window.banner.say("storage", "study.db could not be written: the disk is full. Make room.", "Try again")
        self.shoot("banner")
        window.banner.say("storage", "")
        self.open(studies / "large")
        self.shoot("large")
        window.annotate.worklist.search.setText("nobody")
        self.settle(0.6)
        self.shoot("large-nothing-found")
        window.studies.close()
        self.shoot("welcome")

    def small(self, studies: Path) -> None:
        """A study of few images without a model."""
        window = self.window
        self.open(studies / "small")
        self.shoot("small-unlabelled")
        window.session.sign_in(ANNOTATOR)
        visit_plain_screens(window, lambda name, widget: self.shoot(f"small-{name}", widget))
        window.actions_["workspace.annotate"].trigger()
        window.actions_["lesion.link"].trigger()
        menu = self.application.activePopupWidget()
        assert menu is not None
        self.shoot("small-finding", menu)
        menu.close()
        window.activateWindow()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
