"""Warns of a training whose loss stays where it began: it has learned nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping

from core.domain.messages import Sentence, message
from core.training.config import TrainingConfig
from core.training.stages import StageStep

STALLED_SHARE = 0.97
"""Cross-entropy at the end over that of a guess, from which on a training counts as stalled."""


def stalled(step: StageStep, losses: Mapping[str, float], config: TrainingConfig) -> Sentence | None:
    """Return a sentence after the last joint epoch of a training that learned nothing; else None."""
    if step.stage != "A1" or step.epoch != step.epochs or config.loss.cross_entropy == 0:
        return None
    classes = len(config.class_names)
    reached, chance = losses["cross_entropy"] / config.loss.cross_entropy, math.log(classes)
    if reached < STALLED_SHARE * chance:
        return None
    return message(
        "The training learned nothing: its cross-entropy is {reached:.2f}, that of a guess (ln {classes} = "
        "{chance:.2f}). Train for more steps (epochs.draws, epochs.joint), or check the labels.",
        reached=reached,
        classes=classes,
        chance=chance,
    )
