"""Global analysis: for each prototype the nearest patches of all ROIs, its purity and its duplicates.

One streamed pass over the ROIs gathers everything that needs the network; the rest is arithmetic on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from core.data.roi_set import RoiSet
from core.domain.events import IsCancelled, never
from core.domain.geometry import Box
from core.explain.relevance import RELEVANT_SHARE
from core.model.card import ModelCard
from core.model.network import PrototypeNetwork
from core.model.similarity import upsample
from core.statistics.activation import fires_inside
from core.training.inference import stream

NEAREST = 5
"""Nearest patches that are looked at for the purity (the authors)."""

Float = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class NearestPatch:
    """The patch of one ROI that lies nearest to a prototype."""

    lesion_id: str
    class_index: int
    """-1 where the lesion has none of the trained classes."""
    similarity: float
    cell: tuple[int, int]
    patch_box: Box
    """The box of the cell, in network-input pixels."""
    patch_box_image: Box
    """The same in pixels of the mammogram."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Sweep:
    """The results of one pass over ``n`` ROIs, for ``m`` prototypes."""

    scores: NDArray[np.float32]
    """(n, m) ``s_j``."""
    peak: NDArray[np.float32]
    """(n, m) the largest similarity in each ROI."""
    peak_cell: NDArray[np.int64]
    """(n, m) its flat cell."""
    overlap: Float
    """(m, m) overlap of the top 5% of the cells of two prototypes' maps (intersection over union), mean over
    the ROIs."""
    grid: tuple[int, int]
    inside: NDArray[np.int64]
    """(m, 2) in how many finely annotated ROIs of the prototype's class some of the top 5% of its map lies
    inside the marked margin, and how many such ROIs there are."""


@dataclass(frozen=True, kw_only=True)
class PrototypeGallery:
    """The neighbourhood of one prototype."""

    index: int
    class_index: int
    training: tuple[NearestPatch, ...]
    """Nearest first, one patch an ROI; the prototype's own source among them."""
    test: tuple[NearestPatch, ...]
    purity: tuple[int, int]
    """(of the prototype's class, looked at) among the nearest training patches; the authors prune below 3 of 5."""
    inside_margin: tuple[int, int]
    """(most active inside the marked margin, finely annotated training ROIs of its class)."""


@dataclass(frozen=True, kw_only=True)
class PrototypeLikeness:
    """The similarity of two prototypes, by four measures."""

    first: int
    second: int
    same_class: bool
    same_source: bool
    """From the same lesion."""
    same_patch: bool
    """From the same cell of the same ROI: the two are one prototype."""
    latent_distance: float
    """Euclidean, between the prototypes."""
    score_correlation: float | None
    """Pearson's, of the scores over the training ROIs; None where one of them does not vary."""
    map_overlap: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Gallery:
    prototypes: tuple[PrototypeGallery, ...]
    likeness: tuple[PrototypeLikeness, ...]
    """One entry a pair, ``first < second``."""

    def groups(self, criterion: str, *, limit: float | None = None) -> tuple[tuple[int, ...], ...]:
        """Prototypes that hang together by one criterion, each group sorted, singles left out.

        ``criterion``: "source", "patch", "latent" (distance at most ``limit``), "correlation" or "overlap" (at
        least ``limit``).
        """
        linked = [(pair.first, pair.second) for pair in self.likeness if _linked(pair, criterion, limit)]
        return _connected(linked)

    def of(self, places: Sequence[int]) -> Gallery:
        """Return the gallery of the model that keeps these prototypes alone, given by their indices, ascending.

        Pruning leaves the other prototypes and the trunk as they are, so nothing has to be measured again.
        """
        new = {old: place for place, old in enumerate(places)}
        return Gallery(
            prototypes=tuple(replace(self.prototypes[old], index=place) for old, place in new.items()),
            likeness=tuple(
                replace(pair, first=new[pair.first], second=new[pair.second])
                for pair in self.likeness
                if pair.first in new and pair.second in new
            ),
        )


