"""Splits by patient, never by image: the two views of a mass, and a patient's masses, resemble each other."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from core.domain.errors import StudyError
from core.domain.messages import message
from core.domain.vocabulary import Part

PARTS = (Part.TRAINING, Part.VALIDATION, Part.TEST)
PAPER_FRACTIONS = (0.73, 0.12, 0.15)
"""Training, validation, test (paper, "Data")."""


@dataclass(frozen=True, kw_only=True)
class SplitRow:
    """One lesion, as far as a split is concerned."""

    patient_id: str
    class_name: str | None = None
    """None where the lesion shows none of the trained classes."""
    content: tuple[str, ...] = ()
    """Hashes of its image and of its ROI: what is identical must not stand in two parts."""


class SplitCount(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the report on a split."""

    part: Part
    class_name: str
    """"" for lesions of no trained class."""
    patients: int
    lesions: int


def split_patients(
    rows: Sequence[SplitRow],
    class_names: Sequence[str],
    *,
    fractions: tuple[float, float, float] = PAPER_FRACTIONS,
    seed: int,
) -> dict[str, Part]:
    """Patient id to part, stratified by class, the same for the same seed and patients in any order.

    A patient with lesions of several classes goes by the rarest. Patients who share an identical image stay
    together. StudyError where a class has no lesion or fewer patients than parts that are wanted.
    """
    shares = _checked_fractions(fractions)
    wanted = [i for i, share in enumerate(shares) if share > 0]
    groups = _groups(rows)
    strata = _strata(rows, groups, class_names)
    _refuse_rare(strata, class_names, len(wanted))
    random = np.random.default_rng(seed)
    target, given = np.zeros(len(PARTS)), np.zeros(len(PARTS))
    parts: dict[str, Part] = {}
    for name in (*class_names, ""):
        members = [strata[name][i] for i in random.permutation(len(strata[name]))]
        target += len(members) * shares
        counts = _apportioned(len(members), shares, target - given, at_least_one=bool(name))
        given += counts
        ends = np.cumsum(counts)
        for position, group in enumerate(members):
            part = PARTS[int(np.searchsorted(ends, position, side="right"))]
            parts.update(dict.fromkeys(group, part))
    return dict(sorted(parts.items()))


def grouped_folds(
    patient: Sequence[str],
    label: Sequence[int],
    k: int,
    seed: int,
    *,
    content: Sequence[tuple[str, ...]] | None = None,
) -> NDArray[np.int64]:
    """The fold, 0 to k - 1, of each row: no patient in two folds, classes spread evenly (-1: no class).

    Patients who share an identical image (``content``, as in ``SplitRow``) stay together. StudyError where a class
    has one patient only: the fold that holds him would be trained without the class.
    """
    if k < 2:
        raise StudyError(message("Cross-validation needs at least 2 folds, not {k}; choose 5, for instance.", k=k))
    rows = [
        SplitRow(patient_id=p, class_name=None if y < 0 else str(int(y)), content=same)
        for p, y, same in zip(patient, label, content or [()] * len(patient), strict=True)
    ]
    names = sorted({row.class_name for row in rows if row.class_name is not None}, key=int)
    strata = _strata(rows, _groups(rows), names)
    _refuse_rare(strata, names, 2)
    if len(set(patient)) < k:
        raise StudyError(
            message(
                "{count} patients cannot be divided into {k} folds; choose fewer folds.",
                count=len(set(patient)),
                k=k,
            )
        )
    random = np.random.default_rng(seed)
    fold: dict[str, int] = {}
    position = 0
    for name in (*names, ""):
        for i in random.permutation(len(strata[name])):
            fold.update(dict.fromkeys(strata[name][i], position % k))
            position += 1
    return np.array([fold[p] for p in patient], dtype=np.int64)


def check_split(rows: Sequence[SplitRow], parts: Sequence[Part | int]) -> None:
    """StudyError where a patient, or an identical image or ROI, stands in two parts (one part a row)."""
    patient_part: dict[str, Part | int] = {}
    content: dict[str, tuple[str, Part | int]] = {}
    for row, part in zip(rows, parts, strict=True):
        if patient_part.setdefault(row.patient_id, part) != part:
            raise StudyError(
                message(
                    "Patient {patient} is in two parts of the split ({first_part} and "
                    "{part}); put all lesions of a patient in one part.",
                    patient=row.patient_id,
                    first_part=patient_part[row.patient_id],
                    part=part,
                )
            )
        for digest in row.content:
            other, where = content.setdefault(digest, (row.patient_id, part))
            if where != part:
                raise StudyError(
                    message(
                        "Patients {other} and {patient} have an identical image in two parts of the split "
                        "({where} and {part}); put them in one part or remove one of the images.",
                        other=other,
                        patient=row.patient_id,
                        where=where,
                        part=part,
                    )
                )


