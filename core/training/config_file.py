"""A training configuration as a TOML file that a person can edit."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import msgspec

from core.domain.errors import BadFileError
from core.domain.messages import message
from core.training.config import TrainingConfig
from core.training.presets import deviations


def config_toml(config: TrainingConfig) -> str:
    """Return the configuration as TOML; what departs from the paper stands in comments below it."""
    lines = [*_table(msgspec.to_builtins(config), ()), "", "# Deviations from the paper:"]
    for item in deviations(config):
        lines.append(f"# {item.field}: {item.here} (paper: {item.paper}). {item.why}".replace("\n", " "))
    return "\n".join(lines) + "\n"


def read_config(path: Path) -> dict[str, Any]:
    """Return the values of a TOML file; those that it leaves out keep their defaults. BadFileError if it is
    not TOML, or names a value that a configuration does not have."""
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise BadFileError(
            message("{path} cannot be read ({reason}); name another file.", path=path, reason=error.strerror)
        ) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadFileError(message("{file} is not a TOML file: {error}.", file=path.name, error=error)) from error
    merged: dict[str, Any] = msgspec.to_builtins(TrainingConfig())
    _merge(merged, values, path.name, ())
    return merged


def setting_names(values: Mapping[str, Any] | None = None, above: str = "") -> Iterator[str]:
    """Yield every value of a configuration by its full name, such as ``epochs.joint``."""
    for name, value in (msgspec.to_builtins(TrainingConfig()) if values is None else values).items():
        if isinstance(value, dict):
            yield from setting_names(value, f"{above}{name}.")
        else:
            yield f"{above}{name}"


def unknown_setting(name: str) -> str:
    """Return a sentence that offers the nearest name."""
    near = get_close_matches(name, list(setting_names()), n=1, cutoff=0.6)
    hint = f"did you mean {near[0]}?" if near else "--show-config prints those there are."
    return f"unknown setting {name!r}; {hint}"


def _merge(into: dict[str, Any], values: Mapping[str, Any], file: str, above: tuple[str, ...]) -> None:
    for name, value in values.items():
        if name not in into or isinstance(into[name], dict) != isinstance(value, dict):
            raise BadFileError(
                message("{file}: {problem}", file=file, problem=unknown_setting(".".join((*above, name))))
            )
        if isinstance(value, dict):
            _merge(into[name], value, file, (*above, name))
        else:
            into[name] = value


def _table(values: Mapping[str, Any], path: tuple[str, ...]) -> list[str]:
    """Write plain values first, since TOML assigns them to the table above them; then a section for each
    group."""
    lines = [
        f"{name} = {_value(value)}"
        for name, value in values.items()
        if value is not None and not isinstance(value, dict)
    ]
    if path:
        lines.insert(0, f"[{'.'.join(path)}]")
    for name, value in values.items():
        if isinstance(value, dict):
            lines += ["", *_table(value, (*path, name))]
    return lines


def _value(value: Any) -> str:
    """Write a value as JSON, which TOML reads alike for strings, numbers, booleans and lists of them."""
    return msgspec.json.encode(value).decode()
