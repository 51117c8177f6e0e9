"""Presets of a run, and in what a configuration departs from the paper's.

A preset is ``resources/presets/NAME.json``: a description, the configuration, and for each field that departs
from the preset ``paper`` the reason. ``paper.json`` itself lists what it reads differently from the printed page.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import msgspec

from core.domain.errors import TrainingError
from core.domain.messages import Sentence, message
from core.model.weights_places import LITE0, packaged_at_hand
from core.training.config import TrainingConfig

PRESETS = ("pretrained", "compact", "frozen", "paper", "protopnet", "protopnet-compact", "protopnet-pretrained")
DERIVED = {"protopnet-compact": "compact", "protopnet-pretrained": "pretrained"}
"""ProtoPNet on the network of another preset, so that the same trunk lies under both."""
PAPER = "paper"
PRETRAINED, WITHOUT_WEIGHTS = "pretrained", "compact"


def default_preset(*, synthetic: bool = False) -> str:
    """Return the preset that a training starts from where none is chosen.

    ``pretrained`` for a real study where its ImageNet weights are on this computer; ``compact``, which needs
    none, elsewhere and for synthetic studies.
    """
    return PRETRAINED if not synthetic and packaged_at_hand(LITE0) else WITHOUT_WEIGHTS


class PaperSetting(msgspec.Struct, frozen=True, kw_only=True):
    """A place where even the preset ``paper`` is not the printed page."""

    field: str
    printed: str
    why: str


class DeviationRule(msgspec.Struct, frozen=True, kw_only=True):
    """Something that the program always does in a way of its own, whatever the numbers of a configuration."""

    field: str
    printed: str
    here: str
    why: str
    always: bool = False
    """True for a rule of every configuration; False for one of the fine-annotation loss."""


class TrainingPreset(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    description: Sentence
    config: TrainingConfig
    why: dict[str, str] = {}
    """Field, as in ``loss.fine``, to the reason why it is not the paper's."""
    readings: tuple[PaperSetting, ...] = ()
    rules: tuple[DeviationRule, ...] = ()
    """Listed among the deviations of the configurations that they hold for."""


class Deviation(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table that stands in every report of a run."""

    field: str
    paper: str
    here: str
    why: str


def read_preset(name: str) -> TrainingPreset:
    """Return the preset with its reasons; TrainingError for a name that there is none of."""
    if name not in PRESETS:
        raise TrainingError(
            message("There is no preset {name}: choose one of {presets}.", name=name, presets=", ".join(PRESETS))
        )
    if name in DERIVED:
        return _protopnet_of(name, DERIVED[name])
    content = files("resources").joinpath("presets", f"{name}.json").read_bytes()
    preset = msgspec.json.decode(content, type=TrainingPreset, dec_hook=_described)
    return msgspec.structs.replace(preset, config=msgspec.structs.replace(preset.config, preset=name))


def _described(kind: type[Sentence], text: str) -> Sentence:
    """msgspec's hook: the description in a preset's file is the id of a sentence."""
    return message(text)


def _protopnet_of(name: str, like: str) -> TrainingPreset:
    basis, own = read_preset(like), read_preset("protopnet").why
    config = msgspec.structs.replace(as_protopnet(basis.config), preset=name)
    return TrainingPreset(
        description=message(
            "ProtoPNet (k = 1, no fine-annotation loss) on the network of the preset {preset}.", preset=like
        ),
        config=config,
        why=basis.why | own,
    )


def load_preset(name: str) -> TrainingConfig:
    """Return the configuration of a preset; TrainingError for a name that there is none of."""
    return read_preset(name).config


def as_protopnet(config: TrainingConfig) -> TrainingConfig:
    """Return the same run as ProtoPNet: k = 1, no fine-annotation loss, nothing that needs masks.

    Its prototypes start where those of its authors do (Chen et al., NeurIPS 2019): uniform in the unit hypercube.
    On a frozen trunk, where they hardly leave that start, they may begin as the other model's do: by k-means, here
    over all cells of the images of their class, since no mask is used.
    """
    start = config.prototype_start if config.frozen_backbone else "random"
    replace = msgspec.structs.replace
    return replace(
        config,
        method="protopnet",
        architecture=replace(config.architecture, top_k=1),
        loss=replace(config.loss, fine=0.0),
        warm_start="image",
        prototype_start=start,
    )


def deviations(config: TrainingConfig) -> list[Deviation]:
    """Return every field in which the configuration is not the paper's: first what the preset ``paper`` reads
    differently from the printed page and this configuration keeps, then the program's own rules, then what
    differs from that preset."""
    paper = read_preset(PAPER)
    reasons = read_preset(config.preset).why if config.preset in PRESETS else {}
    standard, here = leaves(paper.config), leaves(config)
    preset = leaves(load_preset(config.preset)) if config.preset in PRESETS else standard
    rows = [
        Deviation(field=r.field, paper=r.printed, here=_text(here.get(r.field)), why=r.why)
        for r in paper.readings
        if here.get(r.field) == standard.get(r.field)
    ]
    with_masks = config.loss.fine > 0 and config.batch_fine > 0
    rows += [
        Deviation(field=rule.field, paper=rule.printed, here=rule.here, why=rule.why)
        for rule in paper.rules
        if rule.always or with_masks
    ]
    for field, value in here.items():
        if value != standard[field] and field.split(".")[0] not in ("preset", "seed", "device", "machine"):
            chosen = "chosen for this run" if value != preset[field] else reasons.get(field, "")
            rows.append(Deviation(field=field, paper=_text(standard[field]), here=_text(value), why=chosen))
    return rows


def leaves(config: TrainingConfig) -> dict[str, Any]:
    """Return dotted name to value of every field, in order: ``loss.fine``, ``epochs.joint``, ..."""
    return _flat(msgspec.to_builtins(config))


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = value
    return found


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple):
        return ", ".join(_text(entry) for entry in value)
    return str(value)
