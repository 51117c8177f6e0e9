"""Models that the experiment trains: those of the paper's Table 1, and the ablations."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from core.baselines.config import ClassifierConfig, classifier_of
from core.model.weights_places import LITE0
from core.training.config import TrainingConfig
from core.training.presets import as_protopnet

IAIA, PROTOPNET, VGG, MALIGNANCY, NO_MASKS = "iaia-bl", "protopnet", "vgg", "malignancy", "no-masks"
VGG_MASKS, NO_FINE_LOSS = "vgg-masks", "no-fine-loss"
_FEW = (0, 10, 30)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One model to train, once a seed and fold."""

    key: str
    name: str
    config: TrainingConfig | ClassifierConfig
    fine_images: int | None = None
    """Training images that keep their fine annotation; None for all."""
    ablation: bool = False

    def with_seed(self, seed: int) -> TrainingConfig | ClassifierConfig:
        replace = msgspec.structs.replace
        if isinstance(self.config, ClassifierConfig):
            return replace(self.config, base=replace(self.config.base, seed=seed))
        return replace(self.config, seed=seed)

    @property
    def base(self) -> TrainingConfig:
        return self.config.base if isinstance(self.config, ClassifierConfig) else self.config


def backbone_name(config: TrainingConfig) -> str:
    """Return the backbone's name as the paper writes it: "VGG-16"; the compact trunk is a small VGG of its
    own."""
    name = config.architecture.backbone
    if name == LITE0:
        return "EfficientNet-Lite0"
    return f"VGG-{name[3:].replace('_bn', ' BN')}" if name.startswith("vgg") else f"{name} network"


def trials(config: TrainingConfig, *, ablations: bool) -> tuple[Trial, ...]:
    """Return the models of Table 1, those that say what the masks do and where, and with ``ablations`` the
    rest.

    In this order. IAIA-BL sees masks in its warm start, its prototypes' start and its loss; so that a
    difference is not taken for the loss's, one model has them in the start only, one nowhere, and one black
    box in its warm start.
    """
    black_box = backbone_name(config)
    found = [
        Trial(key=IAIA, name="IAIA-BL", config=config),
        Trial(key=PROTOPNET, name="ProtoPNet", config=as_protopnet(config)),
        Trial(key=VGG, name=black_box, config=classifier_of(config, "margin")),
        Trial(
            key=MALIGNANCY,
            name=f"{black_box}, end to end on malignancy",
            config=classifier_of(config, "malignancy"),
        ),
        Trial(key=NO_MASKS, name="IAIA-BL without any mask", config=_without_masks(config)),
    ]
    if _masks_in_the_start(config):
        off = msgspec.structs.replace(config, loss=msgspec.structs.replace(config.loss, fine=0.0))
        name = "IAIA-BL with masks in the warm start only"
        found.append(Trial(key=NO_FINE_LOSS, name=name, config=off))
    name = f"{black_box} with the mask warm start"
    found.append(Trial(key=VGG_MASKS, name=name, config=classifier_of(config, "margin", masks=True)))
    return tuple(found + (_ablations(config) if ablations else []))


def _masks_in_the_start(config: TrainingConfig) -> bool:
    """Return True if the warm start or the prototypes' start of this configuration sees masks."""
    return config.warm_start == "cells" and (config.epochs.warm_start > 0 or config.prototype_start == "kmeans")


def _without_masks(config: TrainingConfig) -> TrainingConfig:
    """Switch the fine loss off, and no mask in the warm start either: else the trunk has seen them all the
    same."""
    replace = msgspec.structs.replace
    return replace(config, loss=replace(config.loss, fine=0.0), warm_start="image")


def _ablations(config: TrainingConfig) -> list[Trial]:
    replace = msgspec.structs.replace
    one = replace(config, architecture=replace(config.architecture, top_k=1))
    found = [
        Trial(key="top-1", name="k = 1 instead of 5%", config=one, ablation=True),
        Trial(
            key="no-projection",
            name="without projection (stage A2)",
            config=replace(config, project=False),
            ablation=True,
        ),
    ]
    found += [Trial(key=f"fine-{n}", name=_few_name(n), config=config, fine_images=n, ablation=True) for n in _FEW]
    return found


def _few_name(n: int) -> str:
    return f"{n} finely annotated images" if n else "no finely annotated image, lesion outlines only"
