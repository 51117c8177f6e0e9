from __future__ import annotations

from pathlib import Path

import pytest

from core.domain.errors import BadFileError, StudyError
from core.domain.geometry import Box
from core.domain.shapes import Ellipse, Length, Line, Rectangle
from core.domain.study import (
    Finding,
    Image,
    Labels,
    Lesion,
    ModelRevision,
    Patient,
    Reader,
    Run,
    RunStatus,
    Split,
    Window,
)
from core.domain.vocabulary import (
    BiradsCategory,
    BreastComposition,
    Laterality,
    MarginType,
    MassDensity,
    MassShape,
    Part,
    Pathology,
    ViewPosition,
)
from core.store.study import Study
from tests.core.store.helpers import add_case, drawing


def test_a_study_comes_back_as_it_was_made(tmp_path: Path) -> None:
    with Study.create(tmp_path / "new" / "study", name="Ärzte 王", synthetic=True) as made:
        info = made.info
    with Study.open(tmp_path / "new" / "study") as opened:
        assert opened.info == info
        assert opened.info.name == "Ärzte 王"
        assert opened.info.synthetic


def test_an_empty_folder_becomes_a_study_and_a_full_one_does_not(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    Study.create(tmp_path / "empty", name="s").close()
    with pytest.raises(StudyError, match="not empty"):
        Study.create(tmp_path / "empty", name="s")
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_a_folder_without_a_study_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"is not a study: it has no study\.db"):
        Study.open(tmp_path)


@pytest.mark.parametrize("content", [b"not a database at all" * 100, b"SQLite format 3\0" + b"\1" * 4000])
def test_a_damaged_database_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "study.db").write_bytes(content)
    with pytest.raises(BadFileError, match=r"study\.db"):
        Study.open(tmp_path)


def test_every_field_of_an_image_is_kept(study: Study) -> None:
    study.patients.add(Patient(id="p", pseudonym="PX", source="site"))
    image = Image(
        id="i",
        patient_id="p",
        content_sha256="ab" * 32,
        width=2560,
        height=3328,
        bits_stored=12,
        pixel_spacing_mm=0.07,
        spacing_source="Imager Pixel Spacing",
        laterality=Laterality.LEFT,
        view=ViewPosition.MLO,
        composition=BreastComposition.C,
        photometric="MONOCHROME1",
        rescale_slope=0.5,
        rescale_intercept=-3.25,
        windows=(
            Window(centre=2047.5, width=4096),
            Window(centre=1, width=2, function="SIGMOID", explanation="x"),
        ),
        acquired="2019",
        detector="Maker, Model",
        synthetic=True,
    )
    study.images.add(image)
    assert study.images.get("i") == image
    assert study.images.find_by_content("ab" * 32) == (image,)
    assert study.images.of_patient("p") == study.images.all() == (image,)


def test_values_come_back_in_the_order_of_entry(study: Study) -> None:
    names = ["z", "a", "m", "b"]
    study.patients.add_many([Patient(id=n, pseudonym="P" + n, source="s") for n in names[:2]])
    study.patients.add_many([Patient(id=n, pseudonym="P" + n, source="s") for n in names[2:]])
    assert [p.id for p in study.patients.all()] == names
    assert [p.id for p in study.patients.page(1, 2)] == names[1:3]
    assert study.patients.count() == 4


def test_labels_of_readers_stand_beside_those_of_the_data_set(study: Study) -> None:
    lesion = add_case(study, 1)
    reader = study.readers.ensure("Dr A")
    said = Labels(
        margin=MarginType.INDISTINCT,
        shape=MassShape.OVAL,
        density=MassDensity.HIGH,
        category=BiradsCategory.MODERATE_SUSPICION,
        pathology=Pathology.MALIGNANT,
        probability_of_malignancy=0.35,
        comment="hm",
        flagged=True,
    )
    study.lesions.set_labels("l1", said, reader_id=reader.id)
    assert study.lesions.get("l1") == lesion
    assert study.lesions.labels("l1", reader_id=reader.id) == said
    assert study.lesions.all_labels("l1") == {None: lesion.labels, reader.id: said}
    corrected = Labels(margin=MarginType.CIRCUMSCRIBED)
    study.lesions.set_labels("l1", corrected)
    study.lesions.set_labels("l1", corrected, reader_id=reader.id)
    assert study.lesions.get("l1").labels == corrected
    assert study.lesions.labels_of_reader(reader.id) == {"l1": corrected}


