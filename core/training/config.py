"""The configuration of a training run: what the paper fixes, with its values as the defaults.

Every number has limits; descriptions are in ``resources/presets`` beside the presets. Coefficients are those
of eq. 6-8 in the form of method.md: ``fine`` multiplies a sum over masked images divided by the batch size.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from core.data.augment import Augmentation
from core.data.roi_set import InputTransform
from core.domain.label_rule import LabelRule
from core.domain.units import in_unit
from core.model.architecture import Architecture

Rate = Annotated[float, msgspec.Meta(gt=0, le=1), in_unit("a step")]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Coefficient = Annotated[float, msgspec.Meta(ge=0, le=1000)]
Count = Annotated[int, msgspec.Meta(ge=0, le=100_000)]
Positive = Annotated[int, msgspec.Meta(ge=1, le=100_000)]
EpochCount = Annotated[Count, in_unit("epochs")]


class LossWeights(msgspec.Struct, frozen=True, kw_only=True):
    cross_entropy: Coefficient = 1.0
    cluster: Coefficient = 0.8
    separation: Coefficient = 0.08
    fine: Coefficient = 0.085
    fine_norm: Literal["prototype", "block"] = "prototype"


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """Adam's learning rates."""

    warm_start: Rate = 2e-3
    """Learning rate of the backbone and its temporary head in the supervised warm start."""
    warm_addon: Rate = 2e-3
    warm_prototypes: Rate = 3e-3
    joint_features: Rate = 2e-4
    layer_decay: Annotated[float, msgspec.Meta(gt=0, le=1), in_unit("a block")] = 1.0
    """Factor on ``joint_features`` for each block of the trunk further from its end; 1 gives all the same rate."""
    joint_addon: Rate = 3e-3
    joint_prototypes: Rate = 3e-3
    joint_last: Annotated[float, msgspec.Meta(ge=0, le=1), in_unit("a step")] = 0.0
    """Learning rate of ``h1`` in stage A1; 0 keeps it fixed there, as in the paper."""
    weight_decay: Share = 1e-3
    schedule: Literal["constant", "cosine", "authors"] = "cosine"
    """authors: joint rates divided by 10 every 5 joint epochs."""
    decoupled_decay: bool = False
    """Weight decay apart from the gradient (AdamW) instead of in it (Adam)."""


class Epochs(msgspec.Struct, frozen=True, kw_only=True):
    warm_start: EpochCount = 0
    """Supervised epochs before everything else: of the trunk, or of the add-on where the trunk is frozen."""
    warm_up: EpochCount = 10
    joint: Annotated[Positive, in_unit("epochs")] = 40
    project_every: Annotated[Positive, in_unit("epochs")] = 10
    """Stages A2 and A3 follow every so many joint epochs, and always the last."""
    draws: Annotated[Count, in_unit("lesions an epoch")] = 15_000
    """Augmented draws an epoch, balanced by class; 0 means one draw per training ROI."""


class Projection(msgspec.Struct, frozen=True, kw_only=True):
    """Stage A2."""

    distinct: Literal["no", "patch", "lesion", "patient"] = "patch"
    """No two prototypes of a class from one patch (or lesion, or patient), by optimal assignment; no: each becomes
    its nearest patch, whatever the others became."""


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """How the gradients are computed on this machine; what is left open is measured at the start of a run and kept
    for all of it. A run that must give the same bits as another fixes ``layout``, ``threads``, ``compiled`` and
    ``precision``."""

    layout: Literal["auto", "channels_last", "contiguous"] = "auto"
    """Memory layout of images and weights while gradients are computed."""
    compiled: Literal["auto", "yes", "no"] = "auto"
    """torch.compile of the layers; auto tries it on CUDA only."""
    threads: Annotated[Count, in_unit("threads")] = 0
    """Number of processor threads; 0 means as many as the process may use."""
    images_at_once: Annotated[Count, in_unit("images")] = 0
    """Images that go through the network together; 0 means the whole batch, fewer where memory runs out."""


class TrainingConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One run. ``seed`` fixes initialisation, draws and order."""

    method: Literal["iaia-bl", "protopnet"] = "iaia-bl"
    label: Literal["margin", "shape"] = "margin"
    class_names: tuple[str, ...] = ("circumscribed", "indistinct", "spiculated")
    labels: LabelRule = LabelRule()
    """Whose labels the lesions are trained and tested on."""
    transform: InputTransform = InputTransform()
    architecture: Architecture = Architecture()
    loss: LossWeights = LossWeights()
    rates: Rates = Rates()
    epochs: Epochs = Epochs()
    projection: Projection = Projection()
    augmentation: Augmentation = Augmentation()
    batch_lesion: Annotated[Positive, in_unit("lesions")] = 75
    batch_fine: Annotated[Count, in_unit("lesions")] = 10
    warm_start: Literal["cells", "image"] = "cells"
    """cells: each latent cell is classified as its margin class or background, for models with masks (the outline
    where there is no fine annotation); image: the pooled image is, for models without. Used where
    ``epochs.warm_start`` is not 0."""
    prototype_start: Literal["random", "kmeans"] = "random"
    """kmeans: over the latent cells inside the masks of each class (all cells for ``warm_start = image``)."""
    select_on_validation: bool = True
    """Keep the projected epoch with the best validation AUROC; False, or without a validation part, the last (the
    ``final`` model)."""
    project: bool = True
    """False leaves stage A2 out: prototypes that are no patch of any image, for comparison only; such a model
    has no prototypical lesions to show."""
    automatic_bands: bool = False
    """Give training lesions that have an outline and no fine annotation a band along the outline in its place
    (``core.data.automatic_band``). It is never counted as a fine annotation and judges nothing."""
    table_rows: Literal["unaugmented", "augmented"] = "unaugmented"
    malignancy_fit: Literal["out-of-fold", "in-sample"] = "out-of-fold"
    """Margin scores that malignancy is fitted on. out-of-fold: each patient's scores by a last layer that was
    fitted without the patient. Trunk and prototypes saw the patient all the same, so some optimism is left;
    figures of malignancy are therefore of patients whom no part of the model saw."""
    frozen_backbone: bool = False
    """Compute the backbone's features once and train everything after them on the cache."""
    frozen_blocks: Annotated[Count, in_unit("blocks")] = 0
    """Blocks of the trunk, from its input, that no stage changes while the others are trained; blocks are the
    children of the trunk that have weights."""
    tuned_blocks: Annotated[Count, in_unit("blocks")] = 0
    """Number of last blocks of a frozen trunk that stage A1 trains nevertheless, at ``rates.joint_features`` and
    ``rates.layer_decay``; the output of the blocks before them is computed once."""
    cached_augmentations: Annotated[int, msgspec.Meta(ge=0, le=100), in_unit("a lesion")] = 4
    """Fixed augmentations of each training ROI in that cache, beside the un-augmented one."""
    feature_dropout: Annotated[float, msgspec.Meta(ge=0, le=0.9), in_unit("of the channels")] = 0.0
    """Share of the cached features' channels that are set to their mean in a draw."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Precision of the backbone's gradients in A1 only; everything shown is computed in float32."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    machine: Machine = Machine()
    seed: Count = 1
    preset: str = ""
    """Name of the preset this configuration started from."""
