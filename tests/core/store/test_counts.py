"""Counts by the database equal counts of the rows."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import msgspec
import numpy as np

from core.domain.shapes import circle
from core.domain.study import Labels, Reader
from core.domain.vocabulary import MarginType
from core.store.study import Study
from tests.core.store.helpers import add_case


def test_counts_equal_those_of_the_rows(tmp_path: Path) -> None:
    random = np.random.default_rng(4)
    margins = (MarginType.SPICULATED, MarginType.INDISTINCT, None)
    with Study.create(tmp_path / "study", name="test") as study:
        readers = [Reader(id=name, name=name) for name in ("a", "b")]
        for reader in readers:
            study.readers.add(reader)
        for number in range(12):
            add_case(study, number, pixels=False)
        for lesion in study.lesions.all():
            study.lesions.set_labels(lesion.id, Labels(margin=margins[random.integers(3)]))
            study.lesions.set_labels(lesion.id, Labels(margin=MarginType.OBSCURED), reader_id="a")
            for reader in readers:
                for _ in range(random.integers(3)):
                    drawn = (circle((5, 5), 3),) if random.random() < 0.6 else ()
                    study.annotations.commit(lesion.id, reader.id, drawn)
        (counted,) = study.counts()
        lesions = study.lesions.all()
        annotated = {one.lesion_id for one in study.annotations.all_current() if one.shapes}
        assert counted.patients == len(study.patients.all()) and counted.images == len(study.images.all())
        assert counted.lesions == len(lesions) and counted.finely_annotated == len(annotated) > 0
        expected = Counter(lesion.labels.margin for lesion in lesions)
        assert counted.margins == {margin and margin.value: number for margin, number in expected.items()}


def test_two_data_sets_are_counted_apart_and_an_empty_study_has_none(tmp_path: Path) -> None:
    with Study.create(tmp_path / "study", name="test") as study:
        assert study.counts() == () and not study.is_synthetic
        for number in range(3):
            add_case(study, number, pixels=False)
        patient = study.patients.all()[0]
        study.patients.add(msgspec.structs.replace(patient, id="other", pseudonym="OTHER", source="another"))
        first, second = sorted(study.counts(), key=lambda one: one.lesions)
        assert (first.source, first.patients, first.images, first.lesions) == ("another", 1, 0, 0)
        assert (second.patients, second.lesions, first.margins) == (3, len(study.lesions.all()), {})
