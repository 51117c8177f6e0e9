from collections import Counter

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from core.data.split import SplitRow, check_split, grouped_folds, split_patients, split_report
from core.domain.errors import StudyError
from core.domain.vocabulary import Part

NAMES = ("circumscribed", "indistinct", "spiculated")


def _rows(counts: tuple[int, ...] = (60, 25, 15), views: int = 2) -> list[SplitRow]:
    return [
        SplitRow(patient_id=f"{name[0]}{i:03}", class_name=name)
        for name, n in zip(NAMES, counts, strict=True)
        for i in range(n)
        for _ in range(views)
    ]


def test_the_papers_fractions_are_met_and_every_class_is_in_every_part() -> None:
    rows = _rows()
    parts = split_patients(rows, NAMES, seed=3)
    sizes = Counter(parts.values())
    assert (sizes[Part.TRAINING], sizes[Part.VALIDATION], sizes[Part.TEST]) == (73, 12, 15)
    report = split_report(rows, parts, NAMES)
    assert all(count.patients >= 1 and count.lesions == 2 * count.patients for count in report if count.class_name)
    assert sum(count.lesions for count in report) == len(rows)


def test_the_seed_decides_and_the_order_does_not() -> None:
    rows = _rows()
    assert split_patients(rows, NAMES, seed=3) == split_patients(rows[::-1], NAMES, seed=3)
    assert split_patients(rows, NAMES, seed=3) != split_patients(rows, NAMES, seed=4)


def test_a_patient_of_several_classes_goes_by_the_rarest() -> None:
    rows = _rows((20, 20, 3)) + [SplitRow(patient_id=f"c{i:03}", class_name="spiculated") for i in range(3)]
    for seed in range(8):
        parts = split_patients(rows, NAMES, seed=seed)
        shown = {parts[row.patient_id] for row in rows if row.class_name == "spiculated"}
        assert shown == set(Part)


@given(seed=st.integers(0, 1000), fractions=st.sampled_from([(0.5, 0.25, 0.25), (0.8, 0.2, 0.0), (1.0, 0.0, 0.0)]))
@settings(max_examples=15)
def test_any_fractions_are_met_to_a_patient(seed: int, fractions: tuple[float, float, float]) -> None:
    parts = split_patients(_rows((31, 17, 13)), NAMES, fractions=fractions, seed=seed)
    sizes = Counter(parts.values())
    for part, share in zip(Part, fractions, strict=True):
        assert abs(sizes[part] - share * 61) <= 1.01


def test_patients_with_an_identical_image_stay_together() -> None:
    rows = [*_rows(), SplitRow(patient_id="c001", content=("x",)), SplitRow(patient_id="s002", content=("x",))]
    for seed in range(10):
        parts = split_patients(rows, NAMES, seed=seed)
        assert parts["c001"] == parts["s002"]


@pytest.mark.parametrize(
    ("counts", "words"),
    [((20, 5, 0), "No patient"), ((20, 5, 1), "has 1 patient,"), ((20, 5, 2), "has 2 patients")],
)
def test_a_class_with_too_few_patients_is_refused(counts: tuple[int, int, int], words: str) -> None:
    with pytest.raises(StudyError, match=words):
        split_patients(_rows(counts), NAMES, seed=1)


def test_impossible_fractions_are_refused() -> None:
    with pytest.raises(StudyError, match="shares"):
        split_patients(_rows(), NAMES, fractions=(0.0, 0.5, 0.5), seed=1)


def test_a_patient_in_two_parts_is_refused() -> None:
    rows = [SplitRow(patient_id="A"), SplitRow(patient_id="A")]
    with pytest.raises(StudyError, match="Patient A is in two parts"):
        check_split(rows, [Part.TRAINING, Part.TEST])
    check_split(rows, [Part.TEST, Part.TEST])


def test_an_identical_image_in_two_parts_is_refused() -> None:
    rows = [SplitRow(patient_id="A", content=("u", "x")), SplitRow(patient_id="B", content=("x",))]
    with pytest.raises(StudyError, match="A and B have an identical image"):
        check_split(rows, [Part.TRAINING, Part.TEST])


def test_folds_keep_patients_whole_and_spread_the_classes() -> None:
    rows = _rows((30, 12, 6))
    label = [NAMES.index(str(row.class_name)) for row in rows]
    patient = [row.patient_id for row in rows]
    folds = grouped_folds(patient, label, 5, seed=2)
    assert all(len({f for f, q in zip(folds, patient, strict=True) if q == p}) == 1 for p in set(patient))
    for c, n in enumerate((30, 12, 6)):
        patients = np.bincount(folds[np.array(label) == c], minlength=5) / 2
        assert patients.max() - patients.min() <= 1 and patients.sum() == n
    assert np.array_equal(folds, grouped_folds(patient, label, 5, seed=2))


def test_folds_are_refused_where_a_class_has_one_patient_or_there_are_too_few() -> None:
    with pytest.raises(StudyError, match="has 1 patient,"):
        grouped_folds(["a", "b", "c"], [0, 0, 1], 2, seed=0)
    with pytest.raises(StudyError, match="4 patients"):
        grouped_folds(["a", "b", "c", "d"], [0, 0, 1, 1], 5, seed=0)
    with pytest.raises(StudyError, match="at least 2"):
        grouped_folds(["a", "b"], [0, 0], 1, seed=0)