def test_one_finding_has_lesions_in_two_views(study: Study) -> None:
    add_case(study, 1)
    study.images.add(Image(id="i2", patient_id="p1", content_sha256="1" * 64, width=9, height=9, bits_stored=8))
    outline = Ellipse(centre=(3, 4), radius_x=2, radius_y=2)
    other = Lesion(id="l2", finding_id="f1", image_id="i2", outline=outline)
    study.lesions.add(other)
    assert [lesion.id for lesion in study.lesions.of_finding("f1")] == ["l1", "l2"]
    assert study.lesions.of_image("i2") == (other,)
    assert len(study.lesions.of_patient("p1")) == 2
    study.lesions.set_outline("l2", Rectangle(box=Box(x0=0, y0=0, x1=5, y1=5)))
    assert study.lesions.get("l2").box == Box(x0=0, y0=0, x1=5, y1=5)


def test_a_lesion_cannot_join_two_patients(study: Study) -> None:
    add_case(study, 1)
    add_case(study, 2)
    with pytest.raises(StudyError, match="two patients"):
        study.lesions.add(
            Lesion(
                id="x",
                finding_id="f1",
                image_id="i2",
                outline=Rectangle(box=Box(x0=0, y0=0, x1=1, y1=1)),
                number=2,
            )
        )
    assert study.lesions.count() == 2


def test_references_to_nothing_are_refused(study: Study) -> None:
    with pytest.raises(StudyError):
        study.images.add(Image(id="i", patient_id="none", content_sha256="0", width=1, height=1, bits_stored=8))
    with pytest.raises(StudyError):
        study.annotations.commit("none", "nobody", ())
    assert study.images.all() == ()


def test_undo_of_an_annotation_is_a_new_revision(study: Study) -> None:
    add_case(study, 1)
    reader = study.readers.ensure("Dr A")
    assert study.annotations.current("l1", reader.id) is None
    line = (Line(points=((1.5, 2.0), (3.0, 4.25)), width=Length(value=0.4, unit="mm")),)
    study.annotations.commit("l1", reader.id, drawing(1))
    study.annotations.commit("l1", reader.id, drawing(1) + line)
    restored = study.annotations.restore("l1", reader.id, 1)
    assert restored.revision == 3
    assert [a.shapes for a in study.annotations.history("l1", reader.id)] == [
        drawing(1),
        drawing(1) + line,
        drawing(1),
    ]
    assert study.annotations.current("l1", reader.id) == restored
    with pytest.raises(StudyError, match="no revision 9"):
        study.annotations.restore("l1", reader.id, 9)


def test_the_current_annotations_are_those_of_the_highest_revision(study: Study) -> None:
    for number in (2, 1):
        add_case(study, number)
    first, second = study.readers.ensure("Dr A"), study.readers.ensure("Dr B")
    for number in range(12):
        study.annotations.commit("l1", first.id, drawing(number))
    study.annotations.commit("l2", second.id, drawing(50))
    study.annotations.commit("l1", second.id, drawing(60))
    found = [(a.lesion_id, a.reader_id, a.revision) for a in study.annotations.all_current()]
    assert found == [("l2", second.id, 1), ("l1", first.id, 12), ("l1", second.id, 1)]
    assert study.annotations.all_current(reader_id=first.id)[0].shapes == drawing(11)


def test_readers_have_names_of_their_own(study: Study) -> None:
    reader = study.readers.ensure("Dr A")
    assert study.readers.ensure("Dr A") == reader
    with pytest.raises(StudyError, match="already"):
        study.readers.add(Reader(id="other", name="Dr A"))
    assert study.readers.all() == (reader,)


def test_a_split_keeps_its_parts(study: Study) -> None:
    for number in (1, 2, 3):
        add_case(study, number)
    split = Split(id="s", name="one", seed=7, parts={"p1": Part.TRAINING, "p2": Part.TEST, "p3": Part.VALIDATION})
    study.splits.add(split)
    newer = Split(id="t", name="one", seed=8, parts={"p1": Part.TEST})
    study.splits.add(newer)
    assert study.splits.get("s") == split
    assert study.splits.find("one") == study.splits.latest() == newer
    study.splits.remove("t")
    assert study.splits.all() == (split,)
    with pytest.raises(StudyError):
        study.splits.add(Split(id="u", name="u", seed=1, parts={"nobody": Part.TEST}))


def test_a_run_is_updated_as_a_value_and_only_the_change_is_in_the_trail(study: Study) -> None:
    run = Run(id="r", name="first", created_utc="2026-01-01", config={"rates": {"a": 1e-3}, "k": [1, 2]})
    study.runs.add(run)
    done = Run(**{**_fields(run), "status": RunStatus.FINISHED, "metrics": {"auroc": 0.9, "none": None}})
    study.runs.update(done)
    assert study.runs.get("r") == study.runs.find("first") == done
    last = list(study.audit.records())[-1]
    assert last.action == "run.update"
    assert last.old == '{"metrics":{},"status":"planned"}'
    study.runs.update(Run(**{**_fields(done), "archived": True}))
    assert study.runs.all() == ()
    assert len(study.runs.all(archived=True)) == 1
    assert study.run_folder("r") == study.folder / "runs" / "r"


