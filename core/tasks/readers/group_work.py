"""How the work of a group stands: progress of each reader, agreement of first labels, lesions to adjudicate."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import msgspec

from core.domain.errors import StudyError
from core.domain.group import COMPARED, Assignment, Consensus, Purpose, differing, is_settled, sources_of
from core.domain.messages import message
from core.domain.study import Labels, Reader
from core.domain.vocabulary import MarginType, MassShape
from core.statistics.agreement import agreement
from core.statistics.bootstrap import resample
from core.statistics.estimate import Estimate
from core.store.study import Study

_WORDS = {"margin": tuple(MarginType), "shape": tuple(MassShape)}
_POINTS = 8
"""At most so many points of a course."""
_FEWEST = 5
"""Lesions of the first point."""


class ReaderProgress(msgspec.Struct, frozen=True, kw_only=True):
    reader: str
    assigned: int
    """Lesions to label."""
    finished: int
    to_adjudicate: int
    """Lesions that wait for this reader's decision now."""


class PairAgreement(msgspec.Struct, frozen=True, kw_only=True):
    """Cohen's kappa of the first labels of two readers, on lesions that both finished."""

    first: str
    second: str
    label: str
    lesions: int
    same: int
    kappa: Estimate
    """Interval: bootstrap over patients."""
    course: tuple[tuple[int, Estimate], ...]
    """Kappa after so many lesions, in the order in which both had finished them."""


class Dispute(msgspec.Struct, frozen=True, kw_only=True):
    """A lesion on which the first labels differ and nobody decided."""

    lesion_id: str
    pseudonym: str
    differ: tuple[str, ...]
    """Names of the labels."""
    calls: tuple[tuple[str, Labels, int], ...]
    """Name, first labels and revision of the drawing of each reader; revision 0 for no drawing."""
    adjudicators: tuple[str, ...]


class GroupState(msgspec.Struct, frozen=True, kw_only=True):
    progress: tuple[ReaderProgress, ...]
    agreement: tuple[PairAgreement, ...]
    disputes: tuple[Dispute, ...]
    agreed: tuple[str, ...]
    """Ids of lesions whose readers agree and that have no consensus yet."""
    consensus: dict[str, int]
    """Number of lesions with a consensus, by how it came about."""


def group_state(study: Study) -> GroupState:
    """Return how the work stands, as far as this login may see it."""
    by_lesion = _by_lesion(study)
    standing = study.consensus.all()
    disputed = study.consensus.disputed()
    counts: dict[str, int] = {}
    for one in standing.values():
        counts[one.how.value] = counts.get(one.how.value, 0) + 1
    return GroupState(
        progress=_progress(study, by_lesion, disputed),
        agreement=_pair_agreements(study, by_lesion),
        disputes=_disputes(study, by_lesion, disputed),
        agreed=_agreed(by_lesion, standing),
        consensus=counts,
    )


def disputes(study: Study, reader_id: str | None = None) -> tuple[Dispute, ...]:
    """Return the lesions that wait for an adjudication (by this reader), in the order of entry."""
    return _disputes(study, _by_lesion(study), study.consensus.disputed(reader_id))


def _disputes(
    study: Study, by_lesion: dict[str, list[Assignment]], disputed: dict[str, tuple[str, ...]]
) -> tuple[Dispute, ...]:
    names = {reader.id: reader.name for reader in study.readers.all()}
    patients = {patient.id: patient.pseudonym for patient in study.patients.all()}
    patient_of = {finding.id: finding.patient_id for finding in study.lesions.findings()}
    found = []
    for lesion in study.lesions.all():
        if lesion.id not in disputed:
            continue
        assignments = by_lesion[lesion.id]
        judges = [one.reader_id for one in assignments if one.purpose is Purpose.ADJUDICATE]
        found.append(
            Dispute(
                lesion_id=lesion.id,
                pseudonym=patients[patient_of[lesion.finding_id]],
                differ=disputed[lesion.id],
                calls=tuple((names[one.reader_id], one.labels, one.revision) for one in sources_of(assignments)),
                adjudicators=tuple(names[one] for one in judges),
            )
        )
    return tuple(found)


def settle_agreed(study: Study) -> tuple[Consensus, ...]:
    """Make the consensus of every lesion whose readers all finished and agree; as one transaction."""
    made = []
    with study.batch():
        for lesion_id in _agreed(_by_lesion(study), study.consensus.all()):
            made.append(study.consensus.agree(lesion_id))
    return tuple(made)


