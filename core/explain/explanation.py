"""The explanation of one ROI (paper, Fig. 4): all its numbers are tensors of one forward pass."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from core.data.roi_set import InputTransform, RoiSet
from core.domain.errors import Cancelled, ModelError
from core.domain.events import IsCancelled, never
from core.domain.geometry import Affine, Box
from core.domain.messages import message
from core.domain.study import Prototype
from core.explain.relevance import ReceptiveField, box_of, receptive_field
from core.explain.scores import Scored
from core.model.card import ModelCard
from core.model.network import Activations, PrototypeNetwork
from core.model.similarity import largest_similarity, upsample
from core.statistics.activation import lowest_of_top
from core.training.abstention import largest_own_evidence
from core.training.inference import device_of, exact, normalise

Float32 = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class RoiInput:
    """One un-augmented network input and where it lies in its mammogram."""

    pixels: NDArray[np.uint8]
    """(I, I) grey values after the window."""
    image_to_input: Affine
    lesion_id: str
    class_name: str | None = None
    """The class given by the reader (or the data set), obscured and microlobulated included; None if not given."""


def roi_input(rois: RoiSet, row: int, *, class_name: str | None = None) -> RoiInput:
    """The ROI of one row of a set. ``class_name`` names a label that is not among the trained classes."""
    label = int(rois.label[row])
    return RoiInput(
        pixels=np.ascontiguousarray(rois.central(rois.pixels[row])),
        image_to_input=rois.image_to_input[row],
        lesion_id=rois.lesion_ids[row],
        class_name=rois.class_names[label] if label >= 0 else class_name,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class PrototypeRow:
    """The contribution of one prototype: a row of Fig. 4."""

    index: int
    """In the prototype layer."""
    class_index: int
    class_name: str
    prototype: Prototype | None
    """The source of the prototype; None before the first projection."""
    similarity_map: Float32
    """(H, W) of the latent grid."""
    activation: Float32
    """(I, I): the similarity map upsampled as in the loss and the metrics."""
    score: float
    """``s_j``, eq. 5."""
    weights: NDArray[np.float64]
    """(K,) ``W_cj``."""
    malignancy_weight: float
    """``sum_c v_c W_cj``."""
    lowest_relevant: float
    """Value of the map from which on a pixel is among the top 5%."""
    relevant_box: Box
    """Bounding box of the top 5% of the map, in network-input pixels."""
    relevant_box_image: Box
    """The same in pixels of the mammogram."""
    strongest_cell: tuple[int, int]
    """(row, column) in the latent grid."""
    receptive_box: Box
    """The full receptive field of the strongest cell, in network-input pixels: far more than ``relevant_box``."""
    receptive_box_image: Box
    self_activation: float
    """Similarity of the prototype to its own source: log(1/eps)."""

    @property
    def number(self) -> int:
        """Return the displayed number: its place, from 1, in the unpruned model; pruning renumbers nothing."""
        return (self.index if self.prototype is None else self.prototype.index) + 1

    @property
    def contributions(self) -> NDArray[np.float64]:
        """(K,) ``W_cj s_j``; over the rows they sum to the logits."""
        return self.weights * self.score

    @property
    def malignancy_contribution(self) -> float:
        return self.malignancy_weight * self.score


@dataclass(frozen=True, kw_only=True)
class Precedent:
    """The evidence for a case comparable to this ROI among those that the model was fitted on."""

    evidence: float
    """Largest similarity to a prototype of the predicted class (``core.training.abstention``)."""
    threshold: float | None
    """5th percentile over the validation ROIs; None where the model has none."""

    @property
    def found(self) -> bool:
        """True where the evidence reaches the threshold, or where there is no threshold to miss."""
        return self.threshold is None or self.evidence >= self.threshold


@dataclass(frozen=True, kw_only=True, eq=False)
class Explanation(Scored):
    """The explanation of the network's output for one ROI."""

    roi: RoiInput
    class_names: tuple[str, ...]
    rows: tuple[PrototypeRow, ...]
    """In the order of the prototype layer."""
    logits: NDArray[np.float64]
    """(K,)"""
    malignancy_logit: float | None
    """``v . z + b``; None where the model's stage B found no malignancy to fit."""
    malignancy_weights: NDArray[np.float64]
    """(K,) ``v``; all 0 where the model predicts no malignancy."""
    malignancy_bias: float
    precedent: Precedent
    receptive_field: ReceptiveField
    synthetic: bool

    @property
    def class_is_trained(self) -> bool | None:
        """False where the reader's class is one that the model was not trained on; None without a label."""
        name = self.roi.class_name
        return None if name is None else name in self.class_names

    def ranked(self, class_index: int) -> tuple[PrototypeRow, ...]:
        """Rows by their contribution to this class's score, largest first; equals in the layer's order."""
        return tuple(sorted(self.rows, key=lambda row: -row.contributions[class_index]))

    def differences(self, a: int, b: int) -> NDArray[np.float64]:
        """(m,) "why A, not B": ``(W_Aj - W_Bj) s_j``; they sum to ``z_A - z_B``."""
        return np.array([row.contributions[a] - row.contributions[b] for row in self.rows])

    def class_activation(self, class_index: int) -> Float32:
        """(I, I): the mean of the activation maps of the class's prototypes (Extended Data Fig. 5)."""
        maps = [row.activation for row in self.rows if row.class_index == class_index]
        mean: Float32 = np.mean(maps, axis=0, dtype=np.float32)
        return mean


