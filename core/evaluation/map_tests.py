"""Do a model's maps hold still under small changes, and does what they mark matter to the model?

Stability: the maps before and after noise, recompression and a small shift. Faithfulness: deletion and insertion
curves (Petsiuk et al., BMVC 2018) in the order of the class activation view, against a random order that is as
coarse as the map: single random pixels would be noise to a network and make any map look good.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from core.data.roi_set import RoiSet, UInt8
from core.domain.errors import Cancelled
from core.domain.events import IsCancelled, never
from core.evaluation.judge import original_numbers
from core.evaluation.perturb import PERTURBATIONS, Perturbation, blurred, common_part
from core.model.checkpoint import LoadedModel
from core.model.similarity import upsample
from core.statistics.faithfulness import area_under, first_pixels
from core.statistics.stability import rank_correlation, top_overlap
from core.training.inference import device_of, exact, infer, normalise

SAMPLE = 60
"""Lesions of a data set that are measured, drawn at random: each costs some forty forward passes."""
SHARES = tuple(k / 10 for k in range(11))
"""Steps of the curves."""
_CHUNK = 16
_SEED = 5

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]
Int = NDArray[np.int64]
Numbers = list[float | None]


@dataclass(frozen=True, kw_only=True, eq=False)
class OwnMaps:
    """The maps of each image's own class, one row a pair of an image and a prototype (or a post-hoc method)."""

    image: Int
    """(r,)"""
    prototype: Int
    """(r,)"""
    maps: Float32
    """(r, h, w) on the latent grid."""
    predicted: Int
    """(n,)"""


@dataclass(frozen=True, kw_only=True, eq=False)
class Explainer:
    """A trained model as seen from outside: maps of ROIs, and probabilities of pictures."""

    name: str
    maps: Callable[[RoiSet], OwnMaps]
    probabilities: Callable[[Float32], Float]
    """From (B, I, I) grey values in [0, 1] to (B, K)."""


class MapRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Measurements of one model on a sample of lesions; undefined values are null."""

    model: str
    lesion_ids: tuple[str, ...]
    patient_ids: tuple[str, ...]
    sources: tuple[str, ...]
    label: list[int]
    image: list[int]
    """Row of each pair's image among the lesions."""
    prototype: list[int]
    overlap: dict[str, Numbers]
    """By kind of change: intersection over union of the top 5% before and after, a number a pair."""
    correlation: dict[str, Numbers]
    """Rank correlation of the maps before and after, a number a pair."""
    kept_class: dict[str, list[bool]]
    """True if the predicted class is the same after the change, one value a lesion."""
    shares: tuple[float, ...]
    curves: dict[str, list[list[float]]]
    """deletion, insertion, deletion_random, insertion_random: probability of the true class at each share."""

    def area(self, curve: str) -> Float:
        """Return (n,) area under the curves of this kind."""
        return area_under(np.array(self.curves[curve]).reshape(-1, len(self.shares)), self.shares)


def explainer_of(model: LoadedModel, *, name: str) -> Explainer:
    """Return for a prototype network the similarity maps of the prototypes of the true class."""
    network, own = model.network, np.asarray(model.card.prototype_class, dtype=np.int64)
    numbers = original_numbers(model)

    def maps(rois: RoiSet) -> OwnMaps:
        found = infer(network, rois, keep_maps=True)
        assert found.maps is not None
        image, prototype = np.nonzero(own[None, :] == rois.label[:, None])
        return OwnMaps(
            image=image,
            prototype=numbers[prototype],
            maps=found.maps[image, prototype],
            predicted=found.logits.argmax(axis=1).astype(np.int64),
        )

    def probabilities(grey: Float32) -> Float:
        inputs = normalise(torch.from_numpy(grey).to(device_of(network)), model.card.transform)
        with exact(network):
            return softmax(network.from_latent(network.latent(inputs)).logits)

    return Explainer(name=name, maps=maps, probabilities=probabilities)


def softmax(logits: torch.Tensor) -> Float:
    """Return (B, K) probabilities as numpy, float64."""
    found: Float = torch.softmax(logits.double(), dim=1).cpu().numpy()
    return found


