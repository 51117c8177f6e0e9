"""Lesions that Segmentations, reports and presentation states describe, gathered over all files of a folder."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

from core.data.importers.pending import in_millimetres
from core.data.importers.plan import Issue, Severity
from core.domain.errors import BadFileError
from core.domain.messages import Sentence, message
from core.domain.shapes import Shape
from core.domain.study import Image, Labels, LesionOutline
from core.exchange.dicom.bitmaps import Bitmap
from core.exchange.dicom.lesion_report import ReportRead
from core.exchange.dicom.read_gsps import GspsRead
from core.exchange.dicom.read_results import ResultRead
from core.exchange.dicom.read_seg import SegRead
from core.exchange.stored_matrix import hung_mask, hung_shape, stored_image

S = TypeVar("S", bound=Shape)
NOTHING = Labels()
_MOST_BYTES = 1_000_000_000
"""The highest number of bytes of masks in memory."""


@dataclass(kw_only=True)
class ReturnedLesion:
    """One lesion, as all files together describe it."""

    image: Image
    tracking_uid: str
    """"" where the maker gave none."""
    name: str
    """The file, and the segment where it is one of several."""
    frame: int | None = None
    """Slice of a tomosynthesis, from 0; None where no file names one."""
    outline: LesionOutline | None = None
    outline_bitmap: Bitmap | None = None
    shapes: tuple[Shape, ...] = ()
    bitmap: Bitmap | None = None
    """Mask of the fine annotation."""
    labels: Labels = NOTHING


@dataclass(kw_only=True)
class ReturnedResults:
    lesions: dict[tuple[str, str], ReturnedLesion] = field(default_factory=dict)
    """By image and tracking UID, or name where there is none."""
    issues: list[Issue] = field(default_factory=list)
    files: int = 0
    mask_bytes: int = 0

    def issue(self, where: str, sentence: Sentence, severity: Severity) -> None:
        self.issues.append(Issue(where=where, sentence=sentence, severity=severity))

    def add(self, read: ResultRead, images: dict[str, Image], where: str) -> None:
        """Add the contents of one file. ``images``: by SOP Instance UID.

        Raises: BadFileError if no image of the file is one of the study.
        """
        names = {source: images.get(source) for source in _sources(read)}
        if not any(names.values()):
            raise BadFileError(
                message(
                    "{where} refers to an image that is not in this study; where the file carries original "
                    "identifiers, the identity file is needed (--identity).",
                    where=where,
                )
            )
        unknown = [source for source, image in names.items() if image is None]
        if unknown:
            sentence = message(
                "{where} refers to {count} images that are not in this study; the rest was read.",
                where=where,
                count=len(unknown),
            )
            self.issue(where, sentence, Severity.NOTE)
        for note in read.notes:
            self.issue(where, message("{where} {note}", where=where, note=note), Severity.NOTE)
        known = {source: image for source, image in names.items() if image is not None}
        match read:
            case SegRead():
                self._add_masks(read, known, where)
            case ReportRead():
                self._add_report(read, known, where)
            case GspsRead():
                self._add_graphics(read, known, where)
        self.files += 1

    def _lesion(self, image: Image, uid: str, name: str) -> ReturnedLesion:
        fresh = ReturnedLesion(image=image, tracking_uid=uid, name=name)
        return self.lesions.setdefault((image.id, uid or name), fresh)

    def _add_masks(self, read: SegRead, images: dict[str, Image], where: str) -> None:
        for segment in read.segments:
            image = images.get(segment.source_uid)
            if image is None:
                continue
            stored = stored_image(image)
            if (read.rows, read.columns) != (stored.height, stored.width):
                raise BadFileError(
                    message(
                        "{where} has masks of {columns} x {rows} pixels; its image has {width} x {height}.",
                        where=where,
                        columns=read.columns,
                        rows=read.rows,
                        width=stored.width,
                        height=stored.height,
                    )
                )
            name = where if len(read.segments) == 1 else f"{where}, segment {segment.number}"
            if segment.bitmap.empty:
                self.issue(where, message("{name} marks nothing and is left out.", name=name), Severity.LEFT_OUT)
                continue
            self.mask_bytes += len(segment.bitmap.bits)
            if self.mask_bytes > _MOST_BYTES:
                raise BadFileError(
                    message(
                        "{where}: the masks of all files need too much memory; read fewer at a time.", where=where
                    )
                )
            lesion = self._lesion(image, segment.tracking_uid, name)
            lesion.frame = segment.frame if lesion.frame is None else lesion.frame
            own = lesion.bitmap if segment.fine else lesion.outline_bitmap
            bitmap = _hung_bitmap(segment.bitmap, image)
            joined = bitmap if own is None else own.joined(bitmap)
            if segment.fine:
                lesion.bitmap = joined
            else:
                lesion.outline_bitmap = joined

    def _add_report(self, read: ReportRead, images: dict[str, Image], where: str) -> None:
        for number, (source, told) in enumerate(zip(read.sources, read.lesions, strict=True), start=1):
            image = images.get(source)
            if image is None:
                continue
            name = where if len(read.lesions) == 1 else f"{where}, lesion {number}"
            lesion = self._lesion(image, told.tracking_uid, name)
            lesion.outline, lesion.labels = _hung(told.outline, image), told.labels
            fine = tuple(_hung(shape, image) for shape in told.fine)
            lesion.shapes = self._measurable(fine, image, name) or lesion.shapes

    def _add_graphics(self, read: GspsRead, images: dict[str, Image], where: str) -> None:
        drawn: dict[tuple[str, str], list[Shape]] = {}
        for number, graphic in enumerate(read.graphics, start=1):
            image = images.get(graphic.source_uid)
            if image is None:
                continue
            name = f"{where}, graphic {number}"
            lesion = self._lesion(image, graphic.tracking_uid, name)
            closed = isinstance(graphic.shape, LesionOutline)
            if graphic.outline or (closed and not graphic.tracking_uid):
                if lesion.outline is None and isinstance(graphic.shape, LesionOutline):
                    lesion.outline = _hung(graphic.shape, image)
            elif graphic.tracking_uid:
                drawn.setdefault((image.id, graphic.tracking_uid), []).append(_hung(graphic.shape, image))
        for key, shapes in drawn.items():
            # a report gives widths in their own unit and goes first
            self.lesions[key].shapes = self.lesions[key].shapes or tuple(shapes)

    def _measurable(self, shapes: tuple[Shape, ...], image: Image, name: str) -> tuple[Shape, ...]:
        """The shapes without those whose width cannot be drawn in this image."""
        kept = tuple(s for s in shapes if image.pixel_spacing_mm is not None or not in_millimetres(s))
        if len(kept) < len(shapes):
            sentence = message(
                "{name} has lines with a width in millimetres; its image has no pixel spacing, so they are left "
                "out.",
                name=name,
            )
            self.issue(name, sentence, Severity.LEFT_OUT)
        return kept


def _hung(shape: S, image: Image) -> S:
    """A shape of the stored matrix, in the picture as the study holds it."""
    return hung_shape(shape, stored_image(image))


def _hung_bitmap(bitmap: Bitmap, image: Image) -> Bitmap:
    if not image.turn:
        return bitmap
    stored = stored_image(image)
    return Bitmap.of(hung_mask(bitmap.mask(stored.height, stored.width), stored))


def _sources(read: ResultRead) -> list[str]:
    match read:
        case SegRead(segments=segments):
            names = [segment.source_uid for segment in segments]
        case ReportRead(sources=sources):
            names = list(sources)
        case GspsRead(graphics=graphics):
            names = [graphic.source_uid for graphic in graphics]
    return list(dict.fromkeys(names))
