"""EfficientNet-Lite0 up to its last block at stride 16 (Tan and Le 2019; TensorFlow's Lite variant).

Lite networks have no squeeze-and-excitation and use ReLU6. The batch norms of the published weights are folded
into the convolutions, so the trunk has none: its features do not depend on the batch, and fine-tuning needs no
batch statistics.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

import torch
from torch import Tensor, nn

CHANNELS = 112
"""Channels of the output; its grid is a sixteenth of the input (14 x 14 at 224 px)."""
STEM_CHANNELS = 32
BLOCKS: tuple[tuple[int, int, int, int], ...] = (
    (3, 1, 1, 16),
    (3, 2, 6, 24),
    (3, 1, 6, 24),
    (5, 2, 6, 40),
    (5, 1, 6, 40),
    (3, 2, 6, 80),
    (3, 1, 6, 80),
    (3, 1, 6, 80),
    (5, 1, 6, 112),
    (5, 1, 6, 112),
    (5, 1, 6, 112),
)
"""Kernel, stride, expansion and output channels of each inverted residual block."""
_PUBLISHED_EPSILON = 1e-3
"""Epsilon of the published batch norms (TensorFlow's value for this family)."""
_PUBLISHED_NAMES = {"expand": "_expand_conv", "depthwise": "_depthwise_conv", "project": "_project_conv"}


class Residual(nn.Module):
    """``x + body(x)``; ``body`` keeps the shape of its input."""

    def __init__(self, body: nn.Sequential) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.body(x)
        return out


def efficientnet_lite0() -> nn.Sequential:
    """Return the trunk (B, 3, I, I) -> (B, 112, I/16, I/16); I divisible by 32 pads as the published network
    does."""
    trunk = nn.Sequential(OrderedDict(stem=_convolution(3, STEM_CHANNELS, kernel=3, stride=2)))
    channels = STEM_CHANNELS
    for index, (kernel, stride, expansion, after) in enumerate(BLOCKS):
        trunk.add_module(f"block{index}", _block(channels, after, kernel, stride, expansion))
        channels = after
    return trunk


def _block(before: int, after: int, kernel: int, stride: int, expansion: int) -> nn.Module:
    wide = before * expansion
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    if expansion > 1:
        parts["expand"] = _convolution(before, wide, kernel=1)
    parts["depthwise"] = _convolution(wide, wide, kernel=kernel, stride=stride, groups=wide)
    parts["project"] = nn.Sequential(OrderedDict(conv=nn.Conv2d(wide, after, 1)))
    body = nn.Sequential(parts)
    return Residual(body) if stride == 1 and before == after else body


def _convolution(before: int, after: int, *, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Make a convolution with ReLU6. TensorFlow pads a strided convolution by one more at the right and the
    bottom."""
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    if stride > 1:
        parts["pad"] = nn.ZeroPad2d((0, 1, 0, 1))
    padding = (kernel - stride) // 2
    parts["conv"] = nn.Conv2d(before, after, kernel, stride=stride, padding=padding, groups=groups)
    parts["relu"] = nn.ReLU6()
    return nn.Sequential(parts)


def initialise_lite(trunk: nn.Module) -> None:
    """Draw random weights that keep the size of the signal without batch norms: every residual block begins as
    the identity."""
    for layer in trunk.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_in", nonlinearity="relu")
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)
    for block in trunk.modules():
        if isinstance(block, Residual):
            nn.init.zeros_(block.get_parameter("body.project.conv.weight"))


def fold_published(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors of ``efficientnet_lite0`` from the published state dictionary, batch norms folded in.

    Raises: KeyError where the dictionary lacks a tensor.
    """
    tensors = _folded("stem", "_conv_stem", "_bn0", published)
    before = STEM_CHANNELS
    for index, (_, stride, expansion, after) in enumerate(BLOCKS):
        residual = stride == 1 and before == after
        place, source = f"block{index}." + ("body." if residual else ""), f"_blocks.{index}."
        names = ("expand", "depthwise", "project") if expansion > 1 else ("depthwise", "project")
        for name in names:
            norm = 0 if name == "expand" else 1 if name == "depthwise" else 2
            tensors |= _folded(place + name, source + _PUBLISHED_NAMES[name], f"{source}_bn{norm}", published)
        before = after
    return tensors


def _folded(place: str, conv: str, norm: str, published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weight and bias of ``conv`` followed by ``norm``, computed in float64."""
    weight, gain, offset, mean, variance = (
        published[name].double()
        for name in (
            f"{conv}.weight",
            f"{norm}.weight",
            f"{norm}.bias",
            f"{norm}.running_mean",
            f"{norm}.running_var",
        )
    )
    scale = gain / torch.sqrt(variance + _PUBLISHED_EPSILON)
    return {
        f"{place}.conv.weight": (weight * scale.view(-1, 1, 1, 1)).float(),
        f"{place}.conv.bias": (offset - mean * scale).float(),
    }
