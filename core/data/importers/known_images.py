"""Images of an import that the study holds already, or held until their patient was forgotten."""

from __future__ import annotations

import msgspec

from core.data.importers.pending import stable_id
from core.data.importers.plan import PlannedImage, PlannedLesion
from core.domain.messages import NOTHING, Sentence, message
from core.domain.study import Labels, Lesion
from core.store.erasure import Tombstone
from core.store.study import Study
from core.store.trail import FORGET

COMPARED = ("margin", "shape", "density", "category", "pathology", "probability_of_malignancy")
"""Fields of ``Labels`` that tables of lesions can give."""


class KnownImages:
    """Compares an import with the study that it goes into.

    ``update_labels``: write the labels of the table where they differ from the data set's labels in the study.
    Labels of readers stand beside these and are never changed. ``take_forgotten``: import images of forgotten
    patients again. Both need a study that is open for writing only if they change something.
    """

    def __init__(self, study: Study, *, update_labels: bool = False, take_forgotten: bool = False) -> None:
        self._study = study
        self._update = update_labels
        self._forgotten = frozenset[str]() if take_forgotten else forgotten_images(study)
        self._by_pixels = {image.content_sha256: image.id for image in study.images.all()}
        self.updated = 0
        """Lesions whose labels were written, or would be if the study is open for reading."""

    def with_pixels(self, sha256: str) -> str:
        """The image of the study with these pixels; "" if there is none."""
        return self._by_pixels.get(sha256, "")

    def is_forgotten(self, image_id: str) -> bool:
        return image_id in self._forgotten

    def differences(self, planned: PlannedImage, image_id: str) -> Sentence:
        """Return a sentence on the labels in which table and study differ; "" if none do.

        An empty cell is no difference.
        """
        lesions = self._study.lesions.of_image(image_id) if planned.lesions else ()
        changes, updates = [], []
        for lesion, table in _pairs(planned.lesions, lesions):
            new = _changed(lesion.labels, table.labels)
            if new:
                changes += [
                    f"{name.replace('_', ' ')} of lesion {lesion.number}: {old} -> {value}"
                    for name, old, value in new
                ]
                updates.append((lesion, table.labels, tuple(name for name, _, _ in new)))
        if not changes:
            return NOTHING
        what = "; ".join(changes)
        if not self._update:
            return message(
                "Its labels differ from those in the study ({what}); --update-labels takes those of the table.",
                what=what,
            )
        self.updated += len(updates)
        if self._study.writable:
            for lesion, labels, names in updates:
                values = {name: getattr(labels, name) for name in names}
                self._study.lesions.set_labels(lesion.id, msgspec.structs.replace(lesion.labels, **values))
        if self._study.writable:
            return message("Its labels were updated ({what}).", what=what)
        return message("Its labels would be updated ({what}).", what=what)


def forgotten_images(study: Study) -> frozenset[str]:
    """Return the identifiers of images of forgotten patients that are not in the study now.

    Nothing is stored for this. The records of the audit trail name an image by its identifier, a hash of its
    pixels, and a tombstone lists the records that it emptied. Only someone who has the image can find out that it
    was in the study.
    """
    stones = [
        msgspec.json.decode(record.new, type=Tombstone)
        for record in study.audit.all_of(FORGET)
        if record.new is not None
    ]
    if not stones:
        return frozenset()
    erased = {one.counter for stone in stones for one in stone.erased}
    named = study.audit.subjects_of("image.add")
    there = {image.id for image in study.images.all()}
    return frozenset(
        name.removeprefix("image ")
        for counter, name in named.items()
        if counter in erased and name.removeprefix("image ") not in there
    )


def _pairs(planned: tuple[PlannedLesion, ...], lesions: tuple[Lesion, ...]) -> list[tuple[Lesion, PlannedLesion]]:
    """Each lesion with its row of the table: by its outline, else, if all outlines were redrawn, by its place."""
    by_outline = [(lesion, table) for lesion in lesions for table in planned if table.outline == lesion.outline]
    if by_outline or len(planned) != len(lesions):
        return by_outline
    by_id = {lesion.id: lesion for lesion in lesions}
    placed = [
        (stable_id("lesion", lesions[0].image_id, str(place)), table)
        for place, table in enumerate(planned, start=1)
    ]
    return [(by_id[name], table) for name, table in placed if name in by_id]


def _changed(old: Labels, new: Labels) -> list[tuple[str, str, str]]:
    """Return (field, word in the study, word in the table) of each field in which the table differs."""
    found = []
    for name in COMPARED:
        before, after = getattr(old, name), getattr(new, name)
        if after is not None and after != before:
            found.append((name, "none" if before is None else str(before), str(after)))
    return found
