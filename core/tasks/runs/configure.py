"""From a preset and single changes to a configuration, without torch: a form is filled before that is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from core.domain.errors import TrainingError
from core.tasks.runs.splits import class_names_of
from core.training.config import TrainingConfig
from core.training.presets import load_preset


def configure(preset: str, *, label: str, seed: int, changes: Sequence[str]) -> TrainingConfig:
    """The preset with a label, a seed and single changes ``name.of.value=JSON``.

    TrainingError names a change that the configuration does not know or that is out of its limits.
    """
    values: dict[str, Any] = msgspec.to_builtins(load_preset(preset))
    values |= {"label": label, "seed": seed}
    if label != "margin":
        values["class_names"] = class_names_of(label)
    for change in changes:
        _apply(values, change)
    try:
        return msgspec.convert(values, TrainingConfig)
    except msgspec.ValidationError as error:
        raise TrainingError(f"The configuration is not possible: {_said(str(error))}.") from error


def _said(message: str) -> str:
    """The decoder's "Expected `float` >= 0.0 - at `$.loss.fine`" as "loss.fine: expected float >= 0.0"."""
    what, at, where = message.replace("`", "").partition(" - at ")
    return f"{where.removeprefix('$.')}: {what[:1].lower()}{what[1:]}" if at else message


def _apply(values: dict[str, Any], change: str) -> None:
    name, equals, text = change.partition("=")
    *path, last = name.split(".")
    place = values
    for step in path:
        place = place.get(step) if isinstance(place, dict) else None  # type: ignore[assignment]
    if not equals or not isinstance(place, dict) or last not in place:
        raise TrainingError(
            f"--set {change} is not understood: write NAME=VALUE with a name that --show-config prints, such as "
            "epochs.joint=20."
        )
    try:
        place[last] = msgspec.json.decode(text.encode())
    except msgspec.DecodeError:
        place[last] = text
