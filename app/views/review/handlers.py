"""What the keys of Review do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QAbstractButton, QApplication

from core.domain.opinion import Verdict

if TYPE_CHECKING:
    from app.views.review.screen import ReviewScreen

WORDS = range(1, 6)
"""Digits of the reader's own call."""


def review_handlers(screen: ReviewScreen) -> Mapping[str, Callable[[], object]]:
    """By action id. Digits and Enter act while the reader's own call is asked for, verdicts and prototypes once
    the model's answer is shown."""
    strip, verdicts, pair, ask = screen.answer.strip, screen.answer.verdicts, screen.pair, screen.ask

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
        "review.what_if": read(screen.tabs.toggle_what_if),
        "review.leave_out": read(screen.switch_chosen),
    }


def _press_or(act: Callable[[], object]) -> None:
    """Press the button that the Tab key led to, as Space does everywhere; else do ``act``."""
    widget = QApplication.focusWidget()
    if isinstance(widget, QAbstractButton):
        widget.click()
    else:
        act()
