"""Who reads blind gets no proposal before their own label, by whatever way the reading was made blind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from core.domain.content import content_sha256
from core.domain.group import Assignment, Purpose
from core.domain.shapes import circle
from core.domain.study import Finding, Image, Labels, Lesion, Patient
from core.domain.vocabulary import Laterality, MarginType, ViewPosition
from core.store.study import Study
from core.tasks.studies.proposals import why_no_proposal

OWN = Labels(margin=MarginType.OBSCURED)


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Study]:
    """One image with two lesions that nobody labelled."""
    with Study.create(tmp_path / "study", name="test", synthetic=True) as made:
        pixels = np.zeros((150, 200), np.uint16)
        made.patients.add(Patient(id="p", pseudonym="P", source="phantom"))
        made.arrays.write_pixels("i", pixels)
        made.images.add(
            Image(
                id="i", patient_id="p", content_sha256=content_sha256(pixels), width=200, height=150,
                bits_stored=12, laterality=Laterality.LEFT, view=ViewPosition.CC, synthetic=True,
            )
        )  # fmt: skip
        for number, name in enumerate(("first", "second"), start=1):
            made.lesions.add_finding(Finding(id=f"f-{name}", patient_id="p"))
            made.lesions.add(
                Lesion(
                    id=name,
                    number=number,
                    finding_id=f"f-{name}",
                    image_id="i",
                    outline=circle((60.0, 60.0), 20.0),
                )
            )
        yield made


def _reader(study: Study) -> str:
    return study.readers.ensure("Dr. A").id


def _assign(study: Study, reader: str, purpose: Purpose = Purpose.LABEL) -> None:
    study.assignments.add_many(
        [Assignment(lesion_id="first", reader_id=reader, purpose=purpose, created_utc="2026-01-01T00:00:00Z")]
    )


def test_where_nothing_is_hidden_proposals_come_at_once(study: Study) -> None:
    reader = _reader(study)
    for lesion in ("first", "second", None):
        assert not why_no_proposal(study, reader, "i", lesion, blind=True)


@pytest.mark.parametrize("blind", [True, False])
def test_an_open_assignment_is_blind_whatever_the_reader_chose_to_see(study: Study, blind: bool) -> None:
    """Nobody else has labelled the lesion yet: the first of two readers must not be led either."""
    reader, other = _reader(study), study.readers.ensure("Dr. B").id
    _assign(study, reader)
    assert why_no_proposal(study, reader, "i", "first", blind=blind)
    assert not why_no_proposal(study, reader, "i", "second", blind=blind)
    assert not why_no_proposal(study, other, "i", "first", blind=blind)
    study.lesions.set_labels("first", OWN, reader_id=reader)
    assert not why_no_proposal(study, reader, "i", "first", blind=blind)


def test_an_adjudicator_is_blind_until_the_others_have_finished(study: Study) -> None:
    reader, others = _reader(study), [study.readers.ensure(name).id for name in ("Dr. B", "Dr. C")]
    _assign(study, reader, Purpose.ADJUDICATE)
    for other in others:
        _assign(study, other)
    for other, margin in zip(others, (MarginType.OBSCURED, MarginType.INDISTINCT), strict=True):
        assert why_no_proposal(study, reader, "i", "first", blind=False)
        study.lesions.set_labels("first", Labels(margin=margin), reader_id=other)
        study.assignments.finish("first", other)
    assert not why_no_proposal(study, reader, "i", "first", blind=False)


def test_a_new_lesion_is_no_way_around(study: Study) -> None:
    """Beside a lesion that is read blind, a click into the same mass would propose its margin."""
    reader = _reader(study)
    _assign(study, reader)
    assert why_no_proposal(study, reader, "i", None, blind=False)
    study.lesions.set_labels("first", OWN, reader_id=reader)
    assert not why_no_proposal(study, reader, "i", None, blind=False)
    other = study.readers.ensure("Dr. B").id
    study.annotations.commit("second", other, (circle((60.0, 60.0), 5.0),))
    assert why_no_proposal(study, reader, "i", None, blind=True)
    assert not why_no_proposal(study, reader, "i", None, blind=False)
