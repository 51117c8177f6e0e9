"""The ROIs of a study as arrays: pixels read once an image, masks drawn from the shapes, results kept on disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import msgspec
import numpy as np

from core.data.data_snapshot import (
    DataSnapshot,
    Exclusion,
    LesionSnapshot,
    refuse_missing,
    truths_of,
)
from core.data.labels import OUTSIDE, LabelName, LabelRule, LesionTruth, Opinions
from core.data.random_roi import placement_generator, random_square
from core.data.roi import NO_SPACING, extract_pixels, image_to_input, image_to_stored, roi_square, stored_square
from core.data.roi_cache import CachedRois, find_rois, keep_rois, key_of, no_rois
from core.data.roi_set import InputTransform, RoiSet, UInt8
from core.data.split import SplitRow
from core.data.windowing import grey_table, roi_grey_table, table_index
from core.domain.errors import Cancelled, StudyError
from core.domain.events import Emit, IsCancelled, Progress, never, silent
from core.domain.geometry import Affine, Box
from core.domain.messages import Sentence, message
from core.domain.study import Image, Lesion
from core.imaging.raster import rasterise, rasterise_outline
from core.store.study import Study

JUDGED_SEED = 1
"""Seed of the random ROIs on which localisation is evaluated: the same ones for every model of a study."""


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
    """Whose labels and annotations count, the first before the others; None: as ``labels`` has it."""
    labels: LabelRule = field(default_factory=LabelRule)
    """Whose labels count, and what happens where readers differ."""
    unlabelled: bool = False
    """True to include lesions of no trained class, with label -1 (for explanations)."""


def build_roi_set(
    study: Study,
    request: RoiRequest,
    *,
    snapshot: DataSnapshot | None = None,
    emit: Emit = silent,
    cancelled: IsCancelled = never,
) -> TrainingSet:
    """The ROIs of a study in the order of its lesions, and why others are left out.

    Those that were cut out before are read from the study; the others are computed and, where the study is open
    for writing, kept. ``snapshot``: take the lesions, labels and annotations as they were then. StudyError where
    no lesion is left, or where one of the snapshot is no longer in the study.
    """
    items, exclusions = _collected(study, request) if snapshot is None else _recalled(study, request, snapshot)
    if not items:
        reasons = "; ".join(sorted({exclusion.reason for exclusion in exclusions})) or "it has none"
        raise StudyError(
            message(
                "No lesion of the study can be used ({reasons}). Import, label or outline lesions first.",
                reasons=reasons,
            )
        )
    found = _found(study, request, items, emit, cancelled)
    return TrainingSet(rois=_assembled(request, items, found), exclusions=tuple(exclusions))


def build_drawn_rois(
    study: Study,
    request: RoiRequest,
    lesion_ids: Sequence[str],
    *,
    seed: int = JUDGED_SEED,
    pixels: bool = True,
    emit: Emit = silent,
    cancelled: IsCancelled = never,
) -> RoiSet:
    """Return these lesions, in this order, in ROIs with random centre and scale, cut from the mammograms.

    The set has no context around the ROIs (``stored_share`` 1): it is for evaluation, not for augmentation.
    Without ``pixels`` only the masks are drawn and the grey values are 0.

    Raises: StudyError if a lesion cannot be used.
    """
    request = replace(request, transform=msgspec.structs.replace(request.transform, stored_share=1.0))
    item_of = {item.lesion.id: item for item in _collected(study, request)[0]}
    lost = [lesion for lesion in lesion_ids if lesion not in item_of]
    if lost:
        raise StudyError(
            message(
                "Lesion {lesion} cannot be evaluated any more: its labels or its outline changed.",
                lesion=lost[0][:8],
            )
        )
    items = [_drawn(item_of[lesion], seed) for lesion in lesion_ids]
    if not pixels:
        found = no_rois([_key(item) for item in items], request.transform)
        for row, item in enumerate(items):
            size = request.transform.stored_size
            grid = image_to_stored(item.square, request.transform)
            found.lesion[row], found.fine[row] = _masks(item, grid, size)
        return _assembled(request, items, found)
    return _assembled(request, items, _found(study, request, items, emit, cancelled))


def _drawn(item: _Item, seed: int) -> _Item:
    random = placement_generator(item.lesion.id, seed)
    square = random_square(item.lesion.box, item.image.box, random)
    return replace(item, square=square, drawn=True)


def _found(
    study: Study, request: RoiRequest, items: Sequence[_Item], emit: Emit, cancelled: IsCancelled
) -> CachedRois:
    """The regions of these items: kept ones, and new ones that are kept where the study is open for writing."""
    found = find_rois(study, [_key(item) for item in items], request.transform)
    new = np.flatnonzero(~found.known)
    if len(new):
        _extract(study, request, items, found, emit, cancelled)
        if study.writable:
            keep_rois(study, found, new, [_slot(item, request) for item in items], request.transform)
    return found


def _slot(item: _Item, request: RoiRequest) -> bytes:
    """Return the slot of a cached region: a newer region of this lesion for the same choice of readers replaces
    it."""
    return key_of((item.lesion.id, item.drawn, request.readers, request.labels))


def take_snapshot(study: Study, request: RoiRequest) -> DataSnapshot:
    """Return a snapshot of the data that ``build_roi_set`` would cut out now."""
    items, exclusions = _collected(study, request)
    lesions = tuple(
        LesionSnapshot(
            lesion=item.lesion,
            patient_id=item.image.patient_id,
            source=item.source,
            word=item.truth.word,
            malignant=item.truth.malignant,
            reader_id=item.truth.fine_reader,
            revision=item.truth.fine_revision,
        )
        for item in items
    )
    return DataSnapshot(lesions=lesions, exclusions=tuple(exclusions))


def roi_of_lesion(study: Study, lesion_id: str, request: RoiRequest) -> RoiSet:
    """The ROI of one lesion as a set of one, whatever its class or source; label -1 for no trained class."""
    lesion = study.lesions.get(lesion_id)
    image = study.images.get(lesion.image_id)
    truth = Opinions(study, label=request.label, readers=request.readers, rule=request.labels).of(lesion)
    source = study.patients.get(image.patient_id).source
    square = roi_square(lesion.box, request.transform, spacing_mm=image.pixel_spacing_mm)
    item = _Item(lesion=lesion, image=image, truth=truth, source=source, square=square)
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
    square: Box
    """The ROI, in image pixels."""
    drawn: bool = False
    """True where ``square`` has a random centre and scale."""


def _collected(study: Study, request: RoiRequest) -> tuple[list[_Item], list[Exclusion]]:
    images = {image.id: image for image in study.images.all()}
    sources = {patient.id: patient.source for patient in study.patients.all()}
    opinions = Opinions(study, label=request.label, readers=request.readers, rule=request.labels)
    items: list[_Item] = []
    exclusions: list[Exclusion] = []
    for lesion in study.lesions.all():
        image = images[lesion.image_id]
        if request.transform.context == "mm" and image.pixel_spacing_mm is None:
            exclusions.append(Exclusion(lesion_id=lesion.id, reason=NO_SPACING))
            continue
        square = roi_square(lesion.box, request.transform, spacing_mm=image.pixel_spacing_mm)
        item = _Item(
            lesion=lesion, image=image, truth=opinions.of(lesion), source=sources[image.patient_id], square=square
        )
        reason = _reason_against(item, request)
        if reason:
            exclusions.append(Exclusion(lesion_id=lesion.id, reason=reason))
        else:
            items.append(item)
    return items, exclusions


def _recalled(study: Study, request: RoiRequest, snapshot: DataSnapshot) -> tuple[list[_Item], list[Exclusion]]:
    """Return the items as ``_collected`` found them when the snapshot was taken."""
    refuse_missing(study, snapshot)
    images = {image.id: image for image in study.images.all()}
    items = [
        _Item(
            lesion=then.lesion,
            # an image may have been given to another patient since
            image=msgspec.structs.replace(images[then.lesion.image_id], patient_id=then.patient_id),
            truth=truth,
            source=then.source,
            square=roi_square(
                then.lesion.box, request.transform, spacing_mm=images[then.lesion.image_id].pixel_spacing_mm
            ),
        )
        for then, truth in zip(snapshot.lesions, truths_of(study, snapshot), strict=True)
    ]
    return items, list(snapshot.exclusions)


def _reason_against(item: _Item, request: RoiRequest) -> Sentence:
    if not item.lesion.is_inside(item.image):
        return OUTSIDE
    if request.sources is not None and item.source not in request.sources:
        return message("its source {source} was not chosen", source=item.source)
    if request.unlabelled:
        return message("")
    if item.truth.word is None:
        return item.truth.doubt
    if item.truth.word not in request.class_names:
        return message(
            "{label} '{word}' is not among the trained classes", label=request.label, word=item.truth.word
        )
    return message("")


def _key(item: _Item) -> bytes:
    """Hash of everything that the pixels and masks depend on, the transform aside; labels are not among it."""
    image = item.image
    return key_of(
        (
            *((item.square,) if item.drawn else ()),
            item.lesion.id,
            item.lesion.outline,
            item.truth.fine,
            image.content_sha256,
            item.lesion.frame,
            image.windows,
            image.photometric,
            image.padding,
            image.tables,
            (image.rescale_slope, image.rescale_intercept, image.pixel_spacing_mm),
        )
    )


def _extract(
    study: Study,
    request: RoiRequest,
    items: Sequence[_Item],
    found: CachedRois,
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
        image, window = items[rows[0]].image, request.transform.window
        tables = study.arrays.read_voi_luts(image_id) if image.tables else ()
        table = None if window == "roi" else grey_table(image, stored, window, tables)
        for row in rows:
            square = items[row].square
            around = stored_square(square, request.transform)
            lut = roi_grey_table(items[row].image, stored, square) if table is None else table
            found.pixels[row] = extract_pixels(table_index(stored), around, size, lut=lut)
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


def _assembled(request: RoiRequest, items: Sequence[_Item], found: CachedRois) -> RoiSet:
    index = {name: i for i, name in enumerate(request.class_names)}
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
        image_to_input=tuple(image_to_input(item.square, request.transform) for item in items),
        synthetic=any(item.image.synthetic for item in items),
    )
