"""Which lesion to annotate next: those first from which a model would learn most.

Where the features of the lesions are known, that lesion comes next which is least like all that are annotated or
come before it (farthest-first traversal: Gonzalez 1985; as a choice of what to annotate: Sener and Savarese 2018).

Without features a lesion is useful where the model is unsure, where it contradicts the label, where it resembles
no prototype, or where it has no precedent. Each reason is a rank among the lesions that are left, so that none
outweighs another by its scale. The list takes every patient once before it takes one again, and the predicted
classes in turn.

In both, every fifth place is drawn at random: figures on these lesions are not biased by the choice, and a bad
model cannot make the order worse than a random one by more than that leaves.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
RANDOM_EVERY = 5
"""One place of this number is drawn at random."""


class UsefulReason(StrEnum):
    """Why a lesion stands where it stands."""

    UNSURE = "model unsure"
    DISAGREES = "model disagrees with the label"
    FAR = "unlike every prototype"
    NO_PRECEDENT = "no precedent"
    UNLIKE = "unlike the annotated lesions"
    RANDOM = "drawn at random"
    DONE = "annotated already"
    UNKNOWN = "not seen by the model"


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A lesion with what the model in hand makes of it."""

    lesion_id: str
    patient_id: str
    probabilities: Floats | None = None
    """(K,); None where the model cannot see it, or where there is no model."""
    label: int | None = None
    """Index of the class that the reader or the data set gives it."""
    evidence: float | None = None
    """Largest similarity to a prototype of the predicted class."""
    has_precedent: bool = True
    annotated: bool = False
    features: Floats | None = None
    """(F,) ``core.tasks.review.lesion_features``; None where they are not known (yet)."""


@dataclass(frozen=True, kw_only=True)
class UsefulLesion:
    lesion_id: str
    reason: UsefulReason
    usefulness: float
    """From 0 to 1; 0 where the model had no say in the place."""


def useful_order(candidates: Sequence[Candidate], *, seed: int = 0) -> tuple[UsefulLesion, ...]:
    """All lesions, most useful first: those left to annotate, then those that the model cannot see, then the
    annotated ones. Without any prediction the order is drawn at random. Equal input gives equal order."""
    left = (one for one in candidates if not one.annotated)
    open_ones = sorted(left, key=lambda one: _draw(seed, one.lesion_id))
    seen = [one for one in open_ones if one.probabilities is not None]
    unseen = [one for one in open_ones if one.probabilities is None]
    if not seen:
        ordered = [_at_random(one) for one in open_ones]
    else:
        blind = [UsefulLesion(lesion_id=o.lesion_id, reason=UsefulReason.UNKNOWN, usefulness=0.0) for o in unseen]
        done_features = [o.features for o in candidates if o.annotated and o.features is not None]
        if all(one.features is not None for one in seen):
            chosen = _farthest_first(seen, done_features)
        else:
            chosen = _spread(seen, _valued(seen))
        ordered = [*_interleaved(seen, chosen), *blind]
    done = [one for one in candidates if one.annotated]
    last = [UsefulLesion(lesion_id=o.lesion_id, reason=UsefulReason.DONE, usefulness=0.0) for o in done]
    return (*ordered, *last)


def _draw(seed: int, lesion_id: str) -> bytes:
    return hashlib.sha256(f"{seed}|{lesion_id}".encode()).digest()


def _at_random(one: Candidate) -> UsefulLesion:
    return UsefulLesion(lesion_id=one.lesion_id, reason=UsefulReason.RANDOM, usefulness=0.0)


def _ranks(values: Floats) -> Floats:
    """From 0 (smallest) to 1 (largest); equal values share their middle rank, all of one value 0."""
    if len(values) < 2 or np.ptp(values) == 0:
        return np.zeros(len(values))
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - (counts + 1) / 2
    return np.asarray(middle[inverse] / (len(values) - 1))


