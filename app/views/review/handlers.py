"""Handlers of the keys of Review."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol

from PySide6.QtWidgets import QAbstractButton, QApplication

from app.views.case_pair import CasePair
from app.views.review.work_area import WorkArea
from app.views.steering.controller import SteeringController
from core.domain.opinion import Verdict

WORDS = range(1, 6)
"""Digits of the reader's own call."""


class Reviewed(Protocol):
    """The parts of Review that keys act on."""

    pair: CasePair
    work: WorkArea
    steering: SteeringController

    @property
    def lesion_shown(self) -> str: ...
    @property
    def chosen_prototype(self) -> int | None: ...
    def step(self, by: int) -> None: ...
    def switch_chosen(self) -> None: ...


def review_handlers(screen: Reviewed) -> Mapping[str, Callable[[], object]]:
    """Return the handlers by action id. Digits and Enter act while the reader's own call is requested.

    Verdicts and prototypes act once the model's answer is shown."""
    answer, pair, ask = screen.work.answer, screen.pair, screen.work.ask
    strip, verdicts = answer.strip, answer.verdicts

    def read(act: Callable[[], object]) -> Callable[[], object]:
        return lambda: act() if screen.lesion_shown and not screen.work.is_blind else None

    def blind(act: Callable[[], object]) -> Callable[[], object]:
        return lambda: act() if screen.work.is_blind else None

    words = {f"review.word_{digit}": blind(partial(ask.choose, digit)) for digit in WORDS}
    given = {
        f"review.{verdict.value.replace(' ', '_')}": read(partial(verdicts.verdicts.choose, verdict.value))
        for verdict in Verdict
        if verdict is not Verdict.COMMENT
    }
    return {
        **words,
        **given,
        "review.keep": blind(ask.keep),
        "review.probability": blind(ask.probability.setFocus),
        "review.comment": read(verdicts.comment.setFocus),
        "review.next": partial(_press_or, partial(screen.step, 1)),
        "review.previous": partial(screen.step, -1),
        "review.next_prototype": read(partial(strip.step, 1)),
        "review.previous_prototype": read(partial(strip.step, -1)),
        "review.whole": pair.toggle_whole,
        "review.lesion": pair.show_lesions,
        "review.invert": pair.invert,
        "review.zoom_in": partial(pair.zoom, 1),
        "review.zoom_out": partial(pair.zoom, -1),
        "review.what_if": read(screen.work.tabs.toggle_what_if),
        "review.leave_out": read(screen.switch_chosen),
        "review.look_here": read(lambda: screen.steering.open(screen.chosen_prototype, screen.lesion_shown)),
        "review.not_this": read(lambda: screen.steering.toggle_not_this(screen.chosen_prototype)),
    }


def _press_or(act: Callable[[], object]) -> None:
    """Press the button that the Tab key led to, as Space does everywhere; else do ``act``."""
    widget = QApplication.focusWidget()
    if isinstance(widget, QAbstractButton):
        widget.click()
    else:
        act()
