"""Which network: backbone, latent size, prototypes and similarity. Stored with every model."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from core.domain.units import in_unit


class Architecture(msgspec.Struct, frozen=True, kw_only=True):
    """The network of Extended Data Fig. 6."""

    backbone: str = "vgg16"
    """A name of ``core.model.backbones``: vgg16, resnet50, efficientnet_lite0, compact, ..."""
    weights: str = "imagenet"
    """imagenet, random, or the path of a local file of weights."""
    latent_channels: Annotated[int, msgspec.Meta(ge=1, le=4096), in_unit("channels")] = 512
    prototypes_per_class: Annotated[int, msgspec.Meta(ge=1, le=4096), in_unit("a class")] = 5
    top_k: Annotated[float, msgspec.Meta(gt=0), in_unit("cells")] = 9
    """k of eq. 5 and 7: a number of cells where at least 1, else a share of them: max(1, floor(share x cells))."""
    distance: Literal["squared", "l2"] = "squared"
    standardised: bool = False
    """Standardise each channel of the trunk's features before the add-on, by mean and deviation over the cells of
    the training ROIs. Features of ImageNet trunks differ a hundredfold in scale between channels."""
    epsilon: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 1e-4
