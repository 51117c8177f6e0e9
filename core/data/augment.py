"""Augmentation on the fly: random parameters are drawn in one place and applied in another.

One set of parameters serves the ROI and its masks. Everything is cut from the stored context square, so there
are no black corners; where even that does not reach, it is reflected.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from core.data.random_roi import JUDGED
from core.data.roi_set import InputTransform, UInt8
from core.domain.units import in_unit

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Index = NDArray[np.int64]

ALL = slice(None)
REDRAWS = 20
"""Maximum number of redraws after crops that lost all relevant pixels of a mask; then the ROI is not augmented."""


class Augmentation(msgspec.Struct, frozen=True, kw_only=True):
    flips: bool = True
    quarter_turns: bool = False
    """Turns by a multiple of 90 degrees, before ``rotation_deg``."""
    rotation_deg: Annotated[float, msgspec.Meta(ge=0, le=180), in_unit("°")] = 15.0
    smallest_crop: Annotated[float, msgspec.Meta(gt=0.2, le=1), in_unit("of the side")] = 0.8
    """Side of the random crop over the side of the ROI, at the least."""
    centre_jitter: Annotated[float, msgspec.Meta(ge=0, le=1), in_unit("of the side")] = 0.1
    """Shift of the centre, as a share of the ROI's side, so that the middle is no evidence."""
    random_context: Annotated[float, msgspec.Meta(ge=0, le=1), in_unit("of the draws")] = 0.0
    """Share of the draws whose scale and centre are random as in ``core.data.random_roi``, in place of
    ``smallest_crop`` and ``centre_jitter``."""


@dataclass(frozen=True, kw_only=True, eq=False)
class AugmentParameters:
    """Augmentation parameters of ``n`` ROIs; all arrays (n,)."""

    flip_x: NDArray[np.bool_]
    flip_y: NDArray[np.bool_]
    angle_deg: Float64
    """By which the crop is turned, clockwise on the screen (y down)."""
    crop: Float64
    """Side of the crop over the side of the ROI."""
    shift_x: Float64
    shift_y: Float64
    """Offset of the crop's centre from the ROI's centre, as a share of the ROI's side."""

    def __len__(self) -> int:
        return len(self.crop)

    def matrices(self, transform: InputTransform) -> Float64:
        """(n, 2, 3): from pixels of the network input to pixels of the stored square (continuous frames)."""
        middle, centre = transform.input_size / 2, transform.stored_size / 2
        angle = np.deg2rad(self.angle_deg)
        cos, sin = self.crop * np.cos(angle), self.crop * np.sin(angle)
        fx, fy = np.where(self.flip_x, -1.0, 1.0), np.where(self.flip_y, -1.0, 1.0)
        out = np.empty((len(self), 2, 3))
        out[:, 0, 0], out[:, 0, 1] = cos * fx, -sin * fy
        out[:, 1, 0], out[:, 1, 1] = sin * fx, cos * fy
        target = np.stack(
            [centre + self.shift_x * transform.input_size, centre + self.shift_y * transform.input_size], axis=1
        )
        out[:, :, 2] = target - out[:, :, :2].sum(axis=2) * middle
        return out

    def rows(self, chosen: Index | slice) -> AugmentParameters:
        """The parameters of these rows."""
        return AugmentParameters(**{n: getattr(self, n)[chosen] for n in self.__dataclass_fields__})

    def replaced(self, rows: Index, other: AugmentParameters) -> AugmentParameters:
        """These parameters with those of ``rows`` taken from ``other`` (of ``len(rows)``)."""

        def mixed(mine: NDArray[Any], its: NDArray[Any]) -> NDArray[Any]:
            copy = mine.copy()
            copy[rows] = its
            return copy

        names = self.__dataclass_fields__
        return AugmentParameters(**{n: mixed(getattr(self, n), getattr(other, n)) for n in names})


def generator(seed: int, epoch: int, draw: int) -> np.random.Generator:
    """The random numbers of one draw, the same whether or not a run was interrupted before it."""
    counter = np.array([0, 0, draw, epoch], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=seed, counter=counter))


def no_augmentation(n: int) -> AugmentParameters:
    """The parameters that leave ``n`` ROIs as they are: the central crop."""
    no, zero = np.zeros(n, dtype=np.bool_), np.zeros(n)
    return AugmentParameters(flip_x=no, flip_y=no, angle_deg=zero, crop=np.ones(n), shift_x=zero, shift_y=zero)


