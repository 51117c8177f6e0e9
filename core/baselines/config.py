"""Configuration of a baseline classifier: the data, augmentation and trunk of a prototype network's run.

A classifier is always derived from a configuration of the prototype network, so that the same trunk, input
transform, draws and number of epochs lie under every model of a comparison.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from core.domain.errors import TrainingError
from core.domain.messages import message
from core.training.config import Count, Positive, Rate, TrainingConfig
from core.training.presets import load_preset

Target = Literal["margin", "malignancy"]
RATE_STEP, RATE_STEPS = 3.0, 2
PATIENCE = 12
TUNED_BLOCKS, TUNED_DECAY, TUNED_PATIENCE = 3, 0.5, 3
"""Settings of a black box on a trunk whose early blocks are frozen."""
MOST_EPOCHS = 4
OUTCOMES = ("benign", "malignant")
"""Classes of the end-to-end classifier of malignancy."""

BASELINES: dict[str, tuple[Target, str]] = {
    "vgg": ("margin", "paper"),
    "vgg-compact": ("margin", "compact"),
    "malignancy": ("malignancy", "paper"),
    "malignancy-compact": ("malignancy", "compact"),
}
"""Name of a classifier's preset to what it classifies and the preset it is derived from."""


class ClassifierConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a classifier."""

    target: Target = "margin"
    base: TrainingConfig = TrainingConfig()
    """Trunk, transform, augmentation, batches, seed, device, precision and weight decay; its prototypes, losses
    and stages are without effect."""
    epochs: Positive = 50
    """At the most, where ``patience`` ends the training earlier."""
    patience: Count = 0
    """Epochs without a smaller validation cross-entropy after which the rates are divided by ``RATE_STEP``; after
    ``RATE_STEPS`` divisions the training has converged and ends. 0, or no validation part: all epochs are trained
    with the schedule of ``base``."""
    mask_warm_start: Count = 0
    """Epochs in which the trunk first learns, cell by cell inside the masks, what IAIA-BL's trunk learns there."""
    tuned_blocks: Count = 0
    """Number of last blocks that are trained although ``base`` freezes its trunk; the output of the blocks before
    them is computed once."""
    layer_decay: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0
    """Factor on ``rate_trunk`` for each of these blocks further from the end."""
    rate_trunk: Rate = 2e-4
    rate_head: Rate = 3e-3
    """Learning rate of the add-on and the linear layer."""

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.base.class_names if self.target == "margin" else OUTCOMES


def classifier_of(base: TrainingConfig, target: Target, *, masks: bool = False) -> ClassifierConfig:
    """Return the classifier that goes with a prototype network, trained until validation says that it has
    converged.

    It may take ``MOST_EPOCHS`` times the epochs of the prototype network. Without pretrained weights the trunk
    learns at the rate of the supervised warm start, which for a classifier is the whole training; with them, or
    after a warm start on masks (``masks``), at the joint rate. Where the prototype network's trunk is frozen, the
    classifier's last blocks are trained, each at a lower rate than the next one.
    """
    rates, epochs = base.rates, base.epochs
    pretrained = base.architecture.weights != "random"
    own = (0 if pretrained else epochs.warm_start) + epochs.warm_up + epochs.joint
    frozen = base.frozen_backbone
    return ClassifierConfig(
        target=target,
        base=base,
        epochs=MOST_EPOCHS * own,
        patience=TUNED_PATIENCE if frozen else PATIENCE,
        tuned_blocks=TUNED_BLOCKS if frozen else 0,
        layer_decay=TUNED_DECAY if frozen else 1.0,
        mask_warm_start=(epochs.warm_start or own // 2) if masks else 0,
        rate_trunk=rates.joint_features if pretrained or masks else rates.warm_start,
        rate_head=rates.joint_addon,
    )


def load_classifier_preset(name: str) -> ClassifierConfig:
    """Return the configuration of a classifier's preset; TrainingError for a name that there is none of."""
    if name not in BASELINES:
        raise TrainingError(
            message(
                "There is no classifier {name}: choose one of {baselines}.",
                name=name,
                baselines=", ".join(BASELINES),
            )
        )
    target, base = BASELINES[name]
    return classifier_of(load_preset(base), target)