def _fields(run: Run) -> dict[str, object]:
    return {name: getattr(run, name) for name in run.__struct_fields__}


def test_undo_and_redo_of_pruning_move_the_active_pointer(study: Study) -> None:
    study.runs.add(Run(id="r", name="n", created_utc="x"))
    study.runs.add(Run(id="q", name="n", created_utc="x"))
    first = ModelRevision(
        id="a", run_id="r", parent_id=None, prototype_indices=(0, 1, 2), reason="trained", created_utc="t"
    )
    second = ModelRevision(
        id="b", run_id="r", parent_id="a", prototype_indices=(0, 2), reason="duplicate", created_utc="t"
    )
    assert study.models.active("r") is None
    study.models.add(first)
    study.models.add(second)
    assert study.models.active("r") == second
    study.models.activate("a")
    assert study.models.active("r") == first
    assert study.models.of_run("r") == (first, second)
    last = list(study.audit.records())[-1]
    assert (last.action, last.old, last.new) == ("model.activate", '{"revision":"b"}', '{"revision":"a"}')
    with pytest.raises(StudyError, match="another run"):
        study.models.add(
            ModelRevision(id="c", run_id="q", parent_id="a", prototype_indices=(), reason="", created_utc="")
        )


def test_removing_a_patient_takes_everything_said_of_them(study: Study) -> None:
    for number in (1, 2):
        add_case(study, number)
    reader = study.readers.ensure("Dr A")
    study.annotations.commit("l1", reader.id, drawing(1))
    study.splits.add(Split(id="s", name="n", seed=1, parts={"p1": Part.TEST, "p2": Part.TRAINING}))
    study.remove_patient("p1")
    assert [p.id for p in study.patients.all()] == ["p2"]
    assert [x.id for x in study.lesions.all()] == ["l2"]
    assert study.annotations.all_current() == ()
    assert study.splits.get("s").parts == {"p2": Part.TRAINING}
    assert study.arrays.pixel_files() == ("i2",)


def test_removing_the_only_lesion_of_a_finding_removes_the_finding(study: Study) -> None:
    add_case(study, 1)
    study.lesions.remove("l1")
    assert study.lesions.findings() == ()
    assert study.lesions.count() == 0


def test_a_batch_is_kept_whole_or_not_at_all(study: Study) -> None:
    before = study.audit.count()
    with pytest.raises(RuntimeError), study.batch():
        add_case(study, 1, pixels=False)
        raise RuntimeError
    assert study.patients.count() == 0
    assert study.audit.count() == before
    with study.batch():
        add_case(study, 1, pixels=False)
        assert study.patients.count() == 1, "a batch sees its own changes"
    assert study.lesions.count() == 1


def test_a_failure_that_is_caught_inside_a_batch_leaves_the_rest(study: Study) -> None:
    with study.batch():
        add_case(study, 1, pixels=False)
        assert study.audit.count() == 6
        with pytest.raises(StudyError), study.batch():
            study.patients.add(Patient(id="x", pseudonym="PX", source="s"))
            study.audit.count()
            study.lesions.add_finding(Finding(id="fx", patient_id="nobody"))
        study.patients.add(Patient(id="y", pseudonym="PY", source="s"))
    assert [p.id for p in study.patients.all()] == ["p1", "y"]
    subjects = [record.subject for record in study.audit.records()]
    assert subjects[-5:] == ["patient p1", "image i1", "finding f1", "lesion l1", "patient y"]
    assert study.audit.verify().good


def test_the_actor_is_named_in_the_trail(study: Study) -> None:
    study.actor = "Dr B"
    study.audit.record("export.masks", "study", new={"lesions": 3})
    first, last = next(study.audit.records()), list(study.audit.records())[-1]
    assert first.who == "Tester"
    assert last.who == "Dr B"


def test_the_revisions_of_a_long_drawing_share_their_shapes(study: Study) -> None:
    add_case(study, 1)
    reader = study.readers.ensure("Dr A")
    whole = tuple(shape for number in range(40) for shape in drawing(number))
    for number in range(1, len(whole) + 1):
        study.annotations.commit("l1", reader.id, whole[:number])
    past = study.annotations.history("l1", reader.id)
    assert [one.shapes for one in past] == [whole[:number] for number in range(1, len(whole) + 1)]
    assert len({id(shape) for one in past for shape in one.shapes}) == len(whole)
    later = study.annotations.history("l1", reader.id, after=past[-2].revision)
    assert later == past[-1:]
    assert list(study.annotations.dates("l1", reader.id, after=past[-2].revision)) == [past[-1].revision]