def draw_parameters(
    random: np.random.Generator, n: int, settings: Augmentation, *, lesion_share: float = 0.5
) -> AugmentParameters:
    """Parameters for ``n`` ROIs. The crop lies anywhere in the ROI, and the ROI itself jitters.

    ``lesion_share``: the lesion's larger side over the side of the un-augmented ROI, for draws of random context.
    """
    flips = random.random((2, n)) < (0.5 if settings.flips else 0.0)
    crop = random.uniform(settings.smallest_crop, 1.0, n)
    reach = (1.0 - crop) / 2
    x, y = (random.uniform(-reach, reach) for _ in range(2))
    jitter = random.uniform(-settings.centre_jitter, settings.centre_jitter, (2, n))
    angle = random.uniform(-settings.rotation_deg, settings.rotation_deg, n)
    shift_x, shift_y = x + jitter[0], y + jitter[1]
    # numbers that a setting does not need are not drawn: without it the other draws stay as they were
    if settings.quarter_turns:
        angle = angle + 90.0 * random.integers(0, 4, n)
    if settings.random_context > 0:
        chosen = random.random(n) < settings.random_context
        side = lesion_share / random.uniform(JUDGED.smallest_lesion, JUDGED.largest_lesion, n)
        shift = random.uniform(-JUDGED.largest_shift, JUDGED.largest_shift, (2, n)) * side
        crop = np.where(chosen, side, crop)
        shift_x, shift_y = np.where(chosen, shift[0], shift_x), np.where(chosen, shift[1], shift_y)
    return AugmentParameters(
        flip_x=flips[0], flip_y=flips[1], angle_deg=angle, crop=crop, shift_x=shift_x, shift_y=shift_y
    )


def apply(
    parameters: AugmentParameters, pixels: UInt8, masks: UInt8, transform: InputTransform
) -> tuple[Float32, UInt8]:
    """The augmented ROIs (B, 1, I, I), float32 in [0, 1], and their masks (B, k, I, I), 1 = relevant.

    ``pixels`` (B, S, S), bilinear; ``masks`` (B, k, S, S), nearest neighbour, cut with the same map.
    """
    matrices = parameters.matrices(transform)
    grey = _warped(pixels[:, None], matrices, transform, nearest=False)
    return grey * np.float32(1 / 255), _warped(masks, matrices, transform, nearest=True)


def cut_masks(parameters: AugmentParameters, masks: UInt8, transform: InputTransform) -> UInt8:
    """The masks (B, k, I, I) of ``apply`` alone."""
    return _warped(masks, parameters.matrices(transform), transform, nearest=True)


def augment(
    random: np.random.Generator,
    pixels: UInt8,
    masks: UInt8,
    transform: InputTransform,
    settings: Augmentation,
    *,
    share: slice = ALL,
    draws: int = 0,
) -> tuple[Float32, UInt8, AugmentParameters]:
    """Draw and apply. A crop that loses every relevant pixel of a mask that has some is drawn again.

    ``pixels`` and ``masks`` are the rows ``share`` of a batch of ``draws`` (all of it), so that several processes
    that divide a batch between them give each image what one process would.
    """
    candidates = Candidates(random, draws or len(pixels), settings, lesion_share=transform.lesion_share)
    parameters = candidates.of_attempt(0).rows(share)
    cut = _warped(masks, parameters.matrices(transform), transform, nearest=True)
    had = masks.any(axis=(2, 3))
    for attempt in range(1, REDRAWS + 2):
        shown = np.asarray(cut.any(axis=(2, 3)))
        lost = np.flatnonzero(np.any(had & ~shown, axis=1))
        if lost.size == 0:
            break
        again = candidates.of_attempt(attempt).rows(share).rows(lost)
        parameters = parameters.replaced(lost, again)
        cut[lost] = _warped(masks[lost], again.matrices(transform), transform, nearest=True)
    grey = _warped(pixels[:, None], parameters.matrices(transform), transform, nearest=False)
    return grey * np.float32(1 / 255), cut, parameters


