"""Fuzzing guided by coverage without a package: an input that reaches a new line of ``core`` joins the corpus.

Slower than atheris, which ``python -m tests.safety.fuzz`` takes where it is installed; seeds and mutations are
those of the tests.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

CORE = str(Path(__file__).parents[3] / "core")
Line = tuple[str, int]


@dataclass
class Run:
    """Outcome of a run."""

    tries: int = 0
    lines: set[Line] = field(default_factory=set)
    """Lines of ``core`` that were reached."""
    corpus: list[bytes] = field(default_factory=list)


def lines_of(target: Callable[[bytes], None], data: bytes) -> set[Line]:
    """Lines of ``core`` that the target reaches with these bytes; its exceptions pass."""
    found: set[Line] = set()

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        del argument
        if not frame.f_code.co_filename.startswith(CORE):
            return None
        if event == "line":
            found.add((frame.f_code.co_filename, frame.f_lineno))
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        target(data)
    finally:
        sys.settrace(before)
    return found


def fuzz(
    target: Callable[[bytes], None],
    seeds: list[bytes],
    mutate: Callable[[bytes, np.random.Generator], bytes],
    *,
    seed: int,
    cpu_s: float,
    tries: int = sys.maxsize,
) -> Run:
    """Feed mutants until ``cpu_s`` seconds of the processor, or ``tries``, are spent.

    An exception of the target ends the run, with the bytes in a note of it.
    """
    random, run = np.random.default_rng(seed), Run(corpus=list(seeds))
    for data in seeds:
        run.lines |= lines_of(target, data)
    ends = time.process_time() + cpu_s
    while run.tries < tries and time.process_time() < ends:
        data = run.corpus[int(random.integers(len(run.corpus)))]
        for _ in range(1 + int(random.geometric(0.5))):
            data = mutate(data, random)
        try:
            reached = lines_of(target, data)
        except BaseException as error:
            error.add_note(f"try {run.tries} of seed {seed}: {data!r}")
            raise
        run.tries += 1
        if not reached <= run.lines:
            run.lines |= reached
            run.corpus.append(data)
    return run
