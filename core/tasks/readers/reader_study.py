"""Reader studies: made, read step by step, exported, and evaluated reader against model against both, paired."""

from __future__ import annotations

import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from core.data.labels import Opinions
from core.domain.errors import StudyError
from core.domain.messages import message
from core.domain.reading import Condition, ReaderStudy, StudyReading
from core.domain.spreadsheet import csv_document
from core.domain.study import Run
from core.domain.vocabulary import Part
from core.store.database import now_utc
from core.store.study import Study

COLUMNS = (
    "reader_study",
    "run",
    "revision",
    "reader",
    "order",
    "lesion",
    "condition",
    "margin",
    "probability_of_malignancy",
    "trust",
    "seconds",
    "at_utc",
    "labelled_margin",
    "malignant",
)


@dataclass(frozen=True, kw_only=True)
class ReadingStep:
    """The next step of a reader in the study."""

    lesion_id: str
    condition: Condition
    done: int
    """Lesions that are read under both conditions."""
    total: int


def make_reader_study(
    study: Study, run: Run, parts: dict[str, Part], *, name: str, part: Part = Part.TEST, most: int = 0, seed: int
) -> ReaderStudy:
    """Create a reader study on the lesions of one part with a labelled margin, with the run's current model.

    ``parts``: patient to part, as the run was trained. ``most``: the largest number of lesions, drawn from the
    seed; 0 for all. Raises: StudyError if there are no lesions, the run has no model, or the name is taken.
    """
    if not name.strip():
        raise StudyError(message("A reader study needs a name; type one."))
    revision = study.models.active(run.id)
    if revision is None:
        raise StudyError(message("Run {run} has no model yet; train it to the end first.", run=run.name))
    images = {image.id: image.patient_id for image in study.images.all()}
    opinions = Opinions(study, label="margin")
    known = [
        lesion.id
        for lesion in study.lesions.all()
        if parts.get(images[lesion.image_id]) is part and opinions.of(lesion).word is not None
    ]
    if most and most < len(known):
        known = random.Random(seed).sample(known, most)
    if not known:
        raise StudyError(
            message(
                "The {part} part of run {run} has no lesion with a labelled margin to read.",
                part=part.value,
                run=run.name,
            )
        )
    made = ReaderStudy(
        id=uuid.uuid4().hex,
        name=name.strip(),
        run_id=run.id,
        revision_id=revision.id,
        lesion_ids=tuple(known),
        seed=seed,
        created_utc=now_utc(),
    )
    study.reader_studies.add(made)
    return made


def find_reader_study(study: Study, name: str) -> ReaderStudy:
    """StudyError with the known names where there is none of this name."""
    found = study.reader_studies.find(name)
    if found is None:
        known = ", ".join(one.name for one in study.reader_studies.all()) or "none yet"
        raise StudyError(
            message(
                "This study has no reader study {name}; its reader studies are: {known}.", name=name, known=known
            )
        )
    return found


def check_model(study: Study, made: ReaderStudy) -> Run:
    """The run whose model the readers see; StudyError where another revision is in use now."""
    run = study.runs.get(made.run_id)
    active = study.models.active(run.id)
    if active is None or active.id != made.revision_id:
        wanted = study.models.get(made.revision_id)
        raise StudyError(
            message(
                "The reader study {reader_study} shows the revision “{reason}” of run {run}, but another "
                "one is in use: choose that one on Prototypes, under Revisions.",
                reader_study=made.name,
                reason=wanted.reason,
                run=run.name,
            )
        )
    return run


def next_step(study: Study, made: ReaderStudy, reader_id: str) -> ReadingStep | None:
    """Alone first and with the model directly afterwards, lesion by lesion; None where everything is read."""
    read = {(r.lesion_id, r.condition) for r in study.reader_studies.readings(made.id) if r.reader_id == reader_id}
    order = made.order_for(reader_id)
    done = sum((lesion, Condition.WITH_MODEL) in read for lesion in order)
    for lesion in order:
        for condition in Condition:
            if (lesion, condition) not in read:
                return ReadingStep(lesion_id=lesion, condition=condition, done=done, total=len(order))
    return None


def export_readings(study: Study, made: ReaderStudy) -> bytes:
    """All readings as CSV, in the order in which they were made; the trail keeps that they were exported."""
    run, revision = study.runs.get(made.run_id), study.models.get(made.revision_id)
    names = {reader.id: reader.name for reader in study.readers.all()}
    lesions = {lesion.id: lesion for lesion in study.lesions.all()}
    opinions = Opinions(study, label="margin")
    rows = []
    for one in study.reader_studies.readings(made.id):
        truth = opinions.of(lesions[one.lesion_id])
        order = made.order_for(one.reader_id).index(one.lesion_id) + 1
        rows.append(
            (
                made.name,
                run.name,
                revision.reason,
                names[one.reader_id],
                order,
                one.lesion_id,
                one.condition.value,
                one.margin.value,
                one.probability_of_malignancy,
                one.trust,
                round(one.seconds, 2),
                one.created_utc,
                truth.word,
                None if truth.malignant < 0 else truth.malignant,
            )
        )
    if study.writable:
        study.audit.record("reader_study.export", f"reader_study {made.id}", new={"readings": len(rows)})
    return csv_document(COLUMNS, rows)


def paired(readings: Sequence[StudyReading], reader_id: str) -> list[tuple[StudyReading, StudyReading]]:
    """Each lesion that this reader read under both conditions: alone, with the model."""
    own: dict[Condition, dict[str, StudyReading]] = {condition: {} for condition in Condition}
    for one in readings:
        if one.reader_id == reader_id:
            own[one.condition][one.lesion_id] = one
    alone, together = own[Condition.ALONE], own[Condition.WITH_MODEL]
    return [(alone[lesion], together[lesion]) for lesion in alone if lesion in together]
