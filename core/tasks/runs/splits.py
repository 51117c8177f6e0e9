"""Splits and folds of a study's patients."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from core.data.labels import LabelName, LabelRule, Opinions
from core.data.split import SplitCount, SplitRow, check_split, grouped_folds, split_patients, split_report
from core.domain.errors import StudyError
from core.domain.messages import message
from core.domain.study import Split
from core.domain.vocabulary import TRAINED_MARGINS, MassShape, Part
from core.store.study import Study


def class_names_of(label: str) -> tuple[str, ...]:
    """The classes that are trained for a label: the paper's margins, or the shapes of BI-RADS."""
    return tuple(word.value for word in (TRAINED_MARGINS if label == "margin" else MassShape))


def check_sources(study: Study, sources: Sequence[str]) -> dict[str, str]:
    """The source of each patient; StudyError where one of ``sources`` is none of the study's."""
    source_of = {patient.id: patient.source for patient in study.patients.all()}
    unknown = set(sources) - set(source_of.values())
    if unknown:
        known = ", ".join(sorted(set(source_of.values()))) or "none yet"
        raise StudyError(
            message(
                "This study has no source named {name}; its sources are: {known}.", name=min(unknown), known=known
            )
        )
    return source_of


def split_rows(
    study: Study, *, label: LabelName, sources: Sequence[str] = (), rule: LabelRule | None = None
) -> list[SplitRow]:
    """One row a lesion, with the class that training takes for true; only those of these sources where some are
    named. ``rule``: whose labels count."""
    opinions = Opinions(study, label=label, rule=rule)
    image = {found.id: found for found in study.images.all()}
    source_of = check_sources(study, sources)
    rows = []
    for lesion in study.lesions.all():
        patient = image[lesion.image_id].patient_id
        if not sources or source_of[patient] in sources:
            rows.append(
                SplitRow(
                    patient_id=patient,
                    class_name=opinions.of(lesion).word,
                    content=(image[lesion.image_id].content_sha256,),
                )
            )
    if not rows:
        raise StudyError(message("This study has no lesions to divide: import images with lesions, or draw some."))
    return rows


def find_split(study: Study, name: str) -> Split:
    """By name; StudyError with the names there are."""
    found = study.splits.find(name)
    if found is None:
        known = ", ".join(one.name for one in study.splits.all()) or "none yet"
        raise StudyError(
            message("This study has no split named {name}; its splits are: {known}.", name=name, known=known)
        )
    return found


def make_split(
    study: Study,
    *,
    name: str,
    label: LabelName,
    fractions: tuple[float, float, float],
    seed: int,
    class_names: Sequence[str] = (),
) -> tuple[Split, tuple[SplitCount, ...]]:
    """A new split of the study, stored; StudyError where the name is taken or a class is too rare.

    ``class_names``: the classes to stratify by, where they are fewer than all of the label's.
    """
    if not name.strip():
        raise StudyError(message("A split needs a name."))
    if study.splits.find(name) is not None:
        raise StudyError(message("This study has a split named {name} already; choose another name.", name=name))
    rows = split_rows(study, label=label)
    names = tuple(class_names) or class_names_of(label)
    parts = split_patients(rows, names, fractions=fractions, seed=seed)
    check_split(rows, [parts[row.patient_id] for row in rows])
    split = Split(id=uuid.uuid4().hex, name=name, seed=seed, parts=parts)
    study.splits.add(split)
    return split, split_report(rows, parts, names)


def make_folds(
    study: Study,
    *,
    name: str,
    label: LabelName,
    folds: int,
    seed: int,
    sources: Sequence[str] = (),
    class_names: Sequence[str] = (),
) -> tuple[Split, ...]:
    """Cross-validation: in the i-th split fold i is tested and fold i + 1 serves as validation. Stored.

    ``class_names``: as in ``make_split``; lesions of other classes are in no fold.
    """
    if folds < 3:
        raise StudyError(
            message("Cross-validation needs at least 3 folds: one to test, one to validate, one to train on.")
        )
    names = tuple(class_names) or class_names_of(label)
    rows = [row for row in split_rows(study, label=label, sources=sources) if row.class_name in names]
    index = {class_name: i for i, class_name in enumerate(names)}
    fold = grouped_folds(
        [row.patient_id for row in rows],
        [index[row.class_name or ""] for row in rows],
        folds,
        seed,
        content=[row.content for row in rows],
    )
    fold_of = {row.patient_id: int(f) for row, f in zip(rows, fold, strict=True)}
    made: list[Split] = []
    taken = {split.name for split in study.splits.all()} & {f"{name}-fold{i + 1}" for i in range(folds)}
    if taken:
        raise StudyError(
            message("This study has a split named {name} already; choose another name.", name=min(taken))
        )
    for i in range(folds):
        parts = {patient: _part(f, i, folds) for patient, f in fold_of.items()}
        made.append(Split(id=uuid.uuid4().hex, name=f"{name}-fold{i + 1}", seed=seed, parts=parts))
    with study.batch():
        for split in made:
            study.splits.add(split)
    return tuple(made)


def _part(fold: int, tested: int, folds: int) -> Part:
    if fold == tested:
        return Part.TEST
    return Part.VALIDATION if fold == (tested + 1) % folds else Part.TRAINING


def split_text(split: Split, counts: Sequence[SplitCount]) -> str:
    lines = [f"Split {split.name}, seed {split.seed}:"]
    lines += [
        f"  {count.part:<10} {count.class_name or 'no trained class':<16} {count.patients:>5} patients "
        f"{count.lesions:>5} lesions"
        for count in counts
        if count.lesions
    ]
    return "\n".join(lines)
