"""Results that came back, from an archive or from another program, as annotations of a named reader.

A lesion of the study is recognised by its tracking UID, else by the same outline in the same image; any other one
is new. Where a Segmentation and shapes describe one lesion, the shapes are taken if they make its mask, and else
shapes that make the mask to the bit. A model's findings stay in the report and are not taken over.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from numpy.typing import NDArray

from core.data.importers.pending import stable_id
from core.data.importers.plan import Issue, Severity
from core.domain.errors import BadFileError, Cancelled, StudyError
from core.domain.events import Emit, IsCancelled, Progress, never, silent
from core.domain.messages import A_MASK, message, named
from core.domain.shapes import Shape
from core.domain.study import Finding, Image, Labels, Lesion, LesionOutline, Reader
from core.exchange.dicom.bitmaps import Bitmap
from core.exchange.dicom.fine_of_regions import shared_out
from core.exchange.dicom.read_results import NotDicomError, ResultReader
from core.exchange.dicom.references import Naming
from core.exchange.dicom.returned_lesions import NOTHING, ReturnedLesion, ReturnedResults
from core.exchange.masks.clipping import clipped
from core.imaging.raster import rasterise, rasterise_outline
from core.store.study import Study

if TYPE_CHECKING:
    from core.store.identity import IdentityFile

_MOST_NAMED = 5
_OWN_FILES = ("README.txt", "lesions.csv")
"""Files that every export of this program has beside its objects."""
Mask = NDArray[np.uint8]


class ResultsRead(msgspec.Struct, frozen=True, kw_only=True):
    """The results that were imported; for a dry run, those that would be."""

    reader: str
    files: int
    fine_annotations: int
    """New revisions; an annotation that marks the same as the reader's own is not one."""
    labels: int
    new_lesions: int
    issues: tuple[Issue, ...]
    passed_over: tuple[str, ...] = ()
    """Names of the files that are no DICOM files."""


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
    """Read the SEG, SR and GSPS of a folder (also of folders in it, whatever the files are called) or one file.

    ``identity``: knows the images of files with original identifiers. All changes are made together or, after an
    error, none. A file that cannot be used is an issue. BadFileError where there is none at all.
    """
    if not reader.strip():
        raise StudyError(message("Name the reader whose annotations these are: --reader NAME."))
    paths = [place] if place.is_file() else sorted(_files_in(place))
    with ResultReader() as child:
        results, passed_over = _read_files(study, paths, child, identity, emit, cancelled)
        if len(passed_over) == len(paths):
            raise BadFileError(message("{place} holds no results: no file in it is a DICOM file.", place=place))
        changes = list(_Matching(study, results, reader, child).changes(cancelled))
    if not dry_run:
        _apply(study, changes, reader)
    return ResultsRead(
        reader=reader,
        files=results.files,
        fine_annotations=sum(bool(change.fine) for change in changes),
        labels=sum(change.labels is not None for change in changes),
        new_lesions=sum(change.new for change in changes),
        issues=tuple(results.issues),
        passed_over=tuple(passed_over),
    )


