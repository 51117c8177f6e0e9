"""In what the numbers of a configuration are counted: declared with the number, shown where it is typed."""

from __future__ import annotations

from typing import Literal, get_args

import msgspec
import msgspec.inspect

Unit = Literal[
    "px",
    "channels",
    "a class",
    "cells",
    "epochs",
    "lesions an epoch",
    "lesions",
    "images",
    "threads",
    "a lesion",
    "a step",
    "°",
    "of the side",
    "of the lesion",
    "of the draws",
    "of the channels",
    "mm",
    "blocks",
    "a block",
]
UNITS: tuple[str, ...] = get_args(Unit)
_KEY = "unit"


def in_unit(unit: Unit) -> msgspec.Meta:
    """For ``Annotated``: the number is counted in this."""
    return msgspec.Meta(extra={_KEY: unit})


def without_unit(kind: msgspec.inspect.Type) -> tuple[msgspec.inspect.Type, str]:
    """The inspected type of a field, and the unit that it was declared with; "" where it has none."""
    if not isinstance(kind, msgspec.inspect.Metadata):
        return kind, ""
    return kind.type, str((kind.extra or {}).get(_KEY, ""))
