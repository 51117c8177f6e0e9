"""From a preset and single changes to a configuration, without torch: a form is filled before that is loaded."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from core.domain.errors import TrainingError
from core.domain.messages import message
from core.tasks.runs.splits import class_names_of
from core.training.config import TrainingConfig
from core.training.config_file import read_config, unknown_setting
from core.training.presets import load_preset

_KINDS = {"int": "a whole number", "float": "a number", "str": "text", "bool": "true or false", "array": "a list"}


def configure(
    preset: str,
    *,
    label: str | None = None,
    seed: int | None = None,
    changes: Sequence[str],
    file: Path | None = None,
) -> TrainingConfig:
    """The preset, or the configuration of a TOML ``file``, with single changes ``name.of.value=JSON``.

    ``label`` and ``seed`` replace those of preset or file; None keeps them. TrainingError names a change that the
    configuration does not know or that is out of its limits.
    """
    if file is None:
        values: dict[str, Any] = msgspec.to_builtins(load_preset(preset))
    else:
        values = read_config(file)
    if seed is not None:
        values["seed"] = seed
    if label is not None and label != values["label"]:
        values |= {"label": label, "class_names": class_names_of(label)}
    for change in changes:
        _apply(values, change)
    try:
        return msgspec.convert(values, TrainingConfig)
    except msgspec.ValidationError as error:
        raise TrainingError(
            message("The configuration is not possible: {error}.", error=explained(str(error)))
        ) from error


def explained(message: str) -> str:
    """The decoder's "Expected `int` >= 1 - at `$.epochs.joint`" as "epochs.joint must be a whole number of at
    least 1"."""
    what, at, where = message.replace("`", "").partition(" - at ")
    if not at:
        return message
    name = where.removeprefix("$.")
    limits = re.fullmatch(r"Expected (\w+) (>=|<=|>|<) ([\d.e+-]+)", what)
    if limits:
        kind, sign, number = limits.groups()
        bound = {">=": "at least", "<=": "at most", ">": "more than", "<": "less than"}[sign]
        return f"{name} must be {_KINDS.get(kind, kind)} of {bound} {float(number):g}"
    kinds = re.fullmatch(r"Expected (\w+), got (\w+)", what)
    if kinds:
        wanted, given = (_KINDS.get(kind, kind) for kind in kinds.groups())
        return f"{name} must be {wanted}, not {given}"
    word = re.fullmatch(r"Invalid enum value '?(.+?)'?", what)
    if word:
        return f"{name} cannot be {word.group(1)!r}"
    return f"{name}: {what[:1].lower()}{what[1:]}"


def _apply(values: dict[str, Any], change: str) -> None:
    name, equals, text = change.partition("=")
    *path, last = name.split(".")
    place = values
    for step in path:
        place = place.get(step) if isinstance(place, dict) else None  # type: ignore[assignment]
    if not isinstance(place, dict) or last not in place or isinstance(place[last], dict):
        raise TrainingError(message("--set {change}: {problem}", change=change, problem=unknown_setting(name)))
    if not equals:
        raise TrainingError(
            message("--set {change}: write NAME=VALUE, such as {name}=20.", change=change, name=name)
        )
    try:
        place[last] = msgspec.json.decode(text.encode())
    except msgspec.DecodeError:
        place[last] = text
