"""The network of Extended Data Fig. 6: backbone, add-on block, prototype layer and the two heads. Layers only."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from core.domain.errors import ModelError
from core.domain.messages import message
from core.model.architecture import Architecture
from core.model.backbones import make_backbone, on_meta
from core.model.distances import distances
from core.model.precision import exact_float32, wide
from core.model.shapes import shapes_of
from core.model.similarity import pool_top_k, resolve_top_k, similarity
from core.model.trunk import TrunkNetwork, addon_block


@dataclass(frozen=True, kw_only=True, eq=False)
class Activations:
    """Results of one forward pass for B images; every explanation takes its numbers from here."""

    latent: Tensor
    """(B, C, H, W), values in (0, 1)."""
    distances: Tensor
    """(B, m, H, W) float32 in the architecture's measure: squared (eq. 4), or their root for ``l2``."""
    similarities: Tensor
    """(B, m, H, W) ``log((d + 1)/(d + eps))``; upsampled bilinearly they are the activation maps."""
    scores: Tensor
    """(B, m) mean of the k largest similarities (eq. 5)."""
    logits: Tensor
    """(B, n) ``W s``, without bias."""
    malignancy: Tensor
    """(B,) logit ``v . z + b``; no gradient flows from it into the layers before (stage B changes h2 only)."""


class PrototypeNetwork(TrunkNetwork):
    """IAIA-BL's network; ProtoPNet is the same with ``top_k = 1``.

    Input (B, 3, I, I) after the input transform. In evaluation mode an image's outputs do not depend on its batch:
    bit for bit on the CPU, and from the latent cells on anywhere; to 1e-5 where a GPU's convolution kernels are
    chosen by the batch's shape.
    """

    prototype_class: Tensor

    def __init__(
        self,
        architecture: Architecture,
        *,
        class_names: Sequence[str],
        prototype_class: Sequence[int],
        input_size: int,
        backbone: nn.Module | None = None,
    ) -> None:
        """Make a network; ``backbone`` replaces the architecture's and maps (B, 3, I, I) to (B, C0, H, W).

        Raises: ModelError if the classes and prototypes do not fit together or the grid does not fit
        ``top_k``.
        """
        _check_classes(class_names, prototype_class)
        if backbone is None:
            backbone = make_backbone(
                architecture.backbone, weights=architecture.weights, input_size=input_size
            ).module
        shapes, size = shapes_of(backbone, input_size), architecture.latent_channels
        super().__init__(
            backbone,
            addon_block(shapes.channels, size, nn.Sigmoid()),
            shapes,
            size,
            standardised=architecture.standardised,
        )
        self.architecture = architecture
        self.class_names = tuple(class_names)
        self.input_size = input_size
        self.top_k = resolve_top_k(architecture.top_k, self.grid[0] * self.grid[1])
        self.prototypes = nn.Parameter(torch.rand(len(prototype_class), size, 1, 1))
        self.register_buffer("prototype_class", torch.tensor(list(prototype_class), dtype=torch.int64))
        self.last = nn.Linear(len(prototype_class), len(self.class_names), bias=False)
        self.malignancy = nn.Linear(len(self.class_names), 1)
        if on_meta():
            return
        with torch.no_grad():
            self.last.weight.copy_(initial_last(prototype_class, len(self.class_names)))
            self.malignancy.weight.zero_()
            self.malignancy.bias.zero_()

    def from_latent(self, z: Tensor) -> Activations:
        """Compute everything after the latent cells, in float32 whatever surrounds it."""
        with exact_float32():
            z = wide(z)
            d = distances(z, self.prototypes, self.architecture.distance)
            s = similarity(d, self.architecture.epsilon)
            scores = pool_top_k(s, self.top_k)
            logits = (scores[:, None, :] * self.last.weight).sum(2)
            malignancy = (logits.detach() * self.malignancy.weight).sum(1) + self.malignancy.bias
            return Activations(
                latent=z, distances=d, similarities=s, scores=scores, logits=logits, malignancy=malignancy
            )

    def forward(self, x: Tensor) -> Activations:
        return self.from_latent(self.latent(x))


def initial_last(prototype_class: Sequence[int], classes: int) -> Tensor:
    """Return ``W`` at the start: (n, m), +1 for the prototype's own class, -1 elsewhere."""
    own = torch.arange(classes)[:, None] == torch.tensor(list(prototype_class))[None, :]
    return own.float() * 2 - 1


def without_prototypes(network: PrototypeNetwork, remove: set[int]) -> PrototypeNetwork:
    """Return a copy without these prototypes (indices into the layer) and their columns of ``W``.

    ModelError where an index does not exist or a class would lose its last prototype.
    """
    classes = network.prototype_class.tolist()
    unknown = sorted(remove - set(range(len(classes))))
    if unknown:
        raise ModelError(
            message(
                "The model has no prototype {prototype}: its {count} are numbered from 0.",
                prototype=unknown[0],
                count=len(classes),
            )
        )
    keep = [j for j in range(len(classes)) if j not in remove]
    _check_classes(network.class_names, [classes[j] for j in keep])
    pruned = copy.deepcopy(network)
    index = torch.tensor(keep, device=network.prototypes.device)
    pruned.prototypes = nn.Parameter(network.prototypes.detach()[index].clone())
    pruned.prototype_class = network.prototype_class[index].clone()
    last = nn.Linear(len(keep), len(network.class_names), bias=False)
    last.weight = nn.Parameter(network.last.weight.detach()[:, index].clone())
    pruned.last = last
    pruned.train(network.training)
    return pruned


def _check_classes(class_names: Sequence[str], prototype_class: Sequence[int]) -> None:
    if len(class_names) < 2:
        raise ModelError(message("A model needs at least two classes."))
    present = set(prototype_class)
    for index, name in enumerate(class_names):
        if index not in present:
            raise ModelError(
                message(
                    "Class {name} would be left without a prototype: every class keeps at least one.", name=name
                )
            )
    stray = [c for c in present if not 0 <= c < len(class_names)]
    if stray:
        raise ModelError(
            message(
                "A prototype belongs to class {number}, but there are {count} classes.",
                number=stray[0],
                count=len(class_names),
            )
        )
