"""Reports exceptions from background threads to listeners registered at start-up."""

from __future__ import annotations

from collections.abc import Callable

Listener = Callable[[BaseException, str], object]
_ears: list[Listener] = []


def add_listener(ear: Listener) -> Callable[[], None]:
    """Register a listener for every exception and its place, called in the thread that met it.

    Call the result to unregister it."""
    _ears.append(ear)
    return lambda: _ears.remove(ear)


def report(error: BaseException, where: str) -> None:
    for ear in tuple(_ears):
        ear(error, where)