def sweep(
    network: PrototypeNetwork,
    rois: RoiSet,
    *,
    features: torch.Tensor | None = None,
    cancelled: IsCancelled = never,
    share: float = RELEVANT_SHARE,
) -> Sweep:
    """One pass over the un-augmented ROIs; Cancelled between batches."""
    n, m = len(rois), len(network.prototypes)
    scores, peak = np.empty((n, m), np.float32), np.empty((n, m), np.float32)
    peak_cell = np.empty((n, m), np.int64)
    overlap = np.zeros((m, m))
    inside = np.zeros((m, 2), np.int64)
    grid = (1, 1)
    own = network.prototype_class.cpu().numpy()
    for rows, found in stream(network, rois, features=features, cancelled=cancelled):
        grid = (int(found.similarities.shape[2]), int(found.similarities.shape[3]))
        flat = found.similarities.flatten(2).cpu().numpy()
        scores[rows] = found.scores.cpu().numpy()
        peak_cell[rows] = flat.argmax(axis=2)
        peak[rows] = flat.max(axis=2)
        overlap += _overlaps(flat, share)
        inside += _inside(found.similarities, rois, rows, own)
    return Sweep(
        scores=scores, peak=peak, peak_cell=peak_cell, overlap=overlap / max(n, 1), grid=grid, inside=inside
    )


def _inside(
    similarities: torch.Tensor, rois: RoiSet, rows: NDArray[np.int64], own: NDArray[np.int64]
) -> NDArray[np.int64]:
    """(m, 2) of one batch; see ``Sweep.inside``."""
    pairs = (rois.label[rows][:, None] == own[None, :]) & rois.has_fine[rows][:, None]
    image, prototype = np.nonzero(pairs)
    counts = np.zeros((len(own), 2), np.int64)
    if len(image):
        maps = upsample(similarities[image, prototype][:, None], rois.transform.input_size)[:, 0].cpu().numpy()
        fires = fires_inside(maps, rois.central(rois.fine)[rows[image]])
        np.add.at(counts, prototype, np.stack([fires == 1, ~np.isnan(fires)], axis=1).astype(np.int64))
    return counts


def _overlaps(flat: NDArray[np.float32], share: float) -> Float:
    """(m, m): intersection over union of the most similar cells, summed over the ROIs of (B, m, L)."""
    cells = flat.shape[2]
    count = max(1, round(share * cells))
    top = np.zeros(flat.shape, np.float32)
    np.put_along_axis(top, np.argpartition(flat, cells - count, axis=2)[..., cells - count :], 1.0, axis=2)
    both = np.einsum("bml,bkl->bmk", top, top)
    summed: Float = (both / (2 * count - both)).sum(axis=0, dtype=np.float64)
    return summed


def analyse(
    network: PrototypeNetwork,
    card: ModelCard,
    training: RoiSet,
    test: RoiSet | None = None,
    *,
    nearest: int = NEAREST,
    features: torch.Tensor | None = None,
    cancelled: IsCancelled = never,
) -> Gallery:
    """The gallery of every prototype over the training ROIs and, where given, the test ROIs.

    ``features`` (n, C0, h, w): the trunk's output for the training ROIs, where it was computed before.
    """
    seen = sweep(network, training, features=features, cancelled=cancelled)
    held = None if test is None else sweep(network, test, cancelled=cancelled)
    prototypes = []
    for j, class_index in enumerate(card.prototype_class):
        around = _nearest(training, seen, j, nearest)
        prototypes.append(
            PrototypeGallery(
                index=j,
                class_index=class_index,
                training=around,
                test=() if test is None or held is None else _nearest(test, held, j, nearest),
                purity=(sum(patch.class_index == class_index for patch in around), len(around)),
                inside_margin=(int(seen.inside[j, 0]), int(seen.inside[j, 1])),
            )
        )
    return Gallery(prototypes=tuple(prototypes), likeness=likeness(network, card, seen))