def explain(
    network: PrototypeNetwork, card: ModelCard, roi: RoiInput, *, cancelled: IsCancelled = never
) -> Explanation:
    """Explain one ROI. The network is left as it was: weights, mode, gradients, hooks and random numbers.

    ModelError where the ROI is not of the model's input size or the card is not of this network. Cancelled
    between the forward pass and the maps, and between maps.
    """
    _check(network, card, roi)
    if cancelled():
        raise Cancelled
    with exact(network):
        found = forward_one(network, roi.pixels, card.transform)
        maps = upsample(found.similarities, card.transform.input_size)[0].cpu().numpy()
    if cancelled():
        raise Cancelled
    field = receptive_field(network.features)
    weights = network.last.weight.detach().cpu().numpy().astype(np.float64)
    v = network.malignancy.weight.detach().cpu().numpy().astype(np.float64)[0]
    scores = found.scores[0].cpu().numpy().astype(np.float64)
    rows = []
    for j in range(len(scores)):
        if cancelled():
            raise Cancelled
        rows.append(
            _row(
                card,
                roi,
                j,
                similarity_map=found.similarities[0, j].cpu().numpy(),
                activation=maps[j],
                score=float(scores[j]),
                weights=weights[:, j],
                malignancy_weight=float(v @ weights[:, j]),
                field=field,
            )
        )
    logits = found.logits[0].cpu().numpy().astype(np.float64)
    evidence = largest_own_evidence(scores[None], logits[None], np.array(card.prototype_class))
    return Explanation(
        roi=roi,
        class_names=card.class_names,
        rows=tuple(rows),
        logits=logits,
        malignancy_logit=float(found.malignancy.reshape(-1)[0]) if v.any() else None,
        malignancy_weights=v,
        malignancy_bias=float(network.malignancy.bias.detach()[0]),
        precedent=Precedent(evidence=float(evidence[0]), threshold=card.precedent_threshold),
        receptive_field=field,
        synthetic=card.synthetic,
    )


def forward_one(network: PrototypeNetwork, pixels: NDArray[np.uint8], transform: InputTransform) -> Activations:
    """The forward pass of one ROI (I, I) as a batch of one; call it inside ``exact``."""
    grey = torch.from_numpy(pixels[None]).to(device_of(network)).float() / 255
    return network.from_latent(network.latent(normalise(grey, transform)))


def _check(network: PrototypeNetwork, card: ModelCard, roi: RoiInput) -> None:
    size = card.transform.input_size
    if roi.pixels.shape != (size, size):
        raise ModelError(
            message(
                "The ROI of lesion {lesion} has {width} x {height} pixels, but the "
                "model reads {size} x {size}: extract it again with the model's own input transform.",
                lesion=roi.lesion_id,
                width=roi.pixels.shape[1],
                height=roi.pixels.shape[0],
                size=size,
            )
        )
    if tuple(network.prototype_class.tolist()) != card.prototype_class:
        raise ModelError(
            message("The model's card does not describe its network: the prototypes' classes differ.")
        )


def _row(
    card: ModelCard,
    roi: RoiInput,
    j: int,
    *,
    similarity_map: Float32,
    activation: Float32,
    score: float,
    weights: NDArray[np.float64],
    malignancy_weight: float,
    field: ReceptiveField,
) -> PrototypeRow:
    to_image = roi.image_to_input.inverse()
    row, column = divmod(int(similarity_map.argmax()), similarity_map.shape[1])
    lowest = lowest_of_top(activation)
    relevant = box_of(activation >= lowest)
    receptive = field.box((row, column), card.transform.input_size)
    return PrototypeRow(
        index=j,
        class_index=card.prototype_class[j],
        class_name=card.class_names[card.prototype_class[j]],
        prototype=card.prototypes[j] if card.prototypes else None,
        similarity_map=similarity_map,
        activation=activation,
        score=score,
        weights=weights,
        malignancy_weight=malignancy_weight,
        lowest_relevant=float(lowest),
        relevant_box=relevant,
        relevant_box_image=to_image.of_box(relevant),
        strongest_cell=(row, column),
        receptive_box=receptive,
        receptive_box_image=to_image.of_box(receptive),
        self_activation=largest_similarity(card.architecture.epsilon),
    )