def split_report(
    rows: Sequence[SplitRow], parts: Mapping[str, Part], class_names: Sequence[str]
) -> tuple[SplitCount, ...]:
    """Patients and lesions of each part and class; lesions of no trained class under the name ""."""
    patients: dict[tuple[Part, str], set[str]] = defaultdict(set)
    lesions: Counter[tuple[Part, str]] = Counter()
    for row in rows:
        if row.patient_id in parts:
            key = parts[row.patient_id], _class(row, class_names)
            patients[key].add(row.patient_id)
            lesions[key] += 1
    return tuple(
        SplitCount(part=part, class_name=name, patients=len(patients[part, name]), lesions=lesions[part, name])
        for part in PARTS
        for name in (*class_names, "")
    )


def _class(row: SplitRow, class_names: Sequence[str]) -> str:
    return row.class_name if row.class_name is not None and row.class_name in class_names else ""


def _checked_fractions(fractions: tuple[float, float, float]) -> NDArray[np.float64]:
    shares = np.asarray(fractions, dtype=np.float64)
    if shares.shape != (len(PARTS),) or not np.isfinite(shares).all() or (shares < 0).any() or shares[0] <= 0:
        raise StudyError(
            message(
                "A split needs three shares of 0 or more, and a positive one for training, such as 0.73, 0.12 "
                "and 0.15."
            )
        )
    normalised: NDArray[np.float64] = shares / shares.sum()
    return normalised


def _groups(rows: Sequence[SplitRow]) -> list[tuple[str, ...]]:
    """Patients who must stay together, because they share an identical image; most stand alone."""
    parent = {row.patient_id: row.patient_id for row in rows}

    def root(patient: str) -> str:
        while parent[patient] != patient:
            parent[patient] = parent[parent[patient]]
            patient = parent[patient]
        return patient

    owner: dict[str, str] = {}
    for row in rows:
        for digest in row.content:
            other = owner.setdefault(digest, row.patient_id)
            parent[root(row.patient_id)] = root(other)
    members: dict[str, list[str]] = defaultdict(list)
    for patient in sorted(parent):
        members[root(patient)].append(patient)
    return sorted(tuple(group) for group in members.values())


def _strata(
    rows: Sequence[SplitRow], groups: Sequence[tuple[str, ...]], class_names: Sequence[str]
) -> dict[str, list[tuple[str, ...]]]:
    """The groups of patients of each class, a group of several classes under the one with fewest patients."""
    classes: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        classes[row.patient_id].add(_class(row, class_names))
    frequency = Counter(name for names in classes.values() for name in names)
    order = {name: (frequency[name], i) for i, name in enumerate(class_names)}
    strata: dict[str, list[tuple[str, ...]]] = {name: [] for name in (*class_names, "")}
    for group in groups:
        shown = {name for patient in group for name in classes[patient]} - {""}
        strata[min(shown, key=order.__getitem__) if shown else ""].append(group)
    return strata


def _refuse_rare(strata: Mapping[str, Sequence[tuple[str, ...]]], class_names: Sequence[str], parts: int) -> None:
    for name in class_names:
        n = len(strata[name])
        if n == 0:
            raise StudyError(
                message(
                    "No patient is left to represent the class {name}: import or label such lesions, or train "
                    "without the class.",
                    name=name,
                )
            )
        if n < parts:
            raise StudyError(
                message(
                    "The class {name} has 1 patient, too few for {parts} parts: label more lesions, choose "
                    "cross-validation, or train without the class.",
                    name=name,
                    parts=parts,
                )
                if n == 1
                else message(
                    "The class {name} has {count} patients, too few for {parts} parts: label more lesions, choose "
                    "cross-validation, or train without the class.",
                    name=name,
                    count=n,
                    parts=parts,
                )
            )


def _apportioned(
    n: int, shares: NDArray[np.float64], owed: NDArray[np.float64], *, at_least_one: bool
) -> NDArray[np.int64]:
    """``n`` patients over the parts: rounded down, the rest to the parts that are owed most so far."""
    counts = np.floor(n * shares + 1e-9).astype(np.int64)
    for _ in range(n - int(counts.sum())):
        counts[int(np.argmax(np.where(shares > 0, owed - counts, -np.inf)))] += 1
    if at_least_one:
        for i in np.flatnonzero((shares > 0) & (counts == 0)):
            counts[int(np.argmax(counts))] -= 1
            counts[i] += 1
    return counts
