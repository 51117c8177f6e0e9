"""First layers of every network: backbone and add-on, in one layout for gradients and one for results."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from core.model.backbones import on_meta
from core.model.shapes import Shapes

_OTHER_KERNEL_FOR_ONE = 20_480
"""Elements up to which torch gives one image alone to another convolution kernel than several (on the CPU)."""


class TrunkNetwork(nn.Module):
    """In evaluation mode an image's latent cells do not depend on its batch (bit for bit on the CPU); in training
    mode they are computed as ``prepare_gradients`` said."""

    def __init__(
        self, features: nn.Module, addon: nn.Sequential, shapes: Shapes, size: int, *, standardised: bool = False
    ) -> None:
        """Keep ``features`` with its ``shapes``; ``addon`` makes its output ``size`` channels."""
        super().__init__()
        self.features = features
        self.feature_channels = shapes.channels
        self.standardise: nn.Module = ChannelStandardise(shapes.channels) if standardised else nn.Identity()
        self.addon = addon
        self.grid = shapes.grid
        narrowest = min(shapes.channels, size) * self.grid[0] * self.grid[1]
        self._doubles_one_image = min(shapes.smallest_input, narrowest) <= _OTHER_KERNEL_FOR_ONE
        self._gradient_layout = torch.channels_last
        self._compiled: dict[str, Callable[[Tensor], Tensor]] = {}
        self._lay_out(torch.channels_last)

    def feature_maps(self, x: Tensor) -> Tensor:
        """Return the backbone's output (B, C0, H, W), for caching where the backbone is frozen."""
        return self._as_in_any_batch("features", x)

    def blocks(self) -> list[nn.Module]:
        """Return the children of the trunk that have weights, from its input on."""
        return [child for child in self.features.children() if any(True for _ in child.parameters())]

    def early_maps(self, x: Tensor, blocks: int) -> Tensor:
        """Return the output of the trunk's first ``blocks`` blocks; of all of them it is ``feature_maps(x)``."""
        early, late = self._cut(blocks)
        return self._run_layers(early, x) if len(late) else self.feature_maps(x)

    def features_of_early(self, maps: Tensor, blocks: int) -> Tensor:
        """Return ``feature_maps`` from ``early_maps`` of as many blocks."""
        _, late = self._cut(blocks)
        return self._run_layers(late, maps) if len(late) else maps

    def _cut(self, blocks: int) -> tuple[nn.Sequential, nn.Sequential]:
        """Return the layers up to the block of this number, from 0, and the rest."""
        children = list(self.features.children())
        starts = [i for i, child in enumerate(children) if any(True for _ in child.parameters())]
        at = starts[blocks] if blocks < len(starts) else len(children)
        return nn.Sequential(*children[:at]), nn.Sequential(*children[at:])

    def latent_of_features(self, maps: Tensor) -> Tensor:
        """Return the add-on block's output (B, C, H, W) from ``feature_maps``."""
        return self._as_in_any_batch("addon", self.standardise(maps))

    def latent(self, x: Tensor) -> Tensor:
        """Return ``f(x)``: (B, C, H, W), in the precision of the surrounding autocast."""
        return self.latent_of_features(self.feature_maps(x))

    def prepare_gradients(self, *, channels_last: bool, compiled: bool = False) -> None:
        """Set how the layers compute in training mode until ``prepare_inference``; no value changes."""
        self._gradient_layout = torch.channels_last if channels_last else torch.contiguous_format
        self._lay_out(self._gradient_layout)
        if compiled and not self._compiled:
            self._compiled = {name: torch.compile(getattr(self, name)) for name in ("features", "addon")}
        elif not compiled:
            self._compiled = {}

    def prepare_inference(self) -> None:
        """Put the weights into the layout of every inference, here or in another process, so that results are
        equal bit for bit."""
        self._lay_out(torch.channels_last)

    def _lay_out(self, layout: torch.memory_format) -> None:
        for part in (self.features, self.addon):
            part.to(memory_format=layout)  # type: ignore[call-overload]

    def _as_in_any_batch(self, part: str, x: Tensor) -> Tensor:
        """Use one memory layout and one kernel in evaluation mode, whatever the caller's, so that results are
        equal bit for bit."""
        layers: nn.Module = getattr(self, part)
        return self._run_layers(layers, x, self._compiled.get(part))

    def _run_layers(
        self, layers: nn.Module, x: Tensor, compiled: Callable[[Tensor], Tensor] | None = None
    ) -> Tensor:
        if self.training:
            run = compiled or layers
            found: Tensor = run(x.contiguous(memory_format=self._gradient_layout))
            return found
        x = x.contiguous(memory_format=torch.channels_last)
        alone = x.shape[0] == 1 and self._doubles_one_image
        out: Tensor = layers(torch.cat([x, x]))[:1] if alone else layers(x)
        return out


class ChannelStandardise(nn.Module):
    """``(x - mean) / deviation`` per channel of (B, C, H, W); both are set once, from training features."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels, 1, 1))
        self.register_buffer("deviation", torch.ones(channels, 1, 1))

    def set_from(self, features: Tensor) -> None:
        """Take both from features (n, C, H, W) of the training ROIs; a constant channel keeps deviation 1."""
        values = features.double()
        deviation = values.std((0, 2, 3), unbiased=False)
        self.mean.copy_(values.mean((0, 2, 3)).view(-1, 1, 1))
        self.deviation.copy_(torch.where(deviation > 1e-8, deviation, 1.0).view(-1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = (x - self.mean) / self.deviation
        return out


def addon_block(channels: int, size: int, last: nn.Module) -> nn.Sequential:
    """Make the add-on block 1x1 conv - ReLU - 1x1 conv - ``last``."""
    # never in place: the class-activation methods read what goes into these layers
    layers = nn.Sequential(nn.Conv2d(channels, size, 1), nn.ReLU(), nn.Conv2d(size, size, 1), last)
    for layer in layers:
        if isinstance(layer, nn.Conv2d) and not on_meta():
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)
    return layers
