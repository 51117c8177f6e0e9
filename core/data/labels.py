"""Which label and which fine annotation count, where a data set and several readers speak of one lesion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from core.data.importers.contours import CONTOUR_BAND
from core.domain.shapes import Shape
from core.domain.study import FineAnnotation, Labels, Lesion, Reader
from core.store.study import Study

LabelName = Literal["margin", "shape"]
OUTSIDE = "its outline lies outside the image"
"""Why a lesion is neither trained on nor explained."""


class LesionTruth(msgspec.Struct, frozen=True, kw_only=True):
    """What training takes for true of a lesion."""

    word: str | None
    """Margin or shape; None where nobody says it or the readers disagree."""
    doubt: str = ""
    """Why there is no word."""
    malignant: int
    """1, 0, or -1 without a biopsy."""
    fine: tuple[Shape, ...]
    """() where there is no fine annotation."""
    fine_by: str = ""
    fine_reader: str = ""
    """Id of the reader ``fine_by``."""
    fine_revision: int = 0
    """Revision of the fine annotation; 0 where there is none."""


class Opinions:
    """All labels and fine annotations of a study, read at once.

    ``readers`` (names) restricts whose labels and annotations count and, by their order, whose come first.
    Without it every reader counts; where they disagree on a label there is none, since nobody decided. Where no
    reader says anything, the data set's own label stands. Annotations drawn by a person go before derived ones.
    """

    def __init__(self, study: Study, *, label: LabelName, readers: Sequence[str] | None = None) -> None:
        everybody = study.readers.all()
        self._label = label
        self._ranked = readers is not None
        self._readers = _chosen(everybody, readers)
        self._labels = {reader.id: study.lesions.labels_of_reader(reader.id) for reader in self._readers}
        self._fine: dict[tuple[str, str], FineAnnotation] = {
            (annotation.lesion_id, annotation.reader_id): annotation
            for annotation in study.annotations.all_current()
            if annotation.shapes
        }

    def of(self, lesion: Lesion) -> LesionTruth:
        word, doubt = self._word(lesion)
        truth = LesionTruth(word=word, doubt=doubt, malignant=self._malignant(lesion), fine=())
        for reader in sorted(self._readers, key=lambda reader: reader.name == CONTOUR_BAND):
            drawn = self._fine.get((lesion.id, reader.id))
            if drawn is not None:
                return msgspec.structs.replace(
                    truth,
                    fine=drawn.shapes,
                    fine_by=reader.name,
                    fine_reader=reader.id,
                    fine_revision=drawn.revision,
                )
        return truth

    def _said(self, lesion: Lesion, name: str) -> dict[str, str]:
        """What each reader says, by name, in their order."""
        said = {}
        for reader in self._readers:
            labels = self._labels[reader.id].get(lesion.id, Labels())
            value = getattr(labels, name)
            if value is not None:
                said[reader.name] = str(value.value)
        return said

    def _word(self, lesion: Lesion) -> tuple[str | None, str]:
        said = self._said(lesion, self._label)
        words = list(said.values())
        if words and (self._ranked or len(set(words)) == 1):
            return words[0], ""
        if words:
            views = ", ".join(f"{reader}: {word}" for reader, word in said.items())
            return None, f"the readers disagree on its {self._label} ({views})"
        own = getattr(lesion.labels, self._label)
        return (None, f"nobody says its {self._label}") if own is None else (str(own.value), "")

    def _malignant(self, lesion: Lesion) -> int:
        said = set(self._said(lesion, "pathology").values())
        own = lesion.labels.pathology
        if own is not None:
            said = {str(own.value)}
        return {"malignant": 1, "benign": 0}[said.pop()] if len(said) == 1 else -1


def _chosen(everybody: Sequence[Reader], names: Sequence[str] | None) -> list[Reader]:
    if names is None:
        return list(everybody)
    known: Mapping[str, Reader] = {reader.name: reader for reader in everybody}
    return [known[name] for name in names if name in known]
