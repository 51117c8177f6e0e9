"""Where work beside the window's thread tells of a defect that it met; the start of the program sets the ear."""

from __future__ import annotations

from collections.abc import Callable

Listener = Callable[[BaseException, str], object]
_ears: list[Listener] = []


def add_listener(ear: Listener) -> Callable[[], None]:
    """Be told of every defect and of where it was met, in the thread that met it; call the result to end that."""
    _ears.append(ear)
    return lambda: _ears.remove(ear)


def report(error: BaseException, where: str) -> None:
    for ear in tuple(_ears):
        ear(error, where)
