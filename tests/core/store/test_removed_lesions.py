"""A lesion that is taken out is kept whole, and can be put back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from core.domain.errors import StudyError
from core.domain.study import Finding, Labels
from core.domain.vocabulary import MarginType
from core.store.check import check_study
from core.store.erasure import forget_rows
from core.store.study import Study
from tests.core.store.helpers import add_case, drawing


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Study]:
    with Study.create(tmp_path / "study", name="Study", synthetic=True) as made:
        yield made


def test_a_removed_lesion_is_put_back_with_its_labels_and_every_revision(study: Study) -> None:
    for number in (1, 2):
        add_case(study, number)
    reader, other = study.readers.ensure("Dr A"), study.readers.ensure("Dr B")
    for number in (1, 2):
        study.annotations.commit("l1", reader.id, drawing(number))
    study.annotations.commit("l1", other.id, drawing(3))
    study.lesions.set_labels("l1", Labels(margin=MarginType.OBSCURED, comment="dense"), reader_id=reader.id)
    before = study.lesions.get("l1"), study.lesions.all_labels("l1"), study.annotations.history("l1", reader.id)
    everything = study.lesions.all()
    study.lesions.remove("l1")
    assert [lesion.id for lesion in study.lesions.all()] == ["l2"]
    assert study.lesions.removed() == ("l1",)
    study.lesions.put_back("l1")
    found = study.lesions.get("l1"), study.lesions.all_labels("l1"), study.annotations.history("l1", reader.id)
    assert found == before
    assert study.annotations.current("l1", other.id).shapes == drawing(3)  # type: ignore[union-attr]
    assert study.lesions.all() == everything
    assert study.lesions.removed() == ()
    assert check_study(study).good
    with pytest.raises(StudyError, match="no removed lesion"):
        study.lesions.put_back("l1")


def test_a_lesion_that_is_put_back_takes_another_number_where_its_own_is_taken(study: Study) -> None:
    first = add_case(study, 1)
    study.lesions.remove("l1")
    study.lesions.add_finding(Finding(id="new", patient_id="p1"))
    study.lesions.add(msgspec.structs.replace(first, id="l9", finding_id="new"))
    study.lesions.put_back("l1")
    assert {lesion.id: lesion.number for lesion in study.lesions.all()} == {"l9": 1, "l1": 2}


def test_a_forgotten_patient_takes_its_removed_lesions_along(study: Study) -> None:
    add_case(study, 1)
    add_case(study, 2)
    reader = study.readers.ensure("Dr A")
    study.annotations.commit("l1", reader.id, drawing(1))
    study.lesions.set_labels("l1", Labels(comment="tell-tale"), reader_id=reader.id)
    study.lesions.remove("l1")
    forget_rows(study._database, "p1")
    assert study.lesions.removed() == ()
    records = [record for record in study.audit.records() if "l1" in record.subject]
    assert records and all(record.old is None and record.new is None for record in records)
    assert study.audit.verify().good
