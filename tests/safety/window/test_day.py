"""B-27 and B-28: the window over many cycles, and over a reader's day made short."""

from __future__ import annotations

import os
import random
import time
import traceback
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from app.views.main_window.window import MainWindow
from core.domain.study import Labels
from core.domain.vocabulary import MarginType
from core.store.study import Study
from tests.safety.kept import keep
from tests.safety.window.hands import PATIENCE_MS, belongings, draw, no_defects, wait_for_picture

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts descriptors by /proc")


class Reader:
    """A hand with its own luck; ``strokes`` are the ms that each took to be in the study."""

    def __init__(self, qtbot: QtBot, window: MainWindow, study: Path, seed: int) -> None:
        self.qtbot, self.window, self.study = qtbot, window, study
        self.chance = random.Random(seed)
        self.strokes: list[float] = []
        self.done: dict[str, int] = {}

    def sitting(self) -> None:
        """Open the study, do twelve things, close it."""
        self.window.open_study(self.study)
        self.window.actions_["workspace.annotate"].trigger()
        wait_for_picture(self.qtbot, self.window)
        acts = [self.stroke, self.stroke, self.stroke, self.undo, self.label, self.go_on, self.look, self.prune]
        for act in self.chance.choices(acts, weights=[4, 4, 4, 2, 2, 4, 1, 1], k=12):
            act()
            self.done[act.__name__] = self.done.get(act.__name__, 0) + 1
        self.window.studies.close()

    def stroke(self) -> None:
        self.window.actions_["workspace.annotate"].trigger()
        wait_for_picture(self.qtbot, self.window)
        before = len(self.window.annotate.document.shapes)
        took = draw(self.qtbot, self.window, self.chance.uniform(60, 300), self.chance.uniform(60, 300))
        assert len(self.window.annotate.document.shapes) in (before, before + 1)
        self.strokes.append(took)

    def undo(self) -> None:
        self.window.actions_["edit.undo"].trigger()

    def label(self) -> None:
        if self.window.session.lesion_id is not None and self.window.session.can_write:
            margin = self.chance.choice(list(MarginType))
            self.window.session.set_labels(self.window.session.lesion_id, Labels(margin=margin))

    def go_on(self) -> None:
        self.window.actions_["workspace.annotate"].trigger()
        self.window.actions_["case.next"].trigger()
        wait_for_picture(self.qtbot, self.window)

    def look(self) -> None:
        """A case with its explanation."""
        self.window.actions_["workspace.review"].trigger()
        self.wait_for_model()
        review = self.window.review
        self.qtbot.waitUntil(
            lambda: bool(review.cases.lesion_id) and review.lesion_shown == review.cases.lesion_id,
            timeout=PATIENCE_MS,
        )

    def prune(self) -> None:
        """Prune one prototype with a reason, and undo it."""
        window, screen = self.window, self.window.prototypes
        window.actions_["workspace.prototypes"].trigger()
        self.wait_for_model()
        model = window.desk.model
        assert model is not None
        self.qtbot.waitUntil(lambda: bool(screen.grid.cards), timeout=PATIENCE_MS)
        whole = model.pruning.state.kept
        index = whole[0]
        card = screen.grid.cards[index]
        self.qtbot.mouseClick(card, Qt.MouseButton.LeftButton, pos=card.box.center().toPoint())
        self.qtbot.waitUntil(
            lambda: screen.outcome is not None and screen.outcome.removed == (index,), timeout=PATIENCE_MS
        )
        screen.reason.setText("soak")
        self.qtbot.mouseClick(screen.prune, Qt.MouseButton.LeftButton)
        self.wait_for_kept(tuple(one for one in whole if one != index))
        self.qtbot.mouseClick(screen.undo, Qt.MouseButton.LeftButton)
        self.wait_for_kept(whole)

    def wait_for_model(self) -> None:
        desk = self.window.desk
        self.qtbot.waitUntil(lambda: desk.model is not None or bool(desk.problem), timeout=PATIENCE_MS)
        assert not desk.problem, desk.problem
        self.qtbot.waitUntil(lambda: not desk.is_opening, timeout=PATIENCE_MS)

    def wait_for_kept(self, kept: tuple[int, ...]) -> None:
        def there() -> bool:
            model = self.window.desk.model
            return model is not None and not self.window.desk.is_opening and model.pruning.state.kept == kept

        self.qtbot.waitUntil(there, timeout=PATIENCE_MS)


