"""The pictures of README and manual: ``python -m tests.app.handbook_pictures STUDY [OUT]``.

STUDY is a SYNTHETIC study with a finished run, such as ``demo-study/study`` of ``main.py demo``; it is copied and
not changed. OUT is ``resources/screenshots`` unless another folder is named.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.e2e.patience import Patience

if TYPE_CHECKING:
    from PySide6.QtWidgets import QApplication

    from app.views.main_window.window import MainWindow

SCREENSHOTS = Path(__file__).resolve().parents[2] / "resources" / "screenshots"
SIZE = (1440, 900)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.app.handbook_pictures")
    parser.add_argument("study", type=Path)
    parser.add_argument("out", type=Path, nargs="?", default=SCREENSHOTS)
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as place:
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
        os.environ["MARGINALIA_SETTINGS"] = str(Path(place) / "settings.ini")
        os.environ["MARGINALIA_STATE"] = str(Path(place) / "state")
        study = Path(place) / "Demo"
        shutil.copytree(chosen.study, study)
        take(study, chosen.out)
    return 0


def take(study: Path, out: Path) -> None:
    from PySide6.QtWidgets import QApplication

    from app.qt import settings
    from app.qt.theme import Theme, apply_theme
    from app.qt.translation import install
    from app.state.session import Session
    from app.views.main_window.window import MainWindow
    from core.store.trusted_studies import mark_trusted

    application = QApplication([])
    install(application, "en")
    apply_theme(application, Theme.DARK)
    settings.put("review/ask_first", "off")
    mark_trusted(study)
    window = MainWindow(Session())
    window.resize(*SIZE)
    window.show()
    pictures = Pictures(application, window, out)
    window.open_study(study)
    for shoot in (pictures.annotate, pictures.train, pictures.review, pictures.prototypes):
        shoot()
    window.close()


class Pictures:
    def __init__(self, application: QApplication, window: MainWindow, out: Path) -> None:
        self.application, self.window, self.out = application, window, out
        self._until = Patience(window)

    def annotate(self) -> None:
        """A spiculated mass with its fine annotation, signed in as the reader who drew it."""
        from app.operations.lesions import label_lesion
        from core.domain.study import Labels
        from core.domain.vocabulary import MarginType

        window, study = self.window, self.window.session.study
        self._until(lambda: window.annotate.shown is not None)
        lesions = [one for one in study.lesions.all() if one.labels.margin is MarginType.SPICULATED]
        drawn = next(one for one in lesions if study.annotations.readers_of(one.id))
        window.session.sign_in(study.readers.get(study.annotations.readers_of(drawn.id)[0]).name)
        window.session.select(drawn.image_id, drawn.id)
        self._until(lambda: window.annotate.shown is not None and window.annotate.shown.image.id == drawn.image_id)
        label_lesion(window.session, drawn.id, Labels(margin=MarginType.SPICULATED))
        window.actions_["view.lesion"].trigger()
        window.actions_["view.lesion_window"].trigger()
        window.actions_["view.zoom_out"].trigger()
        window.actions_["tool.freehand"].trigger()
        window.annotate.panel.form.focus_on("shape")
        self._save("annotate")

    def train(self) -> None:
        window = self.window
        window.actions_["workspace.train"].trigger()
        self._until(lambda: window.train.runs.table.rowCount() > 0)
        window.train.runs.table.selectRow(0)
        self._settle(1.0)
        self._save("train")

    def review(self) -> None:
        """A spiculated mass that the model recognises."""
        window = self.window
        window.actions_["workspace.review"].trigger()
        review = window.review
        self._until(lambda: bool(review.cases.lesion_id) and review.lesion_shown == review.cases.lesion_id)
        spiculated = review.cases.cases.class_names.index("spiculated")
        known = [
            (float(case.probabilities[spiculated]), case.lesion_id)
            for case in review.cases.cases.cases
            if case.has_precedent and case.label == "spiculated" and case.probabilities is not None
        ]
        _, lesion = max(known)
        review.cases.choose(lesion)
        self._until(lambda: review.lesion_shown == lesion)
        self._save("review")

    def prototypes(self) -> None:
        window = self.window
        window.actions_["workspace.prototypes"].trigger()
        self._until(lambda: window.desk.surveyed_model is not None)
        grid = window.prototypes.grid
        grid.look_at(1)
        grid.tick(frozenset({1}))
        self._until(lambda: window.prototypes.outcome is not None)
        self._settle(4.0)
        self._save("prototypes")

    def _save(self, name: str) -> None:
        self._settle(1.0)
        self.window.grab().save(str(self.out / f"{name}.png"))

    def _settle(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.application.processEvents()
            time.sleep(0.005)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
