"""The ROIs of a study as arrays, as training, projection and explanation read them.

Each ROI is stored with a margin of context around it, at the resolution of the network input, so that augmentation
can turn and shift it without inventing pixels. The un-augmented network input is exactly the central ``input_size
x input_size`` crop of the stored square.

A set is held in memory whole, one byte per value: 0.34 GB per 1,000 ROIs of 224 px (a square of 336 px and its two
masks), 0.11 GB of 112 px. The copies of the training and validation parts of a run take about as much again
(``tests.benchmarks.bench_memory``). The paper's 1,136 images take 0.8 GB, and 16 GB hold 18,000. Every epoch draws
at random from the whole set. A mapped file would be in memory as well where it fits, and be read from the disk
once an epoch where it does not. A plan's memory is measured and reported before its first run; screens and import
hold a page or an image, whatever the study's size. The cached arrays are limited to 38,000 ROIs of 224 px (4 GiB,
``core.store.hdf5``): a larger set is gathered anew for each run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from core.domain.geometry import Affine
from core.domain.units import in_unit


class InputTransform(msgspec.Struct, frozen=True, kw_only=True):
    """From mammogram to network input. Part of the model and its checkpoint; used by everything alike."""

    input_size: Annotated[int, msgspec.Meta(ge=32, le=1024), in_unit("px")] = 224
    """Side of the square network input, in its pixels."""
    context: Literal["paper", "compact", "lesion", "mm"] = "paper"
    """paper: 100 mammogram pixels on each side of the lesion box; compact: half the lesion's size; lesion: a side
    of ``context_scale`` times the lesion's; mm: ``context_mm`` on each side, for images whose spacing is known."""
    context_scale: Annotated[float, msgspec.Meta(ge=1.2, le=8), in_unit("of the lesion")] = 2.0
    """Side of the ROI over the larger side of the lesion box, for ``context = lesion``."""
    context_mm: Annotated[float, msgspec.Meta(ge=0.5, le=100), in_unit("mm")] = 10.0
    """Context on each side of the lesion box, for ``context = mm``."""
    window: Literal["file", "percentile", "roi"] = "file"
    """file: the first VOI window of the file where it has one, else percentile (0.5 to 99.9 of the breast); roi:
    0.5 to 99.5 percent of the ROI's own values."""
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    """Normalisation, per channel, of the grey value in [0, 1] that is repeated in all three (ImageNet's)."""
    stored_share: Annotated[float, msgspec.Meta(ge=1.0, le=3.0), in_unit("of the side")] = 1.5
    """Side of the stored square over the side of the ROI."""

    @property
    def stored_size(self) -> int:
        """Side of the stored square in pixels; of the same parity as the input, so that the crop is exact."""
        size = round(self.input_size * self.stored_share)
        return size + (size - self.input_size) % 2

    @property
    def lesion_share(self) -> float:
        """Larger side of the lesion over the side of the ROI; a half where it depends on the lesion."""
        return 1 / self.context_scale if self.context == "lesion" else 0.5

    @property
    def crop_offset(self) -> int:
        return (self.stored_size - self.input_size) // 2


UInt8 = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True, eq=False)
class RoiSet:
    """``n`` ROIs. Masks are 1 where marked (relevant), the opposite of the paper's ``m``; see imaging.raster."""

    transform: InputTransform
    class_names: tuple[str, ...]
    """Trained classes, in the order of the logits."""
    pixels: UInt8
    """(n, S, S) grey values after the window, S = ``transform.stored_size``."""
    lesion: UInt8
    """(n, S, S): 1 inside the lesion's outline."""
    fine: UInt8
    """(n, S, S): 1 where the fine annotation marks the margin; all 0 where ``has_fine`` is False."""
    has_fine: NDArray[np.bool_]
    label: NDArray[np.int64]
    """(n,) index into ``class_names``; -1 where the lesion has none of them."""
    malignant: NDArray[np.int64]
    """(n,) 1 malignant, 0 benign, -1 no biopsy."""
    lesion_ids: tuple[str, ...]
    patient_ids: tuple[str, ...]
    finding_ids: tuple[str, ...]
    sources: tuple[str, ...]
    image_to_input: tuple[Affine, ...]
    """From mammogram pixels to pixels of the un-augmented network input."""
    synthetic: bool = False
    """True if any of the images is synthetic; everything made from the set is then marked as synthetic."""

    def __len__(self) -> int:
        return len(self.lesion_ids)

    def rows(self, index: Sequence[int] | NDArray[np.int64] | NDArray[np.bool_]) -> RoiSet:
        """The ROIs of these rows, in this order (a boolean array selects)."""
        array = np.asarray(index)
        chosen = np.flatnonzero(array) if array.dtype == np.bool_ else array.astype(np.int64)

        def pick(values: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(values[i] for i in chosen)

        return replace(
            self,
            pixels=self.pixels[chosen],
            lesion=self.lesion[chosen],
            fine=self.fine[chosen],
            has_fine=self.has_fine[chosen],
            label=self.label[chosen],
            malignant=self.malignant[chosen],
            lesion_ids=pick(self.lesion_ids),
            patient_ids=pick(self.patient_ids),
            finding_ids=pick(self.finding_ids),
            sources=pick(self.sources),
            image_to_input=tuple(self.image_to_input[i] for i in chosen),
        )

    def central(self, stored: UInt8) -> UInt8:
        """(n, I, I): the un-augmented crop of ``pixels``, ``lesion`` or ``fine``; a view."""
        o, size = self.transform.crop_offset, self.transform.input_size
        return stored[..., o : o + size, o : o + size]

    def roi_sha256(self, row: int) -> str:
        """Content hash of the un-augmented network input of one ROI."""
        return hashlib.sha256(np.ascontiguousarray(self.central(self.pixels[row])).tobytes()).hexdigest()

    def fingerprint(self) -> str:
        """Hash of everything that training sees: pixels, masks, labels and identifiers."""
        digest = hashlib.sha256(msgspec.json.encode((self.transform, self.class_names, self.lesion_ids)))
        for array in (self.pixels, self.lesion, self.fine, self.has_fine, self.label, self.malignant):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()