def _valued(seen: Sequence[Candidate]) -> list[UsefulLesion]:
    """Each lesion with the strongest of its reasons."""
    shares = np.array([one.probabilities for one in seen], np.float64)
    sorted_shares = np.sort(shares, axis=1)
    second = sorted_shares[:, -2] if shares.shape[1] > 1 else np.zeros(len(seen))
    unsure = _ranks(second - sorted_shares[:, -1])
    wrong = np.array([0.0 if o.label is None else 1 - shares[i, o.label] for i, o in enumerate(seen)])
    # a model that gives the label at least half of the probability does not contradict it
    disagrees = np.where(wrong > 0.5, _ranks(wrong), 0.0)
    evidence = np.array([np.nan if one.evidence is None else one.evidence for one in seen])
    far = np.zeros(len(seen))
    known = np.isfinite(evidence)
    far[known] = _ranks(-evidence[known])
    none = np.array([0.0 if one.has_precedent else 1.0 for one in seen])
    values = np.stack([unsure, disagrees, far, none], axis=1)
    reasons = (UsefulReason.UNSURE, UsefulReason.DISAGREES, UsefulReason.FAR, UsefulReason.NO_PRECEDENT)
    # the mean breaks the ties between lesions that one reason puts first
    usefulness = 0.5 * values.max(axis=1) + 0.5 * values.mean(axis=1)
    # of equal reasons the rarer one says more: no precedent before far, far before disagreement
    strongest = values.shape[1] - 1 - np.argmax(values[:, ::-1], axis=1)
    return [
        UsefulLesion(lesion_id=one.lesion_id, reason=reasons[k], usefulness=float(value))
        for one, k, value in zip(seen, strongest, usefulness, strict=True)
    ]


def _farthest_first(seen: Sequence[Candidate], annotated: Sequence[Floats]) -> list[UsefulLesion]:
    """Each time the lesion that is farthest from its nearest among the annotated and the chosen ones; without any
    the most typical one begins."""
    at = np.array([one.features for one in seen], np.float64)
    if annotated:
        known = np.array(annotated, np.float64)
        away = np.min([np.square(at - one).sum(axis=1) for one in known], axis=0)
    else:
        away = -np.square(at - at.mean(axis=0)).sum(axis=1)
    left = np.ones(len(seen), np.bool_)
    found: list[UsefulLesion] = []
    for place in range(len(seen)):
        nearest = int(np.argmax(np.where(left, away, -np.inf)))
        left[nearest] = False
        reached = np.square(at - at[nearest]).sum(axis=1)
        away = reached if place == 0 and not annotated else np.minimum(away, reached)
        value = 1 - place / len(seen)
        found.append(UsefulLesion(lesion_id=seen[nearest].lesion_id, reason=UsefulReason.UNLIKE, usefulness=value))
    return found


def _interleaved(seen: Sequence[Candidate], chosen: Sequence[UsefulLesion]) -> list[UsefulLesion]:
    """In the order of ``chosen``, with a random lesion at every fifth place."""
    at_random = deque(seen)  # already in a random order
    taken: set[str] = set()
    ordered: list[UsefulLesion] = []
    ahead = deque(chosen)
    while len(ordered) < len(seen):
        if len(ordered) % RANDOM_EVERY == RANDOM_EVERY - 1:
            while at_random[0].lesion_id in taken:
                at_random.popleft()
            found = _at_random(at_random.popleft())
        else:
            while ahead[0].lesion_id in taken:
                ahead.popleft()
            found = ahead.popleft()
        taken.add(found.lesion_id)
        ordered.append(found)
    return ordered


def _spread(seen: Sequence[Candidate], valued: Sequence[UsefulLesion]) -> list[UsefulLesion]:
    """By usefulness in rounds of patients, classes in turn."""
    by_value = sorted(range(len(seen)), key=lambda i: -valued[i].usefulness)
    rounds: list[list[int]] = []
    times: dict[str, int] = {}
    for i in by_value:
        number = times.get(seen[i].patient_id, 0)
        times[seen[i].patient_id] = number + 1
        while len(rounds) <= number:
            rounds.append([])
        rounds[number].append(i)
    return [valued[i] for members in rounds for i in _classes_in_turn(seen, members)]


def _classes_in_turn(seen: Sequence[Candidate], members: Sequence[int]) -> list[int]:
    queues: dict[int, deque[int]] = {}
    for i in members:
        shares = seen[i].probabilities
        queues.setdefault(-1 if shares is None else int(np.argmax(shares)), deque()).append(i)
    ordered: list[int] = []
    waiting = deque(queues.values())
    while waiting:
        queue = waiting.popleft()
        ordered.append(queue.popleft())
        if queue:
            waiting.append(queue)
    return ordered
