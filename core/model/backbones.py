"""Convolutional trunks, cut where their latent grid is the one of the paper's lineage.

VGG without its last max-pool (14 x 14 at 224 px), ResNet and DenseNet without pooling and classifier (7 x 7),
and ``compact``, a small VGG with batch norm whose grid is an eighth of its input (14 x 14 at 112 px).
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from core.domain.errors import ModelError
from core.model.weights import load_trunk

COMPACT = "compact"
_FAMILIES = {
    "vgg": ("11", "13", "16", "19", "11_bn", "13_bn", "16_bn", "19_bn"),
    "resnet": ("18", "34", "50", "101", "152"),
    "densenet": ("121", "161", "169", "201"),
}
BACKBONES: tuple[str, ...] = (
    *(family + depth for family, depths in _FAMILIES.items() for depth in depths),
    COMPACT,
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Backbone:
    module: nn.Module
    """(B, 3, I, I) -> (B, channels, *grid)."""
    channels: int
    grid: tuple[int, int]


def make_backbone(name: str, *, weights: str, input_size: int) -> Backbone:
    """A trunk of ``BACKBONES`` for a square input. ``weights``: imagenet, random, or the path of a local file.

    ModelError for an unknown name, WeightsUnavailableError where the weights cannot be had.
    """
    if name not in BACKBONES:
        raise ModelError(f"There is no backbone {name}: choose one of {', '.join(BACKBONES)}.")
    if name == COMPACT and weights == "imagenet":
        raise ModelError("The compact backbone has no ImageNet weights: choose weights = random for it.")
    module = _compact() if name == COMPACT else _from_torchvision(name)
    if weights != "random":
        load_trunk(module, name, weights)
    shapes = shapes_of(module, input_size)
    return Backbone(module=module, channels=shapes.channels, grid=shapes.grid)


def _from_torchvision(name: str) -> nn.Module:
    """The trunk with fresh random weights; the classifier, most of a VGG, is never allocated."""
    from core.model.torchvision_shim import models

    with torch.device("meta"):
        whole = models.get_model(name, weights=None)
    trunk = _trunk_of(name, whole)
    if not on_meta():
        trunk.to_empty(device="cpu")
        _initialise(trunk)
    return trunk


def on_meta() -> bool:
    """Whether layers are made without memory now: there is nothing to initialise, and torch would load its
    compiler for it."""
    return torch.empty(0).device.type == "meta"


def _trunk_of(name: str, whole: Any) -> nn.Module:
    """Names of the trunk's tensors are torchvision's, less a leading ``features.``."""
    if name.startswith("vgg"):
        trunk = nn.Sequential(*list(whole.features.children())[:-1])
    elif name.startswith("resnet"):
        parts = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4")
        return nn.Sequential(OrderedDict((part, getattr(whole, part)) for part in parts))
    else:
        trunk = nn.Sequential(OrderedDict(whole.features.named_children()))
        trunk.add_module("relu", nn.ReLU())
    if isinstance(trunk[-1], nn.ReLU):
        # class-activation methods keep its input: it must not be overwritten
        trunk[-1].inplace = False
    return trunk


def _initialise(module: nn.Module) -> None:
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.BatchNorm2d):
            layer.reset_parameters()


def _stage(before: int, after: int, *, kernel: int = 3, stride: int = 1) -> list[nn.Module]:
    return [
        nn.Conv2d(before, after, kernel, stride=stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(),
    ]


def _compact() -> nn.Module:
    """12-24-48-64 channels with batch norm.

    It halves by strides where a VGG pools: as accurate on synthetic margins as the pooled trunk (0.93 against
    0.92) and over twice as fast on a processor, whose time goes into the first, widest layers.
    """
    trunk = nn.Sequential(
        *_stage(3, 12, kernel=5, stride=2),
        *_stage(12, 24, stride=2),
        *_stage(24, 48, stride=2),
        *_stage(48, 64),
        *_stage(64, 64),
    )
    if not on_meta():
        _initialise(trunk)
    return trunk


@dataclass(frozen=True, kw_only=True)
class Shapes:
    """What a trunk does to one square image, found without computing."""

    channels: int
    grid: tuple[int, int]
    smallest_input: int
    """Elements of the smallest tensor that one image gives to a convolution."""


def _shapes_of_chain(module: nn.Module, input_size: int) -> Shapes | None:
    """Of convolutions and poolings one after the other: torch's first use of the meta device loads its compiler,
    which takes longer than everything else that opening a small model needs. None for any other module."""
    if not isinstance(module, nn.Sequential):
        return None
    channels, side, seen = 3, input_size, []
    for layer in module:
        if isinstance(layer, nn.Conv2d):
            seen.append(channels * side**2)
            channels, side = layer.out_channels, _side_after(layer, side)
        elif isinstance(layer, nn.MaxPool2d) and not layer.ceil_mode:
            side = _side_after(layer, side)
        elif not isinstance(layer, nn.BatchNorm2d | nn.ReLU):
            return None
        if side < 1:
            return None
    return Shapes(channels=channels, grid=(side, side), smallest_input=min(seen, default=0))


def _side_after(layer: nn.Conv2d | nn.MaxPool2d, side: int) -> int:
    """0 for a layer that is not the same in both directions."""
    numbers = []
    for value in (layer.kernel_size, layer.stride, layer.padding, layer.dilation):
        pair = value if isinstance(value, tuple) else (value, value)
        if isinstance(value, str) or pair[0] != pair[1]:
            return 0
        numbers.append(int(pair[0]))
    kernel, stride, padding, dilation = numbers
    return (side + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


def shapes_of(module: nn.Module, input_size: int) -> Shapes:
    """By arithmetic where the module is a plain chain; else walked on the meta device by a copy."""
    found = _shapes_of_chain(module, input_size)
    if found is not None:
        return found
    walker = copy.deepcopy(module).to("meta").eval()
    seen: list[int] = []

    def note(_layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        seen.append(inputs[0].numel())

    for layer in walker.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_pre_hook(note)
    with torch.no_grad():
        out: Tensor = walker(torch.empty(1, 3, input_size, input_size, device="meta"))
    return Shapes(
        channels=int(out.shape[1]),
        grid=(int(out.shape[2]), int(out.shape[3])),
        smallest_input=min(seen, default=0),
    )
