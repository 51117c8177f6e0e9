"""Which label and which fine annotation count, where a data set and several readers labelled one lesion.

Labels alone count: a reading in Review (``core.domain.opinion``) or in a reader study (``core.domain.reading``) is
none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from core.data.importers.contours import CONTOUR_BAND
from core.domain.group import Consensus, How
from core.domain.label_rule import LabelName, LabelRule
from core.domain.messages import NOTHING, Sentence, message
from core.domain.shapes import Shape
from core.domain.study import FineAnnotation, Labels, Lesion, Reader
from core.store.study import Study

__all__ = ["OUTSIDE", "LabelName", "LabelRule", "LesionTruth", "Opinions"]
OUTSIDE = message("its outline lies outside the image")
"""Why a lesion is neither trained on nor explained."""
SAID_BY_CONSENSUS = {How.AGREED: "consensus (agreed)", How.ADJUDICATED: "consensus (adjudicated)"}
"""Names of a consensus among those whose label counts."""


class LesionTruth(msgspec.Struct, frozen=True, kw_only=True):
    """Labels of a lesion that training uses as ground truth."""

    word: str | None
    """Margin or shape; None = no reader gave it or the readers disagree."""
    doubt: Sentence = NOTHING
    """Why there is no word."""
    said_by: tuple[str, ...] = ()
    """Names of the readers whose label this is, or that of a consensus; () where it is the data set's, or where
    there is none."""
    data_set: str | None = None
    """The data set's own word, whether it counts or not."""
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
    Without it ``rule`` decides: by default every reader counts, and where they differ there is no label, since
    nobody decided; where no reader labelled the lesion, the data set's own label stands. Annotations drawn by a
    person go before derived ones.
    """

    def __init__(
        self,
        study: Study,
        *,
        label: LabelName,
        readers: Sequence[str] | None = None,
        rule: LabelRule | None = None,
    ) -> None:
        everybody = study.readers.all()
        self._label = label
        if readers is not None:
            rule = LabelRule(disagreement="first reader", readers=tuple(readers))
        self._rule = rule or LabelRule()
        named = readers if readers is not None else (self._rule.readers or None)
        self._readers = _chosen(everybody, named)
        self._labels = {reader.id: study.lesions.labels_of_reader(reader.id) for reader in self._readers}
        self._study = study
        uses_consensus = self._rule.source in ("consensus, else readers", "consensus alone")
        self._consensus: dict[str, Consensus] = study.consensus.all() if uses_consensus else {}
        self._names = {reader.id: reader.name for reader in everybody}
        self._fine: dict[tuple[str, str], FineAnnotation] = {
            (annotation.lesion_id, annotation.reader_id): annotation
            for annotation in study.annotations.all_current()
            if annotation.shapes
        }

    def of(self, lesion: Lesion) -> LesionTruth:
        word, by, doubt = self._word(lesion)
        truth = LesionTruth(
            word=word,
            doubt=doubt,
            said_by=by,
            data_set=self._of_data_set(lesion),
            malignant=self._malignant(lesion),
            fine=(),
        )
        consensus = self._consensus.get(lesion.id)
        if consensus is not None and consensus.drawn_by is not None:
            return self._with_drawing(truth, consensus)
        if consensus is not None and consensus.how is How.ADJUDICATED:
            return truth  # it was decided that no drawing counts
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

    def _with_drawing(self, truth: LesionTruth, consensus: Consensus) -> LesionTruth:
        reader_id, revision = consensus.drawn_by or "", consensus.drawn_revision
        drawn = self._fine.get((consensus.lesion_id, reader_id))
        if drawn is None or drawn.revision != revision:
            drawn = self._study.annotations.revision(consensus.lesion_id, reader_id, revision)
        return msgspec.structs.replace(
            truth,
            fine=drawn.shapes,
            fine_by=self._names.get(reader_id, ""),
            fine_reader=reader_id if drawn.shapes else "",
            fine_revision=revision if drawn.shapes else 0,
        )

    def _said(self, lesion: Lesion, name: str) -> dict[str, str]:
        """Return each reader's label, by name, in their order."""
        said = {}
        for reader in self._readers:
            labels = self._labels[reader.id].get(lesion.id, Labels())
            value = getattr(labels, name)
            if value is not None:
                said[reader.name] = str(value.value)
        return said

    def _of_data_set(self, lesion: Lesion) -> str | None:
        own = getattr(lesion.labels, self._label)
        return None if own is None else str(own.value)

    def _word(self, lesion: Lesion) -> tuple[str | None, tuple[str, ...], Sentence]:
        """The word that counts, the readers who gave it, and why there is none."""
        said, own = self._said(lesion, self._label), self._of_data_set(lesion)
        source = self._rule.source
        consensus = self._consensus.get(lesion.id)
        decided = None if consensus is None else getattr(consensus.labels, self._label)
        if consensus is not None and decided is not None:
            return str(decided.value), (SAID_BY_CONSENSUS[consensus.how],), NOTHING
        if source == "consensus alone":
            return None, (), message("it has no consensus on its {label}", label=self._label)
        if source == "data set alone" or (source == "data set, else readers" and own is not None):
            doubt = message("the data set does not name its {label}", label=self._label)
            return own, (), doubt if own is None else NOTHING
        if said:
            return self._agreed(said)
        if source == "readers alone":
            return None, (), message("no reader names its {label}", label=self._label)
        return own, (), message("no {label} is given", label=self._label) if own is None else NOTHING

    def _agreed(self, said: Mapping[str, str]) -> tuple[str | None, tuple[str, ...], Sentence]:
        words = list(said.values())
        word: str | None = words[0]
        if len(set(words)) > 1 and self._rule.disagreement != "first reader":
            most, count = Counter(words).most_common(1)[0]
            if self._rule.disagreement != "leave out" and 2 * count > len(words):
                word = most
            elif self._rule.disagreement != "majority, else first reader":
                word = None
        if word is None:
            views = ", ".join(f"{reader}: {given}" for reader, given in said.items())
            return (
                None,
                (),
                message("the readers disagree on its {label} ({views})", label=self._label, views=views),
            )
        return word, tuple(reader for reader, given in said.items() if given == word), NOTHING

    def _malignant(self, lesion: Lesion) -> int:
        said = set(self._said(lesion, "pathology").values())
        own = lesion.labels.pathology
        consensus = self._consensus.get(lesion.id)
        if own is None and consensus is not None:
            own = consensus.labels.pathology
        if own is not None:
            said = {str(own.value)}
        return {"malignant": 1, "benign": 0}[said.pop()] if len(said) == 1 else -1


def _chosen(everybody: Sequence[Reader], names: Sequence[str] | None) -> list[Reader]:
    if names is None:
        return list(everybody)
    known: Mapping[str, Reader] = {reader.name: reader for reader in everybody}
    return [known[name] for name in names if name in known]
