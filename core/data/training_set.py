"""The ROIs of a study as arrays: pixels read once an image, masks drawn from the shapes, results kept on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from core.data.labels import OUTSIDE, LabelName, LesionTruth, Opinions
from core.data.roi import extract_pixels, image_to_input, image_to_stored, roi_square, stored_square
from core.data.roi_set import InputTransform, RoiSet, UInt8
from core.data.split import SplitRow
from core.data.windowing import grey_table, table_index
from core.domain.errors import ArrayLostError, Cancelled, StudyError
from core.domain.events import Emit, IsCancelled, Progress, never, silent
from core.domain.geometry import Affine
from core.domain.study import Image, Lesion
from core.imaging.raster import rasterise, rasterise_outline
from core.store.study import Study

_VERSION = 1
"""Of the extraction; one more wherever the same inputs give other arrays, so that kept ones are not used."""


class Exclusion(msgspec.Struct, frozen=True, kw_only=True):
    """A lesion that is not among the ROIs."""

    lesion_id: str
    reason: str


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingSet:
    rois: RoiSet
    exclusions: tuple[Exclusion, ...]


@dataclass(frozen=True, kw_only=True)
class RoiRequest:
    """Which lesions, and what of them."""

    transform: InputTransform
    class_names: tuple[str, ...]
    label: LabelName = "margin"
    sources: tuple[str, ...] | None = None
    """Data sets to take; None for all."""
    readers: tuple[str, ...] | None = None
    """Whose labels and annotations count, the first before the others; None: see ``core.data.labels``."""
    unlabelled: bool = False
    """Whether lesions of no trained class come too, with label -1 (for explanations)."""


def build_roi_set(
    study: Study, request: RoiRequest, *, emit: Emit = silent, cancelled: IsCancelled = never
) -> TrainingSet:
    """The ROIs of a study in the order of its lesions, and why others are left out.

    Read from the derived array of the same inputs where there is one, else computed and, where the study is
    open for writing, kept. StudyError where no lesion is left.
    """
    items, exclusions = _collected(study, request)
    if not items:
        reasons = "; ".join(sorted({exclusion.reason for exclusion in exclusions})) or "it has none"
        raise StudyError(
            f"No lesion of the study can be used ({reasons}). Import, label or outline lesions first."
        )
    name = f"rois-{_fingerprint(request, items)[:32]}"
    try:
        rois = _kept(study, name, request, items) if study.arrays.has_derived(name) else None
    except ArrayLostError:
        rois = None
    if rois is None:
        rois = _extracted(study, request, items, emit, cancelled)
        if study.writable:
            study.arrays.write_derived(name, {n: getattr(rois, n) for n in ("pixels", "lesion", "fine")})
    return TrainingSet(rois=rois, exclusions=tuple(exclusions))


def roi_of_lesion(study: Study, lesion_id: str, request: RoiRequest) -> RoiSet:
    """The ROI of one lesion as a set of one, whatever its class or source; label -1 for no trained class."""
    lesion = study.lesions.get(lesion_id)
    image = study.images.get(lesion.image_id)
    truth = Opinions(study, label=request.label, readers=request.readers).of(lesion)
    item = _Item(lesion=lesion, image=image, truth=truth, source=study.patients.get(image.patient_id).source)
    return _extracted(study, request, [item], silent, never)


def roi_split_rows(study: Study, rois: RoiSet) -> list[SplitRow]:
    """The ROIs as ``core.data.split`` wants them, with the hashes of their images and of their inputs."""
    image_of = {lesion.id: lesion.image_id for lesion in study.lesions.all()}
    sha256 = {image.id: image.content_sha256 for image in study.images.all()}
    return [
        SplitRow(
            patient_id=rois.patient_ids[row],
            class_name=rois.class_names[rois.label[row]] if rois.label[row] >= 0 else None,
            content=(sha256[image_of[rois.lesion_ids[row]]], rois.roi_sha256(row)),
        )
        for row in range(len(rois))
    ]


@dataclass(frozen=True, kw_only=True)
class _Item:
    lesion: Lesion
    image: Image
    truth: LesionTruth
    source: str


def _collected(study: Study, request: RoiRequest) -> tuple[list[_Item], list[Exclusion]]:
    images = {image.id: image for image in study.images.all()}
    sources = {patient.id: patient.source for patient in study.patients.all()}
    opinions = Opinions(study, label=request.label, readers=request.readers)
    items: list[_Item] = []
    exclusions: list[Exclusion] = []
    for lesion in study.lesions.all():
        image = images[lesion.image_id]
        item = _Item(lesion=lesion, image=image, truth=opinions.of(lesion), source=sources[image.patient_id])
        reason = _reason_against(item, request)
        if reason:
            exclusions.append(Exclusion(lesion_id=lesion.id, reason=reason))
        else:
            items.append(item)
    return items, exclusions


def _reason_against(item: _Item, request: RoiRequest) -> str:
    if not item.lesion.is_inside(item.image):
        return OUTSIDE
    if request.sources is not None and item.source not in request.sources:
        return f"its source {item.source} was not chosen"
    if request.unlabelled:
        return ""
    if item.truth.word is None:
        return item.truth.doubt
    if item.truth.word not in request.class_names:
        return f"its {request.label} {item.truth.word} is not trained"
    return ""


def _fingerprint(request: RoiRequest, items: Sequence[_Item]) -> str:
    """Of everything that the pixels and masks depend on; labels are not among it."""
    inputs = [
        (
            item.lesion.id,
            item.lesion.outline,
            item.truth.fine,
            item.image.content_sha256,
            item.lesion.frame,
            item.image.windows,
            item.image.photometric,
            (item.image.rescale_slope, item.image.rescale_intercept, item.image.pixel_spacing_mm),
        )
        for item in items
    ]
    return hashlib.sha256(msgspec.json.encode((_VERSION, request.transform, inputs))).hexdigest()


def _kept(study: Study, name: str, request: RoiRequest, items: Sequence[_Item]) -> RoiSet | None:
    arrays, _ = study.arrays.read_derived(name)
    size = request.transform.stored_size
    if any(arrays[n].shape != (len(items), size, size) for n in ("pixels", "lesion", "fine")):
        return None
    pixels, lesion, fine = (np.ascontiguousarray(arrays[n], dtype=np.uint8) for n in ("pixels", "lesion", "fine"))
    return _assembled(request, items, pixels, lesion, fine)


def _extracted(
    study: Study, request: RoiRequest, items: Sequence[_Item], emit: Emit, cancelled: IsCancelled
) -> RoiSet:
    size = request.transform.stored_size
    pixels, lesion, fine = (np.zeros((len(items), size, size), np.uint8) for _ in range(3))
    rows_of: dict[tuple[str, int], list[int]] = {}
    for row, item in enumerate(items):
        rows_of.setdefault((item.image.id, item.lesion.frame), []).append(row)
    done = 0
    for (image_id, frame), rows in rows_of.items():
        if cancelled():
            raise Cancelled
        # of a tomosynthesis, the slice that the lesion was drawn on (paper, Discussion)
        stored = study.arrays.read_pixels(image_id, frame=frame)
        table = grey_table(items[rows[0]].image, stored, request.transform.window)
        for row in rows:
            square = roi_square(items[row].lesion.box, request.transform)
            around = stored_square(square, request.transform)
            pixels[row] = extract_pixels(table_index(stored), around, size, lut=table)
            lesion[row], fine[row] = _masks(items[row], image_to_stored(square, request.transform), size)
        done += len(rows)
        emit(Progress(stage="regions of interest", done=done, total=len(items)))
    return _assembled(request, items, pixels, lesion, fine)


def _masks(item: _Item, image_to_grid: Affine, size: int) -> tuple[UInt8, UInt8]:
    """Lesion and fine mask on the stored grid, 1 = marked."""
    lesion = rasterise_outline(item.lesion.outline, width=size, height=size, image_to_grid=image_to_grid)
    fine = rasterise(
        item.truth.fine,
        width=size,
        height=size,
        spacing_mm=item.image.pixel_spacing_mm,
        image_to_grid=image_to_grid,
    )
    return lesion, fine


def _assembled(request: RoiRequest, items: Sequence[_Item], pixels: UInt8, lesion: UInt8, fine: UInt8) -> RoiSet:
    index = {name: i for i, name in enumerate(request.class_names)}
    squares = [roi_square(item.lesion.box, request.transform) for item in items]
    return RoiSet(
        transform=request.transform,
        class_names=request.class_names,
        pixels=pixels,
        lesion=lesion,
        fine=fine,
        # an annotation that was erased whole, or lies elsewhere, is none
        has_fine=np.asarray(fine.any(axis=(1, 2))),
        label=np.array([index.get(item.truth.word or "", -1) for item in items], dtype=np.int64),
        malignant=np.array([item.truth.malignant for item in items], dtype=np.int64),
        lesion_ids=tuple(item.lesion.id for item in items),
        patient_ids=tuple(item.image.patient_id for item in items),
        finding_ids=tuple(item.lesion.finding_id for item in items),
        sources=tuple(item.source for item in items),
        image_to_input=tuple(image_to_input(square, request.transform) for square in squares),
        synthetic=any(item.image.synthetic for item in items),
    )
