"""Results that came back, from an archive or from another program, as annotations of a named reader.

A lesion of the study is known again by its tracking UID, else by the same outline in the same image; another one
is new. Where a Segmentation and shapes speak of one lesion, the shapes are taken if they make its mask, and else
shapes that make the mask to the bit. What a model found is in the report to be read, and is not taken over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from numpy.typing import NDArray

from core.data.importers.pending import stable_id
from core.data.importers.plan import Issue, Severity
from core.domain.errors import BadFileError, Cancelled, StudyError
from core.domain.events import Emit, IsCancelled, Progress, never, silent
from core.domain.shapes import Shape
from core.domain.study import Finding, Image, Labels, Lesion, LesionOutline
from core.exchange.dicom.lesion_report import ReportRead
from core.exchange.dicom.read_results import GspsRead, ResultReader, SegRead
from core.exchange.dicom.references import Naming
from core.exchange.masks.mask_shapes import shapes_of_mask
from core.exchange.stored_matrix import hung_image, hung_mask, hung_shape, stored_image
from core.imaging.raster import rasterise, rasterise_outline
from core.store.study import Study

if TYPE_CHECKING:
    from core.store.identity import IdentityFile

_ENDING = ".dcm"
_NOTHING = Labels()
Mask = NDArray[np.uint8]


class ResultsRead(msgspec.Struct, frozen=True, kw_only=True):
    """What was read back; of a dry run what would be."""

    reader: str
    files: int
    fine_annotations: int
    """New revisions; an annotation that marks what the reader's own marks already is none."""
    labels: int
    new_lesions: int
    issues: tuple[Issue, ...]


@dataclass(kw_only=True)
class _Lesion:
    """What the files say of one lesion."""

    image: Image
    tracking_uid: str
    where: str
    outline: LesionOutline | None = None
    outline_mask: Mask | None = None
    shapes: tuple[Shape, ...] = ()
    mask: Mask | None = None
    """Of the fine annotation."""
    labels: Labels = _NOTHING


@dataclass(kw_only=True)
class _Files:
    lesions: dict[tuple[str, str], _Lesion] = field(default_factory=dict)
    issues: list[Issue] = field(default_factory=list)
    read: int = 0


@dataclass(kw_only=True)
class _Change:
    lesion: Lesion
    new: bool
    fine: tuple[Shape, ...]
    labels: Labels | None


def read_results(
    study: Study,
    place: Path,
    *,
    reader: str,
    identity: IdentityFile | None = None,
    dry_run: bool = False,
    emit: Emit = silent,
    cancelled: IsCancelled = never,
) -> ResultsRead:
    """Read the SEG, SR and GSPS of a folder (``*.dcm``, also in folders in it) or one file into the study.

    ``identity``: knows the images of files with original identifiers. All changes are made together or, after an
    error, none. A file that cannot be used is an issue. BadFileError where there is none at all.
    """
    if not reader.strip():
        raise StudyError("Say whose annotations these become: --reader NAME.")
    paths = [place] if place.is_file() else sorted(place.rglob(f"*{_ENDING}"))
    if not paths:
        raise BadFileError(f"{place} holds no results: no file in it ends in {_ENDING}.")
    found = _read_files(study, paths, identity, emit, cancelled)
    changes = _changes(study, found, reader)
    if not dry_run:
        _apply(study, changes, reader)
    return ResultsRead(
        reader=reader,
        files=found.read,
        fine_annotations=sum(bool(change.fine) for change in changes),
        labels=sum(change.labels is not None for change in changes),
        new_lesions=sum(change.new for change in changes),
        issues=tuple(found.issues),
    )


def _read_files(
    study: Study, paths: Sequence[Path], identity: IdentityFile | None, emit: Emit, cancelled: IsCancelled
) -> _Files:
    images = _images(study, identity)
    found = _Files()
    with ResultReader() as reader:
        for done, path in enumerate(paths, start=1):
            if cancelled():
                raise Cancelled
            try:
                read = reader.any(path)
                image = images.get(read.source_uid)
                if image is None:
                    raise BadFileError(
                        f"{path.name} refers to an image that this study does not know; where the file carries "
                        "original identifiers, the identity file is needed (--identity)."
                    )
                _take(found, read, image, path.name)
                found.read += 1
            except BadFileError as error:
                sentence = str(error).replace("A file ", f"{path.name} ", 1)
                found.issues.append(Issue(where=path.name, sentence=sentence, severity=Severity.WRONG))
            emit(Progress(stage="read results", done=done, total=len(paths)))
    for told in found.lesions.values():
        _hang(told)
    return found


def _hang(told: _Lesion) -> None:
    """Turn what the files say of a lesion, in the stored matrix, to the picture as it hangs."""
    stored = told.image
    if not stored.turn:
        return
    told.image = hung_image(stored)
    told.outline = None if told.outline is None else hung_shape(told.outline, stored)
    told.outline_mask = None if told.outline_mask is None else hung_mask(told.outline_mask, stored)
    told.shapes = tuple(hung_shape(shape, stored) for shape in told.shapes)
    told.mask = None if told.mask is None else hung_mask(told.mask, stored)