class Candidates:
    """Parameters of a batch's first draw and of the draws that replace lost crops, each for the whole batch.

    The parameters of one image do not depend on the results of the others.
    """

    def __init__(
        self, random: np.random.Generator, n: int, settings: Augmentation, *, lesion_share: float = 0.5
    ) -> None:
        self._random, self._n, self._settings, self._lesion_share = random, n, settings, lesion_share
        self._drawn: list[AugmentParameters] = []

    def of_attempt(self, attempt: int) -> AugmentParameters:
        """Return the parameters of all rows of the batch; after ``REDRAWS`` further draws, no augmentation."""
        if attempt > REDRAWS:
            return no_augmentation(self._n)
        while len(self._drawn) <= attempt:
            self._drawn.append(
                draw_parameters(self._random, self._n, self._settings, lesion_share=self._lesion_share)
            )
        return self._drawn[attempt]


def _warped(stacks: UInt8, matrices: Float64, transform: InputTransform, *, nearest: bool) -> UInt8:
    """(B, k, I, I) from (B, k, S, S). One plane at a time: six times faster on one core than a batched grid."""
    from core.imaging.opencv import cv2

    size = (transform.input_size, transform.input_size)
    flags = (cv2.INTER_NEAREST if nearest else cv2.INTER_LINEAR) | cv2.WARP_INVERSE_MAP
    # OpenCV's coordinates are those of pixel centres
    centred = matrices.copy()
    centred[:, :, 2] += centred[:, :, :2].sum(axis=2) * 0.5 - 0.5
    out = np.empty((*stacks.shape[:2], *size), dtype=np.uint8)
    for planes, results, matrix in zip(stacks, out, centred, strict=True):
        for plane, result in zip(planes, results, strict=True):
            cv2.warpAffine(plane, matrix, size, dst=result, flags=flags, borderMode=cv2.BORDER_REFLECT_101)
    return out


def balanced_draws(label: Sequence[int] | Index, n: int, random: np.random.Generator) -> Index:
    """``n`` rows, the same number of each class (to one), in random order.

    Within a class every row is drawn once before any is drawn again. Rows with label -1 are never drawn.
    """
    labels = np.asarray(label, dtype=np.int64)
    classes = np.unique(labels[labels >= 0])
    if classes.size == 0:
        raise ValueError("there is no ROI of any class to draw from")
    counts = np.full(classes.size, n // classes.size)
    counts[random.permutation(classes.size)[: n % classes.size]] += 1
    rows = [
        _cycled(np.flatnonzero(labels == c), int(count), random) for c, count in zip(classes, counts, strict=True)
    ]
    return random.permutation(np.concatenate(rows))


def _cycled(rows: Index, n: int, random: np.random.Generator) -> Index:
    rounds = -(-n // rows.size)
    return np.concatenate([random.permutation(rows) for _ in range(rounds)] or [rows[:0]])[:n]


@dataclass(frozen=True, kw_only=True)
class BatchPlan:
    """Plan for drawing the ROIs of an epoch."""

    batch_lesion: int
    """ROIs of a batch with a lesion-scale mask (paper: 75)."""
    batch_fine: int
    """ROIs of a batch with a fine mask (paper: 10)."""
    draws: int
    """ROIs an epoch; 0 means as many as there are with a class."""


def epoch_batches(
    label: Index, has_fine: NDArray[np.bool_], plan: BatchPlan, random: np.random.Generator
) -> list[Index]:
    """The rows of each batch of an epoch: first the lesion-scale part, then the finely annotated part.

    Both parts are balanced by class. The lesion-scale part is drawn from the ROIs without a fine annotation
    where these show every class, else from all; without any fine annotation both parts are one.
    """
    labels = np.asarray(label, dtype=np.int64)
    size = plan.batch_lesion + plan.batch_fine
    batches = max(1, -(-(plan.draws or int((labels >= 0).sum())) // size))
    fine_label = np.where(has_fine, labels, -1)
    coarse_label = np.where(has_fine, -1, labels)
    n_fine = plan.batch_fine if (fine_label >= 0).any() else 0
    if set(np.unique(coarse_label)) - {-1} != set(np.unique(labels)) - {-1}:
        coarse_label = labels
    coarse = balanced_draws(coarse_label, batches * (size - n_fine), random).reshape(batches, -1)
    fine = balanced_draws(fine_label, batches * n_fine, random) if n_fine else np.empty(0, dtype=np.int64)
    return list(np.concatenate([coarse, fine.reshape(batches, n_fine)], axis=1))
