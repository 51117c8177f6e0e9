"""Reading of the open study for the screens, usable from any thread while the study is open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from core.data.windowing import grey_table
from core.domain.group import Assignment
from core.domain.shapes import Shape
from core.domain.study import Image, Labels, Lesion, Patient, Split
from core.imaging.decoded import VoiLut
from core.imaging.display import apply
from core.store.annotations import annotation_subject
from core.store.hdf5 import Array
from core.store.removed_lesions import RemovedLesion
from core.store.study import Study
from core.store.worklist import WorklistKey, WorklistKeys, WorklistProgress, WorklistQuery, WorklistRow

CHECKPOINT = "annotation.checkpoint"
"""The name of a named revision in the audit trail."""


@dataclass(frozen=True, kw_only=True)
class HistoryEntry:
    """One revision of an annotation, or a name that was given to it."""

    revision: int
    at_utc: str
    shapes: tuple[Shape, ...]
    names: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LabelChange:
    """The current reader changed their labels of a lesion."""

    at_utc: str
    before: Labels
    after: Labels


@dataclass(frozen=True, kw_only=True, eq=False)
class ImagePyramid:
    """An image with its pyramid, level 0 first."""

    image: Image
    patient: Patient
    levels: list[Array]
    frame: int = 0
    voi_luts: tuple[VoiLut, ...] = ()


@dataclass(frozen=True)
class StudyQueries:
    _study: Study
    reader_id: str
    """The current reader's identifier; empty if nobody is signed in."""

    def keys(self, query: WorklistQuery) -> WorklistKeys:
        return self._study.worklist.keys(query, self._study.file_names.all() if query.text else None)

    def file_name(self, image_id: str) -> str:
        """Return the file name of an image; "" if none was kept."""
        return self._study.file_names.of(image_id)

    def rows(self, keys: Sequence[WorklistKey]) -> list[WorklistRow | None]:
        return self._study.worklist.rows(keys, reader_id=self.reader_id)

    def key_of(self, image_id: str, lesion_id: str | None) -> WorklistKey | None:
        return self._study.worklist.key_of(image_id, lesion_id)

    def progress(self) -> WorklistProgress:
        return self._study.worklist.progress(reader_id=self.reader_id)

    def splits(self) -> tuple[Split, ...]:
        return self._study.splits.all()

    def image(self, image_id: str) -> Image:
        return self._study.images.get(image_id)

    def images_of_patient(self, patient_id: str) -> tuple[Image, ...]:
        return self._study.images.of_patient(patient_id)

    def lesions(self, image_id: str) -> tuple[Lesion, ...]:
        """In their order in the image."""
        return tuple(sorted(self._study.lesions.of_image(image_id), key=lambda lesion: lesion.number))

    def lesion(self, lesion_id: str) -> Lesion:
        return self._study.lesions.get(lesion_id)

    def removed_lesions(self, image_id: str) -> tuple[RemovedLesion, ...]:
        """Return the lesions of an image that were taken out and can be put back, the last removed first."""
        return self._study.lesions.removed_from(image_id)

    def partner(self, lesion_id: str | None, image_id: str) -> str | None:
        """The lesion in another image that is the same finding, by its id; None where there is none."""
        if lesion_id is None:
            return None
        found = self._study.lesions.of_finding(self.lesion(lesion_id).finding_id)
        return next((lesion.id for lesion in found if lesion.image_id == image_id), None)

    def seen_in(self, lesion_id: str) -> tuple[Image, ...]:
        """The other pictures that the finding of a lesion is seen in."""
        found = self._study.lesions.of_finding(self.lesion(lesion_id).finding_id)
        return tuple(self.image(lesion.image_id) for lesion in found if lesion.id != lesion_id)

    def labels(self, lesion_id: str) -> tuple[Labels, Labels]:
        """Return the labels of the current reader (empty if they gave none) and those of the data set."""
        found = self._study.lesions.all_labels(lesion_id)
        return found.get(self.reader_id, Labels()), found.get(None, Labels())

    def shapes(self, lesion_id: str, reader_id: str | None = None) -> tuple[Shape, ...]:
        """The current annotation by a reader, by default the one who is signed in."""
        found = self._study.annotations.current(lesion_id, reader_id or self.reader_id)
        return () if found is None else found.shapes

    def others(self, lesion_id: str) -> dict[str, tuple[Shape, ...]]:
        """Name of each other reader who drew something, and what; nothing while this reader is blinded."""
        if not self.may_see_others(lesion_id):
            return {}
        found = {}
        for reader_id in self._study.annotations.readers_of(lesion_id):
            if reader_id != self.reader_id and (shapes := self.shapes(lesion_id, reader_id)):
                found[self._study.readers.get(reader_id).name] = shapes
        return found

    def other_contributors(self, lesion_id: str) -> tuple[str, ...]:
        """Names of the other readers who labelled a lesion or drew on it, in the order of entry."""
        labels = self._study.lesions.all_labels(lesion_id)
        said = {reader for reader, given in labels.items() if reader is not None and given != Labels()}
        found = said | set(self._study.annotations.readers_of(lesion_id))
        return tuple(
            reader.name
            for reader in self._study.readers.all()
            if reader.id in found and reader.id != self.reader_id
        )

    def may_see_others(self, lesion_id: str) -> bool:
        """Return False while an assignment of the lesion keeps this reader blinded."""
        return self._study.assignments.may_see_others(lesion_id, self.reader_id)

    def assignment(self, lesion_id: str) -> Assignment | None:
        """The assignment of a lesion to this reader; None where there is none."""
        return self._study.assignments.find(lesion_id, self.reader_id) if self.reader_id else None

    def own_is_finished(self, lesion_id: str) -> bool:
        """Return True if others' layers may be seen: the reader finished the assignment of the lesion, or, without
        one, drew the lesion and named its margin."""
        if not self.reader_id:
            return False
        if self.assignment(lesion_id) is not None:
            return self.may_see_others(lesion_id)
        return bool(self.shapes(lesion_id)) and self.labels(lesion_id)[0].margin is not None

    def history(self, lesion_id: str, known: Sequence[HistoryEntry] = ()) -> list[HistoryEntry]:
        """The current reader's revisions, the newest first.

        ``known``: what was read of the same lesion before; only what was added since is read.
        """
        repository = self._study.annotations
        last = known[0].revision if known else 0
        names: dict[int, list[str]] = {}
        for record in self._study.audit.of(CHECKPOINT, annotation_subject(lesion_id, self.reader_id)):
            noted = msgspec.json.decode(record.new or "{}")
            names.setdefault(int(noted.get("revision", 0)), []).append(str(noted.get("name", "")))
        dates = repository.dates(lesion_id, self.reader_id, after=last)
        added = [
            HistoryEntry(revision=found.revision, at_utc=dates[found.revision], shapes=found.shapes)
            for found in repository.history(lesion_id, self.reader_id, after=last)
        ]
        return [replace(entry, names=tuple(names.get(entry.revision, ()))) for entry in (*reversed(added), *known)]

    def label_changes(self, lesion_id: str) -> list[LabelChange]:
        """Return the current reader's changes to their labels, the newest first."""
        records = self._study.audit.of("lesion.labels", f"lesion {lesion_id} reader {self.reader_id}")
        return [
            LabelChange(
                at_utc=record.at_utc,
                before=msgspec.json.decode(record.old, type=Labels) if record.old else Labels(),
                after=msgspec.json.decode(record.new, type=Labels) if record.new else Labels(),
            )
            for record in reversed(records)
        ]

    def load(self, image_id: str, frame: int = 0) -> ImagePyramid:
        """Everything that showing a slice of an image needs; ArrayLostError where its pixels are gone."""
        image = self.image(image_id)
        return ImagePyramid(
            image=image,
            patient=self._study.patients.get(image.patient_id),
            levels=self._study.arrays.read_pyramid(image_id, frame=frame),
            frame=frame,
            voi_luts=self._voi_luts(image),
        )

    def _voi_luts(self, image: Image) -> tuple[VoiLut, ...]:
        return self._study.arrays.read_voi_luts(image.id) if image.tables else ()

    def thumbnail(self, image_id: str, side: int) -> NDArray[np.uint8]:
        """8-bit grey, the longer side at most ``side`` pixels."""
        from core.imaging.opencv import cv2

        image = self.image(image_id)
        arrays = self._study.arrays
        pixels = arrays.read_pixels(image_id, arrays.levels(image_id) - 1, frame=image.frames // 2)
        grey = apply(pixels, grey_table(image, pixels, "file", self._voi_luts(image)))
        rows, columns = grey.shape
        scale = side / max(rows, columns)
        size = (max(round(columns * scale), 1), max(round(rows * scale), 1))
        return cv2.resize(grey, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