def _images(study: Study, identity: IdentityFile | None) -> dict[str, Image]:
    """By the UIDs of this study's exports and, with the identity file, by the original ones."""
    # files refer to the stored matrix
    images = [stored_image(image) for image in study.images.all()]
    named: dict[str, Image] = {}
    if study.links.kept:
        naming = Naming(study)
        named = {naming.uid("image", image.id): image for image in images}
    for image in images:
        link = None if identity is None else identity.uids_of(image.id)
        if link is not None:
            named[link.sop_uid] = image
    return named


def _take(found: _Files, read: SegRead | ReportRead | GspsRead, image: Image, where: str) -> None:
    def of(uid: str) -> _Lesion:
        fresh = _Lesion(image=image, tracking_uid=uid, where=where)
        return found.lesions.setdefault((image.id, uid), fresh)

    match read:
        case SegRead():
            if read.masks.shape[1:] != (image.height, image.width):
                raise BadFileError(f"{where} has masks of another size than its image.")
            for facts, mask in zip(read.segments, read.masks, strict=True):
                lesion = of(facts.tracking_uid)
                if "fine" in facts.label:
                    lesion.mask = mask
                else:
                    lesion.outline_mask = mask
        case ReportRead():
            for told in read.lesions:
                lesion = of(told.tracking_uid)
                lesion.outline, lesion.labels = told.outline, told.labels
                lesion.shapes = told.fine or lesion.shapes
        case GspsRead():
            drawn: dict[str, list[Shape]] = {}
            for graphic in read.graphics:
                lesion = of(graphic.tracking_uid)
                if not graphic.outline:
                    drawn.setdefault(graphic.tracking_uid, []).append(graphic.shape)
                elif lesion.outline is None and isinstance(graphic.shape, LesionOutline):
                    lesion.outline = graphic.shape
            for uid, shapes in drawn.items():
                # a report says widths in their own unit and goes first
                of(uid).shapes = of(uid).shapes or tuple(shapes)


def _changes(study: Study, found: _Files, reader: str) -> list[_Change]:
    naming = Naming(study) if study.links.kept else None
    lesions = study.lesions.all()
    by_uid = {} if naming is None else {naming.uid("lesion", lesion.id): lesion for lesion in lesions}
    person = study.readers.find(reader)
    changes: list[_Change] = []
    for told in found.lesions.values():
        lesion = by_uid.get(told.tracking_uid)
        if lesion is None or lesion.image_id != told.image.id:
            lesion = _same_outline(told, [one for one in lesions if one.image_id == told.image.id])
        new = lesion is None
        if lesion is None:
            number = 1 + sum(one.image_id == told.image.id for one in lesions)
            lesion = _new_lesion(told, number)
            if lesion is None:
                sentence = f"{told.where} describes a lesion without an outline; it is left out."
                found.issues.append(Issue(where=told.where, sentence=sentence, severity=Severity.LEFT_OUT))
                continue
            lesions = (*lesions, lesion)
        fine, labels = _fine(told), told.labels if told.labels != _NOTHING else None
        if person is not None and not new:
            current = study.annotations.current(lesion.id, person.id)
            if current is not None and np.array_equal(
                _drawn(current.shapes, told.image), _drawn(fine, told.image)
            ):
                fine = ()
            if labels == study.lesions.labels(lesion.id, reader_id=person.id):
                labels = None
        changes.append(_Change(lesion=lesion, new=new, fine=fine, labels=labels))
    return changes


def _same_outline(told: _Lesion, lesions: Sequence[Lesion]) -> Lesion | None:
    mask = told.outline_mask
    if mask is None and told.outline is not None:
        mask = _outlined(told.outline, told.image)
    if mask is None:
        return None
    return next((one for one in lesions if np.array_equal(_outlined(one.outline, told.image), mask)), None)


def _new_lesion(told: _Lesion, number: int) -> Lesion | None:
    outline = told.outline
    if outline is None and told.outline_mask is not None:
        outline = next(iter(shapes_of_mask(told.outline_mask)), None)
    if outline is None or told.image.frames > 1:
        return None
    names = (told.image.id, str(number))
    finding = stable_id("finding", *names)
    return Lesion(
        id=stable_id("lesion", *names), finding_id=finding, image_id=told.image.id, outline=outline, number=number
    )


def _fine(told: _Lesion) -> tuple[Shape, ...]:
    if told.mask is None:
        return told.shapes
    if told.shapes and np.array_equal(_drawn(told.shapes, told.image), told.mask):
        return told.shapes
    return shapes_of_mask(told.mask)


def _drawn(shapes: tuple[Shape, ...], image: Image) -> Mask:
    return rasterise(shapes, width=image.width, height=image.height, spacing_mm=image.pixel_spacing_mm)


def _outlined(outline: LesionOutline, image: Image) -> Mask:
    return rasterise_outline(outline, width=image.width, height=image.height)


def _apply(study: Study, changes: Sequence[_Change], reader: str) -> None:
    with study.batch():
        person = study.readers.ensure(reader)
        for change in changes:
            lesion = change.lesion
            if change.new:
                patient = study.images.get(lesion.image_id).patient_id
                study.lesions.add_finding(Finding(id=lesion.finding_id, patient_id=patient))
                study.lesions.add(lesion)
            if change.fine:
                study.annotations.commit(lesion.id, person.id, change.fine)
            if change.labels is not None:
                study.lesions.set_labels(lesion.id, change.labels, reader_id=person.id)