def _pair_agreements(study: Study, by_lesion: dict[str, list[Assignment]]) -> tuple[PairAgreement, ...]:
    """Return the agreement of each two readers on margin and shape, where both finished a lesion and named it."""
    patient_of = {finding.id: finding.patient_id for finding in study.lesions.findings()}
    patients = {lesion.id: patient_of[lesion.finding_id] for lesion in study.lesions.all()}
    pairs: dict[tuple[str, str, str], list[tuple[str, str, str, str]]] = {}
    for lesion_id, assignments in by_lesion.items():
        done = [one for one in assignments if one.purpose is Purpose.LABEL and one.labels is not None]
        for a, b in combinations(done, 2):
            for label in COMPARED:
                words = [getattr(one.labels, label) for one in (a, b)]
                if None in words:
                    continue
                when = max(str(a.finished_utc), str(b.finished_utc))
                key = (a.reader_id, b.reader_id, label)
                pairs.setdefault(key, []).append((when, patients[lesion_id], words[0], words[1]))
    names = {reader.id: reader.name for reader in study.readers.all()}
    return tuple(
        _pair((names[first], names[second], label), sorted(rows))
        for (first, second, label), rows in sorted(pairs.items())
    )


def _pair(key: tuple[str, str, str], rows: Sequence[tuple[str, str, str, str]]) -> PairAgreement:
    first, second, label = key
    sizes = sorted({round(len(rows) * part / _POINTS) for part in range(1, _POINTS + 1)})
    course = tuple((size, _kappa(label, rows[:size])) for size in sizes if size >= min(_FEWEST, len(rows)))
    return PairAgreement(
        first=first,
        second=second,
        label=label,
        lesions=len(rows),
        same=sum(a == b for _, _, a, b in rows),
        kappa=course[-1][1],
        course=course,
    )


def _kappa(label: str, rows: Sequence[tuple[str, str, str, str]]) -> Estimate:
    words = [str(word) for word in _WORDS[label]]
    a, b = ([words.index(row[place]) for row in rows] for place in (2, 3))
    resamples = resample([row[1] for row in rows], len(rows))
    found = agreement(a, b, words, resamples).overall
    if found.value is not None:
        return found
    return msgspec.structs.replace(found, reason="both readers name one word only")


def _progress(
    study: Study, by_lesion: dict[str, list[Assignment]], disputed: dict[str, tuple[str, ...]]
) -> tuple[ReaderProgress, ...]:
    everything = [one for assignments in by_lesion.values() for one in assignments]
    found = []
    for reader in study.readers.all():
        own = [one for one in everything if one.reader_id == reader.id]
        if not own:
            continue
        label = [one for one in own if one.purpose is Purpose.LABEL]
        found.append(
            ReaderProgress(
                reader=reader.name,
                assigned=len(label),
                finished=sum(not one.open for one in label),
                to_adjudicate=sum(one.purpose is Purpose.ADJUDICATE and one.lesion_id in disputed for one in own),
            )
        )
    return tuple(found)


def _agreed(by_lesion: dict[str, list[Assignment]], standing: dict[str, Consensus]) -> tuple[str, ...]:
    return tuple(
        lesion_id
        for lesion_id, assignments in by_lesion.items()
        if lesion_id not in standing
        and is_settled(assignments)
        and not differing([one.labels for one in sources_of(assignments)])
    )


def _by_lesion(study: Study) -> dict[str, list[Assignment]]:
    found: dict[str, list[Assignment]] = {}
    for one in study.assignments.all():
        found.setdefault(one.lesion_id, []).append(one)
    return found


def named_reader(study: Study, name: str) -> Reader:
    """Return the reader of this name; StudyError with the known names where there is none."""
    found = study.readers.find(name)
    if found is None:
        known = ", ".join(reader.name for reader in study.readers.all()) or "none yet"
        raise StudyError(
            message("The study has no reader named {name}; its readers are: {known}.", name=name, known=known)
        )
    return found


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """A lesion that waits for a reader."""

    lesion_id: str
    pseudonym: str
    purpose: Purpose


def queue_of(study: Study, reader: Reader) -> tuple[Waiting, ...]:
    """Return the lesions that wait for a reader, in the order of entry: to label, and to adjudicate."""
    patients = {patient.id: patient.pseudonym for patient in study.patients.all()}
    patient_of = {finding.id: finding.patient_id for finding in study.lesions.findings()}
    finding_of = {lesion.id: lesion.finding_id for lesion in study.lesions.all()}
    disputed = study.consensus.disputed(reader.id)
    return tuple(
        Waiting(
            lesion_id=one.lesion_id,
            pseudonym=patients[patient_of[finding_of[one.lesion_id]]],
            purpose=one.purpose,
        )
        for one in study.assignments.of_reader(reader.id)
        if one.open and (one.purpose is Purpose.LABEL or one.lesion_id in disputed)
    )


def lesion_of(study: Study, begin: str) -> str:
    """Return the id of the only lesion whose id begins so; StudyError where there are none or several."""
    found = [lesion.id for lesion in study.lesions.all() if lesion.id.startswith(begin)]
    exact = [one for one in found if one == begin]
    if len(exact or found) != 1:
        raise StudyError(
            message(
                "This study has {what} {lesion}; list them first.",
                what=message("more than one lesion") if found else message("no lesion"),
                lesion=begin,
            )
        )
    return (exact or found)[0]