def _nearest(rois: RoiSet, seen: Sweep, j: int, count: int) -> tuple[NearestPatch, ...]:
    order = sorted(range(len(rois)), key=lambda row: (-float(seen.peak[row, j]), rois.lesion_ids[row]))
    return tuple(_patch(rois, seen, row, j) for row in order[:count])


def _patch(rois: RoiSet, seen: Sweep, row: int, j: int) -> NearestPatch:
    r, c = divmod(int(seen.peak_cell[row, j]), seen.grid[1])
    size = rois.transform.input_size
    height, width = size / seen.grid[0], size / seen.grid[1]
    box = Box(x0=c * width, y0=r * height, x1=(c + 1) * width, y1=(r + 1) * height)
    return NearestPatch(
        lesion_id=rois.lesion_ids[row],
        class_index=int(rois.label[row]),
        similarity=float(seen.peak[row, j]),
        cell=(r, c),
        patch_box=box,
        patch_box_image=rois.image_to_input[row].inverse().of_box(box),
    )


def likeness(network: PrototypeNetwork, card: ModelCard, seen: Sweep) -> tuple[PrototypeLikeness, ...]:
    """Every pair of prototypes, measured on the pass over the training ROIs."""
    vectors = network.prototypes.detach().cpu().numpy().astype(np.float64).reshape(len(card.prototype_class), -1)
    correlation = _correlation(seen.scores.astype(np.float64))
    pairs = []
    for a in range(len(vectors)):
        for b in range(a + 1, len(vectors)):
            source = bool(card.prototypes) and card.prototypes[a].lesion_id == card.prototypes[b].lesion_id
            value = float(correlation[a, b])
            pairs.append(
                PrototypeLikeness(
                    first=a,
                    second=b,
                    same_class=card.prototype_class[a] == card.prototype_class[b],
                    same_source=source,
                    same_patch=source and card.prototypes[a].cell == card.prototypes[b].cell,
                    latent_distance=float(np.linalg.norm(vectors[a] - vectors[b])),
                    score_correlation=value if np.isfinite(value) else None,
                    map_overlap=float(seen.overlap[a, b]),
                )
            )
    return tuple(pairs)


def _correlation(scores: Float) -> Float:
    """(m, m) Pearson correlation of the columns; NaN where a column is constant."""
    if len(scores) == 0:
        return np.full((scores.shape[1], scores.shape[1]), np.nan)
    centred = scores - scores.mean(axis=0)
    norm = np.sqrt((centred**2).sum(axis=0))
    scale = np.outer(norm, norm)
    table: Float = np.divide(centred.T @ centred, scale, out=np.full_like(scale, np.nan), where=scale > 0)
    return table


LIMITS = {"latent": 0.1, "correlation": 0.99, "overlap": 0.9}
"""The default limits beyond which two prototypes count as near duplicates."""


def _linked(pair: PrototypeLikeness, criterion: str, limit: float | None) -> bool:
    bound = LIMITS.get(criterion, 0.0) if limit is None else limit
    match criterion:
        case "source":
            return pair.same_source
        case "patch":
            return pair.same_patch
        case "latent":
            return pair.latent_distance <= bound
        case "correlation":
            return pair.score_correlation is not None and pair.score_correlation >= bound
        case "overlap":
            return pair.map_overlap >= bound
    raise ValueError(f"there is no criterion {criterion!r} for duplicates")


def _connected(links: list[tuple[int, int]]) -> tuple[tuple[int, ...], ...]:
    """Connected components of a graph given by its links."""
    groups: list[set[int]] = []
    for link in links:
        touched = [group for group in groups if group & set(link)]
        groups = [group for group in groups if not group & set(link)]
        groups.append(set(link).union(*touched))
    return tuple(sorted(tuple(sorted(group)) for group in groups))
