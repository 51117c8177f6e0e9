"""Limits the threads of linear algebra libraries where matrices are thin."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from threadpoolctl import ThreadpoolController


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one BLAS thread inside.

    On tall, thin products (n x 15) a second thread gains nothing, and while it waits for work it takes 3 to 11
    times the processor time, which a training or a decoder beside it then lacks.
    """
    with _controller().limit(limits=1, user_api="blas"):
        yield


@lru_cache(maxsize=1)
def _controller() -> ThreadpoolController:
    # looking for the loaded libraries takes milliseconds, so it happens once
    return ThreadpoolController()
