"""What the worklist keeps in memory is never older than the study."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from core.domain.content import content_sha256
from core.domain.errors import StudyError
from core.domain.geometry import Box
from core.domain.shapes import Rectangle, circle
from core.domain.study import Finding, Image, Labels, Lesion, Patient, Split
from core.domain.vocabulary import MarginType, Part, ViewPosition
from core.store.study import Study
from core.store.worklist import Worklist, WorklistFilter, WorklistOrder, WorklistQuery

PATIENTS = 4


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Study]:
    with Study.create(tmp_path / "study", name="Index") as made:
        for number in reversed(range(PATIENTS)):
            made.patients.add(Patient(id=f"p{number}", pseudonym=f"P{number}", source=f"site {number % 2}"))
            for view in (ViewPosition.CC, ViewPosition.MLO):
                add_image(made, f"p{number}", view)
        yield made


def add_image(study: Study, patient: str, view: ViewPosition) -> None:
    name = f"{patient}-{view.value}"
    pixels = np.full((8, 8), hash(name) % 1000, np.uint16)
    study.images.add(
        Image(
            id=name, patient_id=patient, content_sha256=content_sha256(pixels), width=8, height=8, bits_stored=12,
            view=view,
        )
    )  # fmt: skip
    for number in (1, 2) if view is ViewPosition.CC else ():
        add_lesion(study, name, patient, number)


def add_lesion(study: Study, image: str, patient: str, number: int, margin: MarginType | None = None) -> None:
    finding = Finding(id=f"f{image}{number}", patient_id=patient)
    study.lesions.add_finding(finding)
    study.lesions.add(
        Lesion(
            id=f"l{image}{number}", finding_id=finding.id, image_id=image, number=number,
            outline=Rectangle(box=Box(x0=1, y0=1, x1=5, y1=5)), labels=Labels(margin=margin),
        )
    )  # fmt: skip


def queries(study: Study) -> list[WorklistQuery]:
    readers = ["", *(reader.id for reader in study.readers.all())]
    found = [WorklistQuery(reader_id=reader, only=only) for reader in readers for only in WorklistFilter]
    found += [WorklistQuery(reader_id=reader, order=order) for reader in readers for order in WorklistOrder]
    found += [WorklistQuery(reader_id=readers[-1], text=text) for text in ("p1", "site 1 mlo", "round", "a", "%")]
    parts = study.splits.all()
    return found + [WorklistQuery(split_id=split.id, part=part) for split in parts for part in Part]


def assert_as_read_anew(study: Study) -> None:
    for query in queries(study):
        anew = Worklist(study._database).keys(query)[:]
        assert study.worklist.keys(query)[:] == anew, query


def test_after_every_kind_of_change_the_list_is_as_if_read_anew(study: Study) -> None:
    rng = random.Random(7)
    me, other = study.readers.ensure("me").id, study.readers.ensure("other").id
    lesions = [lesion.id for lesion in study.lesions.all()]

    def label(reader: str | None) -> None:
        said = Labels(margin=rng.choice([None, *MarginType]), flagged=rng.random() < 0.5, comment=rng.choice("ab"))
        study.lesions.set_labels(rng.choice(lesions), said, reader_id=reader)

    def draw(reader: str) -> None:
        shapes = (circle((4, 4), 2),) if rng.random() < 0.7 else ()
        study.annotations.commit(rng.choice(lesions), reader, shapes)

    changes: list[Callable[[], object]] = [
        lambda: label(me), lambda: label(other), lambda: label(None), lambda: draw(me), lambda: draw(other),
        lambda: study.lesions.set_outline(lesions[0], Rectangle(box=Box(x0=0, y0=0, x1=4, y1=4))),
        lambda: study.lesions.set_finding(lesions[1], Finding(id=str(rng.random()), patient_id="p3")),
        lambda: study.audit.record("annotation.checkpoint", "a"),
    ]  # fmt: skip
    for _ in range(12):
        rng.choice(changes)()
        assert_as_read_anew(study)
    study.lesions.set_order("p1-CC", ["lp1-CC2", "lp1-CC1"])
    assert_as_read_anew(study)
    study.lesions.remove("lp2-CC1")
    assert_as_read_anew(study)
    add_lesion(study, "p0-MLO", "p0", 1, MarginType.OBSCURED)
    assert_as_read_anew(study)
    study.splits.add(Split(id="s", name="s", seed=1, parts={"p0": Part.TEST, "p1": Part.TRAINING}))
    study.patients.add(Patient(id="p9", pseudonym="A", source="site 9"))
    add_image(study, "p9", ViewPosition.CC)
    assert_as_read_anew(study)


def test_changes_that_were_taken_back_leave_nothing(study: Study) -> None:
    me = study.readers.ensure("me").id
    flagged = WorklistQuery(reader_id=me, only=WorklistFilter.FLAGGED)
    assert study.worklist.keys(flagged)[:] == []
    with pytest.raises(StudyError, match="no lesion"), study.batch():
        study.lesions.set_labels("lp1-CC1", Labels(flagged=True), reader_id=me)
        assert len(study.worklist.keys(flagged)) == 1
        study.lesions.get("not there")
    # as many records as were taken back, about other lesions
    study.lesions.set_labels("lp1-CC2", Labels(margin=MarginType.OBSCURED), reader_id=me)
    assert study.worklist.keys(flagged)[:] == []
    assert_as_read_anew(study)


def test_what_another_program_wrote_is_seen(study: Study) -> None:
    me = study.readers.ensure("me").id
    mine = WorklistQuery(reader_id=me, only=WorklistFilter.MINE)
    with Study.open(study.folder, writable=False) as beside:
        assert len(beside.worklist.keys(mine)) == 0
        study.lesions.set_labels("lp1-CC1", Labels(flagged=True), reader_id=me)
        study.annotations.commit("lp2-CC1", me, (circle((4, 4), 2),))
        assert len(beside.worklist.keys(mine)) == 2


def test_a_study_without_images_has_an_empty_list(tmp_path: Path) -> None:
    with Study.create(tmp_path / "empty", name="Empty") as empty:
        for query in queries(empty):
            assert len(empty.worklist.keys(query)) == 0


def test_a_ranking_orders_the_lesions_that_it_names_and_leaves_the_others_behind(study: Study) -> None:
    ranking = ("lp1-CC2", "lp3-CC1", "gone", "lp0-CC1")
    keys = study.worklist.keys(WorklistQuery(order=WorklistOrder.RANKING, ranking=ranking))
    rows = [row for row in study.worklist.rows(keys[:], reader_id="") if row is not None]
    assert [row.lesion_id for row in rows[:3]] == ["lp1-CC2", "lp3-CC1", "lp0-CC1"]
    rest = [key for key in study.worklist.keys(WorklistQuery())[:] if key not in keys[:3]]
    assert keys[3:1000] == rest


def test_words_are_found_in_file_names_and_margins_of_the_data_set_do_not_order(study: Study) -> None:
    add_lesion(study, "p0-MLO", "p0", 3, MarginType.SPICULATED)
    add_lesion(study, "p1-MLO", "p1", 3, MarginType.CIRCUMSCRIBED)
    names = {"p0-MLO": "full/MDB028.png", "p1-MLO": "full/mdb029.png"}

    def images(query: WorklistQuery) -> list[int]:
        return [image for image, _ in study.worklist.keys(query, names)[:]]

    number = {image: study.worklist.key_of(image, None) for image in names}
    assert images(WorklistQuery(text="mdb028")) == [number["p0-MLO"][0]]  # type: ignore[index]
    assert len(images(WorklistQuery(text="mdb"))) == 2
    assert images(WorklistQuery(text="mdb028 site")) == images(WorklistQuery(text="mdb028"))
    by_margin = WorklistQuery(order=WorklistOrder.MARGIN)
    own = msgspec.structs.replace(by_margin, own_margins=True)
    assert images(by_margin)[:2] == [number["p1-MLO"][0], number["p0-MLO"][0]]  # type: ignore[index]
    assert images(own) == images(WorklistQuery()), "what the data set says does not show in the order"
    unlabelled = WorklistQuery(only=WorklistFilter.UNLABELLED)
    everything = msgspec.structs.replace(unlabelled, own_margins=True)
    assert len(images(everything)) == len(images(unlabelled)) + 2
