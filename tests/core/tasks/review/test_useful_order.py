"""Most useful first: reasons, spread over patients and classes, the random share, and a bad model's limits."""

from __future__ import annotations

import numpy as np
import pytest

from core.tasks.review.lesion_features import mean_inside, reduced
from core.tasks.review.useful_order import RANDOM_EVERY, Candidate, UsefulReason, useful_order


def _lesion(number: int, shares: list[float], **more: object) -> Candidate:
    given: dict[str, object] = {"evidence": 5.0, "patient_id": f"p{number}"} | more
    return Candidate(lesion_id=f"l{number}", probabilities=np.array(shares), **given)  # type: ignore[arg-type]


SURE = [0.9, 0.06, 0.04]


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        (_lesion(99, [0.4, 0.38, 0.22]), UsefulReason.UNSURE),
        (_lesion(99, SURE, label=2), UsefulReason.DISAGREES),
        (_lesion(99, SURE, evidence=0.5), UsefulReason.FAR),
        (_lesion(99, SURE, has_precedent=False), UsefulReason.NO_PRECEDENT),
    ],
)
def test_the_lesion_with_a_reason_comes_first_and_names_it(case: Candidate, reason: UsefulReason) -> None:
    plain = [_lesion(i, SURE, label=0) for i in range(8)]
    first = useful_order([*plain, case])[0]
    assert (first.lesion_id, first.reason) == ("l99", reason)


def test_a_patient_comes_again_only_after_all_others() -> None:
    many = [_lesion(i, [0.4, 0.35, 0.25], patient_id="same") for i in range(6)]
    others = [_lesion(i, SURE) for i in range(10, 13)]
    order = [one for one in useful_order([*many, *others]) if one.reason is not UsefulReason.RANDOM]
    first_others = [place for place, one in enumerate(order) if one.lesion_id in {"l10", "l11", "l12"}]
    second_of_same = [place for place, one in enumerate(order) if one.lesion_id not in {"l10", "l11", "l12"}][1]
    assert max(first_others) < second_of_same


def test_predicted_classes_come_in_turn() -> None:
    rows = [_lesion(i, [0.5 + i / 100, 0.3 - i / 100, 0.2]) for i in range(12)]
    rows += [_lesion(20 + i, [0.1, 0.2 - i / 100, 0.7 + i / 100]) for i in range(12)]
    shares = {one.lesion_id: one.probabilities for one in rows}
    first = useful_order(rows)[:4]
    predicted = [int(np.argmax(shares[one.lesion_id])) for one in first]  # type: ignore[arg-type]
    assert sorted(predicted) == [0, 0, 2, 2]


def test_every_fifth_place_is_random_and_every_lesion_comes_once() -> None:
    rng = np.random.default_rng(3)
    rows = [_lesion(i, list(rng.dirichlet([1, 1, 1])), evidence=float(rng.random())) for i in range(103)]
    order = useful_order(rows, seed=4)
    assert sorted(one.lesion_id for one in order) == sorted(one.lesion_id for one in rows)
    drawn = [place for place, one in enumerate(order) if one.reason is UsefulReason.RANDOM]
    assert drawn == list(range(RANDOM_EVERY - 1, 103, RANDOM_EVERY))
    assert order == useful_order(rows[::-1], seed=4) != useful_order(rows, seed=5)


def test_without_a_model_the_order_is_random() -> None:
    rows = [Candidate(lesion_id=f"l{i}", patient_id=f"p{i}") for i in range(20)]
    order = useful_order(rows)
    assert {one.reason for one in order} == {UsefulReason.RANDOM}
    assert [one.lesion_id for one in order] != [one.lesion_id for one in rows]


def test_what_is_annotated_or_unseen_comes_last() -> None:
    rows = [_lesion(0, SURE, annotated=True), Candidate(lesion_id="x", patient_id="x"), _lesion(1, SURE)]
    assert [one.reason for one in useful_order(rows)][1:] == [UsefulReason.UNKNOWN, UsefulReason.DONE]


def test_with_features_the_least_alike_lesion_comes_next() -> None:
    rng = np.random.default_rng(8)
    groups = [rng.normal(centre, 0.1, size=(10, 2)) for centre in ((0, 0), (9, 0), (0, 9), (9, 9))]
    rows = [
        _lesion(10 * g + i, SURE, features=at, annotated=g == 0 and i < 3)
        for g, group in enumerate(groups)
        for i, at in enumerate(group)
    ]
    order = [one for one in useful_order(rows) if one.reason is UsefulReason.UNLIKE]
    assert {int(one.lesion_id[1:]) // 10 for one in order[:3]} == {1, 2, 3}
    assert int(order[0].lesion_id[1:]) // 10 == 3, "the farthest from what is annotated"
    assert len({one.lesion_id for one in useful_order(rows)}) == len(rows)
    begun = useful_order([_lesion(i, SURE, features=at) for i, at in enumerate(groups[0])])
    assert begun[0].reason is UsefulReason.UNLIKE
    typical = np.square(groups[0] - groups[0].mean(0)).sum(1).argmin()
    assert begun[0].lesion_id == f"l{typical}"


def test_features_are_the_mean_over_the_lesion() -> None:
    maps = np.zeros((1, 2, 2, 2), np.float32)
    maps[0, :, 0, 0], maps[0, :, 1, 1] = (3, 5), (7, 9)
    lesion = np.zeros((1, 4, 4), np.uint8)
    lesion[0, :2, :2] = 1
    assert mean_inside(maps, lesion).tolist() == [[3, 5]]
    lesion[0, 2:, 2:] = 1
    assert mean_inside(maps, lesion).tolist() == [[5, 7]]
    rng = np.random.default_rng(2)
    values = rng.normal(size=(30, 6)) * (1, 10, 100, 1, 1, 1)
    assert reduced(values, 6).std(0)[0] < 3, "no channel outweighs another by its scale"
