"""The black-box baseline (paper, "VGG-16 with GradCAM"): trunk, the prototype network's add-on, pooling, a linear
layer. The trunk is any of ``core.model.backbones``."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import torch
from torch import Tensor, nn

from core.baselines.config import ClassifierConfig
from core.domain.errors import ModelError
from core.domain.messages import message
from core.model.architecture import Architecture
from core.model.backbones import make_backbone
from core.model.precision import exact_float32, wide
from core.model.shapes import shapes_of
from core.model.trunk import TrunkNetwork, addon_block


class ClassifierNetwork(TrunkNetwork):
    """Input (B, 3, I, I) after the input transform, output (B, K) logits.

    The two 1x1 convolutions between trunk and pooling are those of the prototype network: the paper's "added
    parameters". What the prototype layer has besides, m C numbers, stands against K C of the linear layer.
    """

    def __init__(
        self,
        architecture: Architecture,
        *,
        class_names: Sequence[str],
        input_size: int,
        backbone: nn.Module | None = None,
    ) -> None:
        """Make a network; ``backbone`` replaces the architecture's.

        Raises: ModelError for fewer than two classes.
        """
        if len(class_names) < 2:
            raise ModelError(message("A model needs at least two classes."))
        if backbone is None:
            backbone = make_backbone(
                architecture.backbone, weights=architecture.weights, input_size=input_size
            ).module
        shapes, size = shapes_of(backbone, input_size), architecture.latent_channels
        super().__init__(
            backbone,
            addon_block(shapes.channels, size, nn.ReLU()),
            shapes,
            size,
            standardised=architecture.standardised,
        )
        self.architecture = architecture
        self.class_names = tuple(class_names)
        self.input_size = input_size
        self.head = nn.Linear(size, len(self.class_names))

    def from_latent(self, cells: Tensor) -> Tensor:
        """Return (B, K) logits from ``latent``, the output of the last convolutional layer, not negative,
        which GradCAM looks at: global average pooling and the linear layer."""
        with exact_float32():
            out: Tensor = self.head(wide(cells).mean((2, 3)))
        return out

    def forward(self, x: Tensor) -> Tensor:
        return self.from_latent(self.latent(x))


def make_classifier(config: ClassifierConfig, *, fresh: bool) -> ClassifierNetwork:
    """Return the network of a configuration, initialised from its seed; not ``fresh``: its weights are about
    to be replaced, so none are downloaded or read."""
    architecture = config.base.architecture
    if not fresh:
        architecture = msgspec.structs.replace(architecture, weights="random")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.base.seed)
        network = ClassifierNetwork(
            architecture, class_names=config.class_names, input_size=config.base.transform.input_size
        )
    network.architecture = config.base.architecture
    return network


def parameter_count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())