def day(qtbot: QtBot, window: MainWindow, study: Path, seconds: float) -> dict[str, float]:
    """Sittings for so long; the figures, for ``check`` to judge once they are kept."""
    reader, errors = Reader(qtbot, window, study, 3), list[BaseException]()
    with no_defects(errors), qtbot.captureExceptions() as caught:
        sittings = 0
        # what is loaded once, torch above all, is no growth
        while sittings < 2 or not {"look", "prune"} <= set(reader.done):
            reader.sitting()
            sittings += 1
        first, ends = belongings(window), time.monotonic() + seconds
        while time.monotonic() < ends:
            reader.sitting()
            sittings += 1
        last = belongings(window)
    for error in errors:
        traceback.print_exception(error)
    with Study.open(study, writable=False) as opened:
        good = opened.audit.verify().good
    half = len(reader.strokes) // 2
    early, late = (float(np.percentile(part, 99)) for part in (reader.strokes[:half], reader.strokes[half:]))
    return {
        "sittings": sittings,
        "strokes": len(reader.strokes),
        "explanations": reader.done.get("look", 0),
        "prunings": reader.done.get("prune", 0),
        "p99 of a stroke, first half, ms": round(early, 1),
        "p99 of a stroke, second half, ms": round(late, 1),
        "growth of memory, %": round(100 * (last.resident_kb - first.resident_kb) / first.resident_kb, 1),
        "objects gained": last.objects - first.objects,
        "threads gained": last.threads - first.threads,
        "descriptors gained": last.descriptors - first.descriptors,
        "exceptions": len(errors) + len(caught),
        "audit chains broken": 0 if good else 1,
    }


def check(figures: dict[str, float]) -> None:
    """No exception in a slot, thread or message of Qt; nothing kept; the audit chain holds."""
    assert figures["exceptions"] == 0 and figures["audit chains broken"] == 0, figures
    assert figures["threads gained"] <= 0 and figures["descriptors gained"] <= 2, figures


def test_a_short_day_in_the_window(qtbot: QtBot, window: MainWindow, own_study: Path) -> None:
    figures = day(qtbot, window, own_study, 3)
    assert figures["strokes"] >= 3
    check(figures)


@pytest.mark.safety_full
@pytest.mark.timeout(0)
def test_twenty_minutes_in_the_window(qtbot: QtBot, window: MainWindow, own_study: Path) -> None:
    """``MARGINALIA_SOAK_S``: another length, such as eight hours before a release."""
    figures = day(qtbot, window, own_study, float(os.environ.get("MARGINALIA_SOAK_S", "1200")))
    keep("B-28", figures)
    check(figures)
    assert figures["growth of memory, %"] < 10, figures
    early, late = (figures[f"p99 of a stroke, {half} half, ms"] for half in ("first", "second"))
    assert late < 1.5 * early, figures


def cycles(qtbot: QtBot, window: MainWindow, study: Path, times: int, warm: int) -> dict[str, float]:
    """Open, look at two cases, close; what is gained after the first ``warm`` times."""
    first = belongings(window)
    sizes: list[int] = []
    for number in range(warm + times):
        window.open_study(study)
        window.actions_["workspace.annotate"].trigger()
        wait_for_picture(qtbot, window)
        window.actions_["case.next"].trigger()
        wait_for_picture(qtbot, window)
        window.studies.close()
        now = belongings(window)
        sizes.append(now.resident_kb)
        if number == warm - 1:
            first = now
    last = belongings(window)
    quarter = max(1, times // 4)
    slope = (float(np.mean(sizes[-quarter:])) - float(np.mean(sizes[-2 * quarter : -quarter]))) / quarter
    return {
        "cycles": times,
        "objects gained": last.objects - first.objects,
        "widgets gained": last.widgets - first.widgets,
        "threads gained": last.threads - first.threads,
        "descriptors gained": last.descriptors - first.descriptors,
        "kB a cycle": round(slope, 1),
    }


_FLAT = ("objects gained", "widgets gained", "threads gained", "descriptors gained")


def test_cases_opened_and_closed_leave_nothing(qtbot: QtBot, window: MainWindow, own_study: Path) -> None:
    figures = cycles(qtbot, window, own_study, 6, 3)
    assert max(figures[name] for name in _FLAT) <= 0, figures


@pytest.mark.safety_full
@pytest.mark.timeout(0)
def test_a_thousand_cases_opened_and_closed_leave_nothing(
    qtbot: QtBot, window: MainWindow, own_study: Path
) -> None:
    figures = cycles(qtbot, window, own_study, 1000, 100)
    keep("B-27-window", figures)
    assert max(figures[name] for name in _FLAT) <= 0, figures
    assert figures["kB a cycle"] < 20, figures
