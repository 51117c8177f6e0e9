"""The stages of a training in the user's words, with the paper's letters behind them."""

from __future__ import annotations

from collections.abc import Callable

from app.qt.translation import tr

_SENTENCES: dict[str, Callable[[], str]] = {
    "regions of interest": lambda: tr("Cutting out the lesions"),
    "warm start": lambda: tr("Warm start of the network"),
    "prototypes": lambda: tr("Placing the prototypes"),
    "warm-up": lambda: tr("Warming up the prototypes"),
    "A1": lambda: tr("Training all layers (A1)"),
    "A2": lambda: tr("Projecting the prototypes onto lesions (A2)"),
    "A3": lambda: tr("Fitting the last layer (A3)"),
    "selection": lambda: tr("Choosing the best epoch"),
    "B": lambda: tr("Fitting malignancy (B)"),
}
_SHORT: dict[str, Callable[[], str]] = {
    "warm start": lambda: tr("warm start"),
    "warm-up": lambda: tr("warm-up"),
    "A1": lambda: tr("all layers"),
}
_LOSSES: dict[str, Callable[[], str]] = {
    "loss": lambda: tr("sum"),
    "cross_entropy": lambda: tr("cross-entropy"),
    "cluster": lambda: tr("cluster"),
    "separation": lambda: tr("separation"),
    "fine": lambda: tr("fine annotation"),
    "cells": lambda: tr("latent cells in the mask"),
    "background": lambda: tr("background"),
}
LOSSES = tuple(_LOSSES)
"""Keys of the terms of the loss, the sum first."""


def loss_name(term: str) -> str:
    return _LOSSES[term]()


def stage_sentence(stage: str) -> str:
    """Return a description of the stage; a stage without its own text keeps the engine's name."""
    return _SENTENCES[stage]() if stage in _SENTENCES else tr(stage)


def stage_mark(stage: str) -> str:
    """Beside its line in a chart."""
    return _SHORT[stage]() if stage in _SHORT else stage