def sample(rois: RoiSet, *, most: int = SAMPLE) -> RoiSet:
    """Return at most ``most`` ROIs of each data set that have a trained class, always the same ones."""
    random = np.random.default_rng(_SEED)
    chosen: list[int] = []
    for source in sorted(set(rois.sources)):
        here = [i for i, s in enumerate(rois.sources) if s == source and rois.label[i] >= 0]
        chosen += sorted(int(i) for i in random.permutation(here)[:most])
    return rois.rows(np.array(chosen, dtype=np.int64))


def measure(explainer: Explainer, rois: RoiSet, *, cancelled: IsCancelled = never) -> MapRecord:
    """Return stability and faithfulness on every ROI of the set, which all have a trained class; Cancelled in
    between."""
    before = explainer.maps(rois)
    size = rois.transform.input_size
    found: dict[str, tuple[Float, Float, list[bool]]] = {}
    for change in PERTURBATIONS:
        if cancelled():
            raise Cancelled
        found[change.key] = _stability(explainer, rois, before, change)
    return MapRecord(
        model=explainer.name,
        lesion_ids=rois.lesion_ids,
        patient_ids=rois.patient_ids,
        sources=rois.sources,
        label=rois.label.tolist(),
        image=before.image.tolist(),
        prototype=before.prototype.tolist(),
        overlap={key: _listed(one[0]) for key, one in found.items()},
        correlation={key: _listed(one[1]) for key, one in found.items()},
        kept_class={key: one[2] for key, one in found.items()},
        shares=SHARES,
        curves=_curves(explainer, rois, before, size, cancelled),
    )


def _stability(
    explainer: Explainer, rois: RoiSet, before: OwnMaps, change: Perturbation
) -> tuple[Float, Float, list[bool]]:
    after = explainer.maps(change.apply(rois))
    by, size = change.shift(rois), rois.transform.input_size
    overlap, correlation = np.full(len(before.maps), np.nan), np.full(len(before.maps), np.nan)
    for first in range(0, len(before.maps), _CHUNK):
        rows = slice(first, first + _CHUNK)
        pair = common_part(_large(before.maps[rows], size), _large(after.maps[rows], size), by)
        # a map that says nothing marks no place: its overlap is undefined, as its correlation is
        says = [np.ptp(one, axis=(1, 2)) > 0 for one in pair]
        overlap[rows] = np.where(says[0] & says[1], top_overlap(*pair), np.nan)
        correlation[rows] = rank_correlation(*(_small(one) for one in pair))
    return overlap, correlation, [bool(same) for same in before.predicted == after.predicted]


def _curves(
    explainer: Explainer, rois: RoiSet, own: OwnMaps, size: int, cancelled: IsCancelled
) -> dict[str, list[list[float]]]:
    curves: dict[str, list[list[float]]] = {
        key: [] for key in ("deletion", "insertion", "deletion_random", "insertion_random")
    }
    crops = rois.central(rois.pixels)
    grid = own.maps.shape[1:]
    for row in range(len(rois)):
        if cancelled():
            raise Cancelled
        view = own.maps[own.image == row].mean(axis=0)
        chance = np.random.default_rng([_SEED, *rois.lesion_ids[row].encode()]).random(grid, dtype=np.float32)
        for suffix, one in (("", view), ("_random", chance)):
            masks = first_pixels(_large(one[None], size)[0], SHARES)
            probability = explainer.probabilities(_steps(crops[row], masks))[:, int(rois.label[row])]
            curves[f"deletion{suffix}"].append([float(p) for p in probability[: len(SHARES)]])
            curves[f"insertion{suffix}"].append([float(p) for p in probability[len(SHARES) :]])
    return curves


def _steps(grey: UInt8, masks: NDArray[np.bool_]) -> Float32:
    """Return (2 S, I, I) in [0, 1]: with each of the S masks blurred away, then with nothing but the mask
    sharp."""
    plain = blurred(grey)
    gone, kept = np.where(masks, plain, grey), np.where(masks, grey, plain)
    return np.concatenate([gone, kept]).astype(np.float32) / np.float32(255)


def _large(small: Float32, size: int) -> Float32:
    found: Float32 = upsample(torch.from_numpy(np.ascontiguousarray(small))[:, None], size)[:, 0].numpy()
    return found


def _small(maps: Any) -> Any:
    """Take every fourth pixel: ranks of neighbours on an upsampled map are the same to within interpolation."""
    return maps[:, ::4, ::4]


def _listed(values: Float) -> Numbers:
    return [None if np.isnan(v) else float(v) for v in values]
