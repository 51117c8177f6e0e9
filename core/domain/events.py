"""Events that a job emits while it works: a closed union that always ends in exactly one terminal event.

A job function takes ``emit: Emit`` and ``cancelled: IsCancelled``. It emits ``Progress``, ``Metrics`` and
``Message``; the runner (``core.jobs``) adds ``Started`` and the terminal event. On a pipe every event is one line
of JSON.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from core.domain.messages import NOTHING, Sentence, decode_sentence, encode_sentence, message


class _Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="event"):
    pass


class Started(_Event, frozen=True, kw_only=True, tag="started"):
    job: str
    pid: int


class Progress(_Event, frozen=True, kw_only=True, tag="progress"):
    stage: str
    """Name of the current stage, in the words of the paper if it has them: "warm-up", "A1", "A2", "A3", "B"."""
    done: int
    total: int
    """Units of ``done``; 0 where the end is not known."""
    eta_s: float | None = None
    detail: Sentence = NOTHING
    rate: float | None = None
    """Lesions a second through the network, of a training's gradient stages."""


class Metrics(_Event, frozen=True, kw_only=True, tag="metrics"):
    """Losses and validation figures of one epoch; a value that is undefined is None."""

    stage: str
    epoch: int
    values: dict[str, float | None]


class Projected(_Event, frozen=True, kw_only=True, tag="projected"):
    """The prototypes are patches of training lesions from now on; their pictures are in a file of the run."""

    epoch: int
    file: str
    """Its name in the folder of the run (``core.tasks.runs.projection_file``)."""


class Message(_Event, frozen=True, kw_only=True, tag="message"):
    level: str
    """info or warning."""
    text: Sentence


class Succeeded(_Event, frozen=True, kw_only=True, tag="succeeded"):
    result: dict[str, object] = {}


class Failed(_Event, frozen=True, kw_only=True, tag="failed"):
    sentence: Sentence
    last_words: str = ""
    """The end of the child's standard error, for the log."""


class CancelledByUser(_Event, frozen=True, kw_only=True, tag="cancelled"):
    sentence: Sentence = message("Cancelled. Finished work is kept.")


Event = Started | Progress | Metrics | Projected | Message | Succeeded | Failed | CancelledByUser
TERMINAL = (Succeeded, Failed, CancelledByUser)

Emit = Callable[[Event], None]
IsCancelled = Callable[[], bool]


def encode_event(event: Event) -> bytes:
    """The event as one line of JSON, with its newline."""
    return msgspec.json.encode(event, enc_hook=encode_sentence) + b"\n"


def decode_event(line: bytes | str) -> Event:
    event: Event = msgspec.json.decode(line, type=Event, dec_hook=decode_sentence)
    return event


def silent(event: Event) -> None:
    """An ``Emit`` for callers who do not listen."""


def never() -> bool:
    """An ``IsCancelled`` for work that nobody can cancel."""
    return False
