"""The ROIs of a study as arrays: pixels read once an image, masks drawn from the shapes, results kept on disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from core.data.kept_rois import StoredRois, find_rois, keep_rois, key_of, no_rois
from core.data.labels import OUTSIDE, LabelName, LesionTruth, Opinions
from core.data.roi import extract_pixels, image_to_input, image_to_stored, roi_square, stored_square
from core.data.roi_set import InputTransform, RoiSet, UInt8
from core.data.split import SplitRow
from core.data.windowing import grey_table, table_index
from core.domain.errors import Cancelled, StudyError
from core.domain.events import Emit, IsCancelled, Progress, never, silent
from core.domain.geometry import Affine
from core.domain.study import Image, Lesion
from core.imaging.raster import rasterise, rasterise_outline
from core.store.study import Study

_VERSION = 2
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

    Those that were cut out before are read from the study; the others are computed and, where the study is open
    for writing, kept. StudyError where no lesion is left.
    """
    items, exclusions = _collected(study, request)
    if not items:
        reasons = "; ".join(sorted({exclusion.reason for exclusion in exclusions})) or "it has none"
        raise StudyError(
            f"No lesion of the study can be used ({reasons}). Import, label or outline lesions first."
        )
    found = find_rois(study, [_key(item) for item in items], request.transform, _VERSION)
    if not found.known.all():
        _extract(study, request, items, found, emit, cancelled)
        if study.writable:
            keep_rois(study, found, request.transform, _VERSION)
    return TrainingSet(rois=_assembled(request, items, found), exclusions=tuple(exclusions))


def roi_of_lesion(study: Study, lesion_id: str, request: RoiRequest) -> RoiSet:
    """The ROI of one lesion as a set of one, whatever its class or source; label -1 for no trained class."""
    lesion = study.lesions.get(lesion_id)
    image = study.images.get(lesion.image_id)
    truth = Opinions(study, label=request.label, readers=request.readers).of(lesion)
    item = _Item(lesion=lesion, image=image, truth=truth, source=study.patients.get(image.patient_id).source)
    found = no_rois([_key(item)], request.transform)
    _extract(study, request, [item], found, silent, never)
    return _assembled(request, [item], found)


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
        return f"{request.label} '{item.truth.word}' is not among the trained classes"
    return ""


def _key(item: _Item) -> bytes:
    """Of everything that the pixels and masks depend on, the transform aside; labels are not among it."""
    image = item.image
    return key_of(
        (
            item.lesion.id,
            item.lesion.outline,
            item.truth.fine,
            image.content_sha256,
            item.lesion.frame,
            image.windows,
            image.photometric,
            (image.rescale_slope, image.rescale_intercept, image.pixel_spacing_mm),
        )
    )


def _extract(
    study: Study,
    request: RoiRequest,
    items: Sequence[_Item],
    found: StoredRois,
    emit: Emit,
    cancelled: IsCancelled,
) -> None:
    """Cut out the regions that were not found."""
    size = request.transform.stored_size
    rows_of: dict[tuple[str, int], list[int]] = {}
    missing: list[int] = np.flatnonzero(~found.known).tolist()
    for row in missing:
        rows_of.setdefault((items[row].image.id, items[row].lesion.frame), []).append(row)
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
            found.pixels[row] = extract_pixels(table_index(stored), around, size, lut=table)
            found.lesion[row], found.fine[row] = _masks(
                items[row], image_to_stored(square, request.transform), size
            )
        done += len(rows)
        emit(Progress(stage="regions of interest", done=done, total=len(missing)))


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


def _assembled(request: RoiRequest, items: Sequence[_Item], found: StoredRois) -> RoiSet:
    index = {name: i for i, name in enumerate(request.class_names)}
    squares = [roi_square(item.lesion.box, request.transform) for item in items]
    return RoiSet(
        transform=request.transform,
        class_names=request.class_names,
        pixels=found.pixels,
        lesion=found.lesion,
        fine=found.fine,
        # an annotation that was erased whole, or lies elsewhere, is none
        has_fine=np.asarray(found.fine.any(axis=(1, 2))),
        label=np.array([index.get(item.truth.word or "", -1) for item in items], dtype=np.int64),
        malignant=np.array([item.truth.malignant for item in items], dtype=np.int64),
        lesion_ids=tuple(item.lesion.id for item in items),
        patient_ids=tuple(item.image.patient_id for item in items),
        finding_ids=tuple(item.lesion.finding_id for item in items),
        sources=tuple(item.source for item in items),
        image_to_input=tuple(image_to_input(square, request.transform) for square in squares),
        synthetic=any(item.image.synthetic for item in items),
    )
