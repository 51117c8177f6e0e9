"""Assignments by rule: whole patients go to readers, so that each has about the same number of lesions."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

from core.domain.errors import StudyError
from core.domain.group import Assignment, Purpose
from core.domain.messages import message
from core.domain.study import Lesion, Reader
from core.store.database import now_utc
from core.store.study import Study


def plan_assignments(
    study: Study,
    readers: Sequence[Reader],
    *,
    each: int = 1,
    adjudicator: Reader | None = None,
    lesion_ids: Iterable[str] | None = None,
    seed: int = 1,
) -> tuple[Assignment, ...]:
    """Return the assignments that every lesion lacks until ``each`` readers have it to label.

    All lesions of a patient go to the same readers, as far as earlier assignments let them. Patients come in an
    order drawn from ``seed``, and the readers with the fewest lesions first. ``adjudicator`` gets every lesion
    that at least two readers label. ``lesion_ids``: only these lesions; None for all of the study. StudyError
    where there are fewer readers than ``each``, one is named twice, or the adjudicator is one of them.
    """
    _refuse(readers, each, adjudicator)
    wanted = None if lesion_ids is None else set(lesion_ids)
    lesions = [one for one in study.lesions.all() if wanted is None or one.id in wanted]
    if wanted is not None and len(lesions) < len(wanted):
        raise StudyError(
            message("The study has no lesion {lesion}.", lesion=min(wanted - {one.id for one in lesions}))
        )
    known: dict[str, dict[str, Purpose]] = {}
    load = {reader.id: 0 for reader in readers}
    for one in study.assignments.all():
        known.setdefault(one.lesion_id, {})[one.reader_id] = one.purpose
        if one.reader_id in load and one.purpose is Purpose.LABEL:
            load[one.reader_id] += 1
    now, choose, made = now_utc(), random.Random(seed), []

    def give(lesion: Lesion, reader: Reader, purpose: Purpose) -> None:
        known.setdefault(lesion.id, {})[reader.id] = purpose
        made.append(Assignment(lesion_id=lesion.id, reader_id=reader.id, purpose=purpose, created_utc=now))

    for group in _by_patient(study, lesions, choose):
        order = sorted(readers, key=lambda reader: (load[reader.id], choose.random()))
        for lesion in group:
            has = known.get(lesion.id, {})
            missing = each - sum(purpose is Purpose.LABEL for purpose in has.values())
            for reader in [one for one in order if one.id not in has][: max(missing, 0)]:
                give(lesion, reader, Purpose.LABEL)
                load[reader.id] += 1
            has = known.get(lesion.id, {})
            twice = sum(purpose is Purpose.LABEL for purpose in has.values()) > 1
            if adjudicator is not None and twice and adjudicator.id not in has:
                give(lesion, adjudicator, Purpose.ADJUDICATE)
    return tuple(made)


def _refuse(readers: Sequence[Reader], each: int, adjudicator: Reader | None) -> None:
    names = [reader.name for reader in readers]
    if each < 1 or len(set(names)) < max(each, len(names)):
        raise StudyError(
            message(
                "{each} readers for each lesion need at least that many different readers; name them.", each=each
            )
        )
    if adjudicator is not None and adjudicator.name in names:
        raise StudyError(
            message(
                "{adjudicator} labels these lesions and cannot adjudicate them; choose another reader.",
                adjudicator=adjudicator.name,
            )
        )


def _by_patient(study: Study, lesions: Sequence[Lesion], choose: random.Random) -> list[list[Lesion]]:
    patient_of = {finding.id: finding.patient_id for finding in study.lesions.findings()}
    groups: dict[str, list[Lesion]] = {}
    for lesion in lesions:
        groups.setdefault(patient_of[lesion.finding_id], []).append(lesion)
    found = list(groups.values())
    choose.shuffle(found)
    return found
