"""Plug-ins: objects that other installed packages register as entry points.

The name of an entry point is the id under which its object is chosen. Names are read from the metadata of the
installed packages; a plug-in is loaded only when it is used.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import TypeVar

from core.domain.errors import MarginaliaError
from core.domain.messages import message

T = TypeVar("T")


class PluginError(MarginaliaError):
    """A plug-in is missing, cannot be loaded, or is not what its group expects."""


def plugin_names(group: str) -> tuple[str, ...]:
    """The names of a group, sorted; a name that two packages use is listed once."""
    return tuple(sorted(_points(group)))


def load_plugin(group: str, name: str, kind: type[T]) -> T:
    """Load an object of a group.

    Raises: PluginError if there is none of this name, loading it fails, or it is not a ``kind``.
    """
    point = _points(group).get(name)
    if point is None:
        raise PluginError(message("There is no plug-in {name}; install the package that has it.", name=name))
    try:
        loaded = point.load()
    except Exception as error:
        raise PluginError(
            message(
                "The plug-in {name} ({group}) cannot be loaded ({error}); update or uninstall it.",
                name=name,
                group=point.value,
                error=type(error).__name__,
            )
        ) from error
    if not isinstance(loaded, kind):
        raise PluginError(
            message(
                "The plug-in {name} ({group}) is not of the kind {kind}; update or uninstall it.",
                name=name,
                group=point.value,
                kind=kind.__name__,
            )
        )
    return loaded


def _points(group: str) -> dict[str, EntryPoint]:
    """Entry points by name; the first package on the path wins."""
    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=group):
        found.setdefault(point.name, point)
    return found
