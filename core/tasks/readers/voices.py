"""The voices on one lesion: the data set, each reader, and the model stand side by side and never in one another's
place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.domain.opinion import CaseReading
from core.domain.study import Labels, Run
from core.store.database import now_utc
from core.store.study import Study

if TYPE_CHECKING:
    from core.explain.case_page import CaseFacts


@dataclass(frozen=True, kw_only=True)
class Voice:
    """One call on a lesion by the data set or a reader."""

    who: str
    """Name of the reader; "" for the data set."""
    word: str
    """A value of ``MarginType`` or ``MassShape``."""
    probability: float | None = None
    """Probability of malignancy in [0, 1] that the reader gave; None where they gave none."""
    is_reading: bool = False
    """True for a call made in Review before the model was shown; False for a label."""


def voices_of(study: Study, lesion_id: str, label: str, *, reader_id: str = "") -> tuple[Voice, ...]:
    """The data set's call first, then the readers' in the order of entry. A reader's reading in Review stands
    before their label. ``reader_id``: the reader who looks, for whom others are left out while an assignment keeps
    them blinded; "" for nobody in particular."""
    labels = study.lesions.all_labels(lesion_id)
    readings = study.reviews.readings_of_lesion(lesion_id)
    voices = [_of_labels("", labels.get(None), label)]
    blinded = bool(reader_id) and not study.assignments.may_see_others(lesion_id, reader_id)
    for reader in study.readers.all():
        if blinded and reader.id != reader_id:
            continue
        voices.append(_of_reader(reader.name, labels.get(reader.id), readings.get(reader.id), label))
    return tuple(voice for voice in voices if voice is not None)


def own_calls(study: Study, reader_id: str, label: str) -> dict[str, Voice]:
    """The reader's call on each lesion that they read in Review or labelled, by lesion id."""
    if not reader_id:
        return {}
    labels, readings = study.lesions.labels_of_reader(reader_id), study.reviews.readings_of_reader(reader_id)
    names = {reader.id: reader.name for reader in study.readers.all()}
    calls = {
        lesion: _of_reader(names.get(reader_id, ""), labels.get(lesion), readings.get(lesion), label)
        for lesion in (*labels, *readings)
    }
    return {lesion: call for lesion, call in calls.items() if call is not None}


def case_facts(study: Study, run: Run, lesion_id: str, label: str) -> CaseFacts:
    """Return the facts that a lesion's page shows beside the answer of this run's model."""
    from core.explain.case_page import CaseFacts  # with torch, which an explanation has loaded

    voices = voices_of(study, lesion_id, label)
    return CaseFacts(
        model=run.name,
        day=now_utc()[:10],
        voices=tuple((voice.who, voice.word, voice.probability) for voice in voices),
    )


def _of_reader(name: str, labels: Labels | None, reading: CaseReading | None, label: str) -> Voice | None:
    if reading is not None and reading.label == label:
        return Voice(who=name, word=reading.word, probability=reading.probability_of_malignancy, is_reading=True)
    return _of_labels(name, labels, label)


def _of_labels(who: str, labels: Labels | None, label: str) -> Voice | None:
    value = None if labels is None else getattr(labels, label)
    if labels is None or value is None:
        return None
    return Voice(who=who, word=str(value.value), probability=labels.probability_of_malignancy)
