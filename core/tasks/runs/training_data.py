"""An overview of the training data: lesions and patients by class and part, and the warnings about them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.data.importers.contours import CONTOUR_BAND
from core.data.labels import OUTSIDE, Opinions
from core.data.split import check_split
from core.domain.errors import MarginaliaError
from core.domain.messages import Sentence, message
from core.domain.study import Image
from core.domain.vocabulary import Part
from core.store.study import Study
from core.tasks.readers.opinions import Mark, marks_of
from core.tasks.runs.splits import split_rows
from core.training.config import TrainingConfig

FEW = 10
"""Patients of a class in the training part below which its figures mean little."""
_TELLING, _ENOUGH = 0.95, 10
"""Limits for a scanner that may be learned in place of a class: share of one class, lowest number of lesions."""
UNDIVIDED = "not divided yet"


@dataclass(frozen=True, kw_only=True)
class ClassCount:
    class_name: str
    part: str
    """The part of the split; ``UNDIVIDED`` if there is no split yet."""
    lesions: int
    patients: int
    finely_annotated: int


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """Lesions that are not trained on for one reason."""

    reason: Sentence
    lesion_ids: tuple[str, ...]
    word: str = ""
    """The class that the configuration does not train; "" where the reason is another."""


@dataclass(frozen=True, kw_only=True)
class TrainingData:
    counts: tuple[ClassCount, ...]
    """By part, then by class; parts without a patient are left out."""
    left_out: tuple[LeftOut, ...]
    """Lesions left out, by reason, the most frequent first."""
    forgotten: int
    """Prototypes of earlier runs that are marked as not medically relevant."""
    warnings: tuple[Sentence, ...]
    """One sentence each."""
    said_by: tuple[tuple[str, int], ...] = ()
    """Whose labels are trained on: "" for the data set or a reader's name, with the number of lesions; a lesion
    that several readers labelled alike counts for each of them."""
    against_data_set: int = 0
    """Lesions whose reader's label, which counts, differs from the data set's."""

    @property
    def exclusions(self) -> tuple[tuple[Sentence, int], ...]:
        """Reason and number of lesions that are left out, the most frequent first."""
        return tuple((one.reason, len(one.lesion_ids)) for one in self.left_out)

    @property
    def lesions(self) -> int:
        return sum(count.lesions for count in self.counts)


@dataclass(frozen=True, kw_only=True)
class _Seen:
    class_name: str
    part: str
    image: Image
    fine: bool
    """Annotated by a person."""
    band: bool = False
    """A band along the outline stands in place of an annotation: made at import, or by ``automatic_bands``."""
    said_by: tuple[str, ...] = ()
    against_data_set: bool = False


def look_at_data(study: Study, config: TrainingConfig, parts: Mapping[str, Part] | None) -> TrainingData:
    """Return the training data of a run of this configuration. ``parts``: patient to part; None before a split."""
    images = {image.id: image for image in study.images.all()}
    opinions = Opinions(study, label=config.label, rule=config.labels)
    seen: list[_Seen] = []
    reasons: dict[tuple[Sentence, str], list[str]] = {}

    def leave_out(lesion_id: str, reason: Sentence, word: str = "") -> None:
        reasons.setdefault((reason, word), []).append(lesion_id)

    for lesion in study.lesions.all():
        truth, image = opinions.of(lesion), images[lesion.image_id]
        if not lesion.is_inside(image):
            leave_out(lesion.id, OUTSIDE)
        elif truth.word is None:
            leave_out(lesion.id, truth.doubt)
        elif truth.word not in config.class_names:
            reason = message(
                "{label} '{word}' is not among the trained classes", label=config.label, word=truth.word
            )
            leave_out(lesion.id, reason, truth.word)
        elif parts is not None and image.patient_id not in parts:
            leave_out(lesion.id, message("its patient is in no part of the split"))
        else:
            part = UNDIVIDED if parts is None else parts[image.patient_id].value
            against = bool(truth.said_by) and truth.data_set not in (None, truth.word)
            seen.append(
                _Seen(
                    class_name=truth.word,
                    part=part,
                    image=image,
                    fine=bool(truth.fine) and truth.fine_by != CONTOUR_BAND,
                    band=truth.fine_by == CONTOUR_BAND or (config.automatic_bands and not truth.fine),
                    said_by=truth.said_by,
                    against_data_set=against,
                )
            )
    left_out = sorted(reasons.items(), key=lambda found: -len(found[1]))
    return TrainingData(
        counts=_counts(seen, config.class_names),
        left_out=tuple(LeftOut(reason=r, word=w, lesion_ids=tuple(ids)) for (r, w), ids in left_out),
        forgotten=sum(
            mark is Mark.NOT_RELEVANT
            for run in study.runs.all(archived=True)
            for mark in marks_of(study, run).values()
        ),
        warnings=(
            *_too_few(seen, config),
            *_no_masks(seen, config),
            *_bands(seen),
            *_scanners(seen),
            *_overlap(study, config, parts),
        ),
        said_by=tuple(Counter(who for one in seen for who in one.said_by or ("",)).most_common()),
        against_data_set=sum(one.against_data_set for one in seen),
    )


def _counts(seen: Sequence[_Seen], names: Sequence[str]) -> tuple[ClassCount, ...]:
    found = []
    for part in (*(part.value for part in Part), UNDIVIDED):
        here = [one for one in seen if one.part == part]
        if not here:
            continue
        for name in names:
            own = [one for one in here if one.class_name == name]
            found.append(
                ClassCount(
                    class_name=name,
                    part=part,
                    lesions=len(own),
                    patients=len({one.image.patient_id for one in own}),
                    finely_annotated=sum(one.fine for one in own),
                )
            )
    return tuple(found)


def _too_few(seen: Sequence[_Seen], config: TrainingConfig) -> list[Sentence]:
    training = [one for one in seen if one.part in (Part.TRAINING.value, UNDIVIDED)]
    said = []
    for name in config.class_names:
        patients = len({one.image.patient_id for one in training if one.class_name == name})
        if patients == 0:
            said.append(
                message("No patient to train on has a lesion called {name}: the training cannot start.", name=name)
            )
        elif patients == 1:
            said.append(
                message(
                    "One patient alone to train on has a lesion called {name}; its figures mean little.", name=name
                )
            )
        elif patients < FEW:
            said.append(
                message(
                    "Only {count} patients to train on have a lesion called {name}; its figures mean little.",
                    count=patients,
                    name=name,
                )
            )
    return said


def _no_masks(seen: Sequence[_Seen], config: TrainingConfig) -> list[Sentence]:
    if not seen or any(one.fine or one.band for one in seen) or config.loss.fine == 0:
        return []
    return [message("No lesion is finely annotated: the model is not taught to look at the margin.")]


def _bands(seen: Sequence[_Seen]) -> list[Sentence]:
    bands = sum(one.band for one in seen if one.part in (Part.TRAINING.value, UNDIVIDED))
    if not bands:
        return []
    return [
        message(
            "An automatic band along the outline of {count} of the lesions to train on is used instead of a fine "
            "annotation; it is never counted as one.",
            count=bands,
        )
    ]


def _scanners(seen: Sequence[_Seen]) -> list[Sentence]:
    """Scanners that go with a class: the model may learn the scanner in the class's place."""
    by_scanner: dict[str, Counter[str]] = {}
    for one in seen:
        by_scanner.setdefault(one.image.detector or "unknown", Counter())[one.class_name] += 1
    if len(by_scanner) < 2:
        return []
    said = []
    for scanner, classes in by_scanner.items():
        name, count = classes.most_common(1)[0]
        total = sum(classes.values())
        if total >= _ENOUGH and count >= _TELLING * total:
            said.append(
                message(
                    "{count} of {total} lesions of the scanner {scanner} are {name}: the model may learn the "
                    "scanner instead of the margin.",
                    count=count,
                    total=total,
                    scanner=scanner,
                    name=name,
                )
            )
    return said


def _overlap(study: Study, config: TrainingConfig, parts: Mapping[str, Part] | None) -> list[Sentence]:
    if parts is None:
        return []
    rows = [row for row in split_rows(study, label=config.label, rule=config.labels) if row.patient_id in parts]
    try:
        check_split(rows, [parts[row.patient_id] for row in rows])
    except MarginaliaError as error:
        return [error.sentence]
    return []