def _files_in(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if not hidden and path.name not in _OWN_FILES and path.is_file():
            yield path


def _read_files(
    study: Study,
    paths: Sequence[Path],
    child: ResultReader,
    identity: IdentityFile | None,
    emit: Emit,
    cancelled: IsCancelled,
) -> tuple[ReturnedResults, list[str]]:
    """The contents of the files, and the names of those that are no DICOM files."""
    images = _images(study, identity)
    results = ReturnedResults()
    passed_over: list[str] = []
    for done, path in enumerate(paths, start=1):
        if cancelled():
            raise Cancelled
        try:
            results.add(child.any(path), images, path.name)
        except NotDicomError:
            passed_over.append(path.name)
        except BadFileError as error:
            results.issue(path.name, named(error.sentence, path.name), Severity.WRONG)
        emit(Progress(stage="read results", done=done, total=len(paths)))
    if passed_over:
        names = ", ".join(passed_over[:_MOST_NAMED]) + (", ..." if len(passed_over) > _MOST_NAMED else "")
        sentence = message(
            "{count} files are not DICOM files and were skipped: {names}.", count=len(passed_over), names=names
        )
        results.issue("", sentence, Severity.LEFT_OUT)
    return results, passed_over


def _images(study: Study, identity: IdentityFile | None) -> dict[str, Image]:
    """By the UIDs of this study's exports and, with the identity file, by the original ones."""
    images = study.images.all()
    named: dict[str, Image] = {}
    if study.links.kept:
        naming = Naming(study)
        named = {naming.uid("image", image.id): image for image in images}
    for image in images:
        link = None if identity is None else identity.uids_of(image.id)
        if link is not None:
            named[link.sop_uid] = image
    return named


class _Matching:
    """Compares what the files describe with the lesions of the study."""

    def __init__(self, study: Study, results: ReturnedResults, reader: str, child: ResultReader) -> None:
        self._study, self._results, self._child = study, results, child
        self._person: Reader | None = study.readers.find(reader)
        naming = Naming(study) if study.links.kept else None
        self._by_image: dict[str, list[Lesion]] = {}
        self._by_uid: dict[str, Lesion] = {}
        for lesion in study.lesions.all():
            self._by_image.setdefault(lesion.image_id, []).append(lesion)
            if naming is not None:
                self._by_uid[naming.uid("lesion", lesion.id)] = lesion
        self._outlines: dict[str, Bitmap] = {}

    def changes(self, cancelled: IsCancelled) -> Iterator[_Change]:
        for told in self._results.lesions.values():
            if cancelled():
                raise Cancelled
            try:
                yield from self._changes_of(told)
            except BadFileError as error:
                sentence = named(error.sentence, told.name, instead_of=A_MASK)
                self._results.issue(told.name, sentence, Severity.LEFT_OUT)

    def _changes_of(self, told: ReturnedLesion) -> Iterator[_Change]:
        lesion = self._by_uid.get(told.tracking_uid)
        if lesion is not None and lesion.image_id == told.image.id:
            if told.outline_bitmap not in (None, self._outlined(lesion, told.image)):
                sentence = message(
                    "{told} outlines lesion {number} differently; the study's outline was kept.",
                    told=told.name,
                    number=lesion.number,
                )
                self._results.issue(told.name, sentence, Severity.NOTE)
            yield self._change(told, lesion, new=False)
            return
        outlines = self._outlines_of(told)
        if not outlines:
            sentence = message("{told} describes a lesion without an outline; it is left out.", told=told.name)
            self._results.issue(told.name, sentence, Severity.LEFT_OUT)
        if len(outlines) > 1:
            sentence = message(
                "{told} has {count} separate regions; each becomes a separate lesion.",
                told=told.name,
                count=len(outlines),
            )
            self._results.issue(told.name, sentence, Severity.NOTE)
        told_of = _of_regions(told, [bitmap for _, bitmap in outlines])
        for told, (outline, bitmap) in zip(told_of, outlines, strict=True):
            lesion = self._same_outline(told.image, bitmap)
            new = lesion is None
            if lesion is None:
                lesion = self._new_lesion(told, outline, bitmap)
            if lesion is not None:
                yield self._change(told, lesion, new=new)

    def _outlines_of(self, told: ReturnedLesion) -> list[tuple[LesionOutline, Bitmap]]:
        if told.outline_bitmap is not None:
            known = self._same_outline(told.image, told.outline_bitmap)
            if known is not None:
                return [(known.outline, told.outline_bitmap)]
            if told.outline is None or Bitmap.of(_outlined(told.outline, told.image)) != told.outline_bitmap:
                regions = self._child.regions(told.outline_bitmap)
                return [(region, Bitmap.of(_outlined(region, told.image))) for region in regions]
        if told.outline is None:
            return []
        return [(told.outline, Bitmap.of(_outlined(told.outline, told.image)))]

    def _same_outline(self, image: Image, bitmap: Bitmap) -> Lesion | None:
        if bitmap.empty:
            return None
        own = self._by_image.get(image.id, [])
        return next((lesion for lesion in own if self._outlined(lesion, image) == bitmap), None)

    def _outlined(self, lesion: Lesion, image: Image) -> Bitmap:
        if lesion.id not in self._outlines:
            self._outlines[lesion.id] = Bitmap.of(_outlined(lesion.outline, image))
        return self._outlines[lesion.id]

    def _new_lesion(self, told: ReturnedLesion, outline: LesionOutline, bitmap: Bitmap) -> Lesion | None:
        image = told.image
        if bitmap.empty or (image.frames > 1 and (told.frame is None or not 0 <= told.frame < image.frames)):
            why = "outlines nothing" if bitmap.empty else "names no slice of its tomosynthesis"
            self._results.issue(
                told.name,
                message("{told} {why}; its lesion is left out.", told=told.name, why=why),
                Severity.LEFT_OUT,
            )
            return None
        own = self._by_image.setdefault(image.id, [])
        # numbers of lesions that were removed leave gaps
        number = 1 + max((lesion.number for lesion in own), default=0)
        names = (image.id, str(number), told.tracking_uid or told.name, stable_id("outline", bitmap.bits.hex()))
        lesion = Lesion(
            id=stable_id("lesion", *names),
            finding_id=stable_id("finding", *names),
            image_id=image.id,
            outline=outline,
            number=number,
            frame=told.frame if told.frame is not None and image.frames > 1 else 0,
        )
        own.append(lesion)
        return lesion

    def _change(self, told: ReturnedLesion, lesion: Lesion, *, new: bool) -> _Change:
        fine = self._new_fine(told, lesion, new=new)
        labels = told.labels if told.labels != NOTHING else None
        person = None if new else self._person
        if person is not None and labels == self._study.lesions.labels(lesion.id, reader_id=person.id):
            labels = None
        return _Change(lesion=lesion, new=new, fine=fine, labels=labels)

    def _new_fine(self, told: ReturnedLesion, lesion: Lesion, *, new: bool) -> tuple[Shape, ...]:
        """The shapes to commit; () where the reader's own mark the same already."""
        if not told.shapes and told.bitmap is None:
            return ()
        bitmap = Bitmap.of(_drawn(told.shapes, told.image))
        shapes = told.shapes
        if told.bitmap is not None and bitmap != told.bitmap:
            bitmap, shapes = told.bitmap, ()
        current = None
        if self._person is not None and not new:
            current = self._study.annotations.current(lesion.id, self._person.id)
        if current is not None:
            cut = tuple(part for shape in current.shapes for part in clipped(shape, told.image.box))
            # what the standard had no room for, beyond the edge of the image, is no difference
            if any(Bitmap.of(_drawn(own, told.image)) == bitmap for own in (current.shapes, cut)):
                return ()
        return shapes or self._child.shapes(bitmap)


def _of_regions(told: ReturnedLesion, regions: Sequence[Bitmap]) -> list[ReturnedLesion]:
    """The lesion once for each region, with the part of its fine annotation that marks it."""
    if len(regions) < 2 or not (told.shapes or told.bitmap):
        return [told] * len(regions)
    height, width = told.image.height, told.image.width
    fine = told.bitmap.mask(height, width) if told.bitmap else _drawn(told.shapes, told.image)
    parts = shared_out(fine, [region.mask(height, width) for region in regions])
    return [replace(told, shapes=(), bitmap=Bitmap.of(part) if part.any() else None) for part in parts]


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
