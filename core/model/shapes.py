"""Shapes of a trunk's tensors, found without computing."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from core.model.efficientnet_lite import Residual


@dataclass(frozen=True, kw_only=True)
class Shapes:
    """Shapes that a trunk makes of one square image."""

    channels: int
    grid: tuple[int, int]
    smallest_input: int
    """Elements of the smallest tensor that one image gives to a convolution."""


def shapes_of(module: nn.Module, input_size: int) -> Shapes:
    """Compute the shapes by arithmetic if the module is a plain chain; otherwise run a copy on the meta
    device."""
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


@dataclass(kw_only=True)
class _Chain:
    """Channels and side after the layers so far."""

    channels: int
    side: int
    seen: list[int] = field(default_factory=list)


def _shapes_of_chain(module: nn.Module, input_size: int) -> Shapes | None:
    """Compute the shapes of layers one after the other, residual blocks included; None for any other module.

    The first use of torch's meta device loads its compiler, which takes longer than everything else that
    opening a small model needs.
    """
    if not isinstance(module, nn.Sequential):
        return None
    chain = _Chain(channels=3, side=input_size)
    if not _follow(module, chain):
        return None
    grid = (chain.side, chain.side)
    return Shapes(channels=chain.channels, grid=grid, smallest_input=min(chain.seen, default=0))


def _follow(module: nn.Module, chain: _Chain) -> bool:
    """Advance ``chain`` by a module; return False if the arithmetic does not cover it."""
    if isinstance(module, nn.Sequential):
        return all(_follow(layer, chain) for layer in module)
    if isinstance(module, Residual):
        return _follow(module.body, chain)
    if isinstance(module, nn.Conv2d):
        chain.seen.append(chain.channels * chain.side**2)
        chain.channels, chain.side = module.out_channels, _side_after(module, chain.side)
    elif isinstance(module, nn.MaxPool2d) and not module.ceil_mode:
        chain.side = _side_after(module, chain.side)
    elif isinstance(module, nn.ZeroPad2d):
        left, right, top, bottom = module.padding
        if left + right != top + bottom:
            return False
        chain.side += left + right
    elif not isinstance(module, nn.BatchNorm2d | nn.ReLU | nn.ReLU6):
        return False
    return chain.side >= 1


def _side_after(layer: nn.Conv2d | nn.MaxPool2d, side: int) -> int:
    """Return side of the output; 0 for a layer that is not the same in both directions."""
    numbers = []
    for value in (layer.kernel_size, layer.stride, layer.padding, layer.dilation):
        pair = value if isinstance(value, tuple) else (value, value)
        if isinstance(value, str) or pair[0] != pair[1]:
            return 0
        numbers.append(int(pair[0]))
    kernel, stride, padding, dilation = numbers
    return (side + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
