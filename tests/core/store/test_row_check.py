"""C-02: whatever is changed by hand in the database is found, and the row is named."""

from __future__ import annotations

import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from core.cli.main import run_command_line
from core.domain.errors import BadFileError
from core.domain.events import never
from core.domain.group import Assignment, Purpose
from core.domain.opinion import CaseReading, Opinion, Verdict
from core.domain.reading import Condition, ReaderStudy, StudyReading
from core.domain.shapes import circle
from core.domain.study import Finding, Labels, ModelRevision, Run, RunStatus, Split
from core.domain.vocabulary import Laterality, MarginType, Part, Pathology
from core.store.anchor import VARIABLE, Head, head_of, read_anchor
from core.store.archive import write_archive
from core.store.check import CheckReport, Problem, _check_rows, check_study
from core.store.sqlite.layout import layouts
from core.store.sqlite.upgrade import make_database
from core.store.study import Study
from core.store.upgrade import HEAD
from tests.core.store.helpers import add_case, drawing


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study with a row or more in every table, and a history of changes."""
    folder = tmp_path_factory.mktemp("rows") / "s"
    with Study.create(folder, name="s") as study:
        for number in range(1, 6):
            add_case(study, number)
        a, b = study.readers.ensure("Dr A"), study.readers.ensure("Dr B")
        for number in range(3):
            study.annotations.commit("l1", a.id, drawing(number))
        study.annotations.restore("l1", a.id, 1)
        study.annotations.commit("l2", b.id, drawing(4))
        study.lesions.set_labels("l1", Labels(margin=MarginType.SPICULATED), reader_id=b.id)
        study.lesions.set_labels("l2", Labels(pathology=Pathology.MALIGNANT))
        study.lesions.set_outline("l3", circle((30.0, 20.0), 8.0))
        study.annotations.commit("l5", b.id, drawing(5))
        for _ in range(2):
            study.lesions.remove("l5")
            study.lesions.put_back("l5")
        add_case(study, 7)
        study.annotations.commit("l7", b.id, drawing(7))
        study.lesions.remove("l7")
        study.lesions.add_finding(Finding(id="f-more", patient_id="p4"))
        study.lesions.set_finding("l4", Finding(id="f-new", patient_id="p4"))
        study.splits.add(Split(id="s1", name="one", seed=3, parts={"p1": Part.TRAINING, "p2": Part.TEST}))
        study.runs.add(Run(id="r", name="run", created_utc="2026-01-01", config={"k": 9}))
        study.runs.update(
            Run(id="r", name="run", created_utc="2026-01-01", config={"k": 9}, status=RunStatus.CANCELLED)
        )
        for number, parent in (("m1", None), ("m2", "m1")):
            revision = ModelRevision(
                id=number, run_id="r", parent_id=parent, prototype_indices=(0, 1), reason="", created_utc="x"
            )
            study.models.add(revision)
        study.reader_studies.add(
            ReaderStudy(
                id="rs", name="rs", run_id="r", revision_id="m2", seed=1, created_utc="x", lesion_ids=("l2", "l1")
            )
        )
        for condition in (Condition.ALONE, Condition.WITH_MODEL):
            study.reader_studies.read(
                StudyReading(
                    reader_study_id="rs",
                    lesion_id="l1",
                    reader_id=a.id,
                    condition=condition,
                    margin=MarginType.SPICULATED,
                    probability_of_malignancy=0.5,
                    seconds=4.0,
                    created_utc="x",
                )
            )
        for word in ("spiculated", "indistinct"):
            study.reviews.add_reading(
                CaseReading(
                    lesion_id="l1", reader_id=a.id, run_id="r", label="margin", word=word, created_utc="2026-02-02"
                )
            )
        study.reviews.withdraw_reading("l1", a.id)
        for verdict in (Verdict.AGREE, Verdict.DISAGREE):
            study.reviews.give(Opinion(lesion_id="l2", run_id="r", verdict=verdict))
        c = study.readers.ensure("Dr C")
        for reader, purpose in ((a, Purpose.LABEL), (b, Purpose.LABEL), (c, Purpose.ADJUDICATE)):
            one = Assignment(lesion_id="l3", reader_id=reader.id, purpose=purpose, created_utc="2026-01-01")
            study.assignments.add_many([one])
        for reader, margin in ((a, MarginType.SPICULATED), (b, MarginType.OBSCURED)):
            study.lesions.set_labels("l3", Labels(margin=margin), reader_id=reader.id)
            study.assignments.finish("l3", reader.id)
        study.consensus.adjudicate("l3", c.id, Labels(margin=MarginType.OBSCURED))
        add_case(study, 6)
        study.forget_patient("p6")
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "s"))


def checked(folder: Path, against: Head | None = None) -> CheckReport:
    with Study.open(folder, writable=False) as study:
        return check_study(study, against=against)


def row_problems(folder: Path) -> list[Problem]:
    """What ``check_study`` finds beside the pixels, for which it starts a child process."""
    problems: list[Problem] = []
    with Study.open(folder, writable=False) as study:
        _check_rows(study, problems, None, never)
    return problems


def edit(folder: Path, *statements: str) -> None:
    with closing(sqlite3.connect(folder / "study.db")) as database:
        database.execute("PRAGMA foreign_keys=OFF")
        database.execute("PRAGMA ignore_check_constraints=ON")
        for statement in statements:
            database.execute(statement)
        database.commit()


def test_a_study_with_everything_in_it_is_sound(folder: Path) -> None:
    assert checked(folder).problems == ()


@pytest.mark.parametrize(
    ("statement", "subject"),
    [
        ("UPDATE label SET pathology = 'benign' WHERE lesion_id = 'l2'", "labels of lesion l2 by the data set"),
        ("UPDATE label SET pathology = 'no such word' WHERE lesion_id = 'l2'", "labels of lesion l2"),
        (f"UPDATE image SET laterality = '{Laterality.RIGHT}' WHERE id = 'i1'", "image i1"),
        ("UPDATE image SET pixel_spacing_mm = 0.2 WHERE id = 'i2'", "image i2"),
        ("UPDATE image SET windows = '[[[[[' WHERE id = 'i2'", "image i2"),
        ("UPDATE image SET windows = '" + "[" * 5000 + "' WHERE id = 'i2'", "image i2"),
        ("UPDATE image SET patient_id = 'p2' WHERE id = 'i1'", "image i1"),
        ("""UPDATE lesion SET outline = json_set(outline, '$.centre[0]', 1) WHERE id = 'l3'""", "lesion l3"),
        ("UPDATE lesion SET finding_id = 'f2' WHERE id = 'l1'", "lesion l1"),
        ("UPDATE lesion SET seq = 77 WHERE id = 'l1'", "lesion l1"),
        ("DELETE FROM finding WHERE id = 'f1'", "finding f1"),
        ("INSERT INTO reader VALUES ('x', 9, 'Dr X')", "reader x"),
        ("UPDATE split_part SET part = 'test' WHERE patient_id = 'p1'", "split s1"),
        ("UPDATE run SET metrics = '{\"auroc\": 0.99}'", "run r"),
        ("UPDATE active_revision SET revision_id = 'm1'", "run r"),
        ("UPDATE reader_study_case SET lesion_id = 'l3' WHERE place = 1", "reader_study rs"),
        ("UPDATE reading SET margin = 'indistinct' WHERE condition = 'alone'", "reading of lesion l1"),
        ("UPDATE case_reading SET withdrawn_utc = NULL", "case_reading 2 of lesion l1"),
        ("UPDATE opinion SET verdict = 'agree' WHERE withdrawn_utc IS NULL", "opinion 2 of lesion l2"),
        ("UPDATE patient SET link_hash = '1' WHERE id = 'p1'", "patient p1"),
        ("UPDATE assignment SET labels = NULL WHERE purpose = 'label'", "assignment "),
        ("DELETE FROM assignment WHERE purpose = 'adjudicate'", "assignment "),
        ("DELETE FROM consensus", "consensus 1 of lesion l3"),
        ("UPDATE removed_lesion SET content = replace(content, 'sion\":1', 'sion\":2')", "removed lesion l7"),
        ("UPDATE study_info SET name = 'other'", "study"),
    ],
)  # fmt: skip
def test_what_is_changed_by_hand_is_named(folder: Path, statement: str, subject: str) -> None:
    edit(folder, statement)
    subjects = [problem.subject for problem in row_problems(folder)]
    assert any(one.startswith(subject) for one in subjects), subjects


@pytest.mark.parametrize("edits", [20, pytest.param(100, marks=pytest.mark.slow)])
def test_every_random_edit_is_found(made: Path, tmp_path: Path, edits: int) -> None:
    choose = random.Random(7)
    work = Path(shutil.copytree(made, tmp_path / "s"))
    original = (work / "study.db").read_bytes()
    with closing(sqlite3.connect(work / "study.db")) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        places = []
        for table in sorted(set(tables) - {"alembic_version"}):
            columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
            rows = [row[0] for row in database.execute(f"SELECT rowid FROM {table}")]
            places += [(table, column, row) for column in columns for row in rows]
    found = 0
    tried = choose.sample([one for one in places if one[:2] not in _SERVE_THE_DATABASE], edits)
    missed = []
    for table, column, row in tried:
        (work / "study.db").write_bytes(original)
        edit(work, "DROP TRIGGER audit_no_update", "DROP TRIGGER audit_no_delete")
        with closing(sqlite3.connect(work / "study.db")) as database:
            [(value,)] = database.execute(f"SELECT {column} FROM {table} WHERE rowid = {row}")
            new = value + 1 if isinstance(value, int | float) else f"{value or ''}1"
            try:
                database.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (new, row))
            except sqlite3.IntegrityError:
                found += 1  # the database itself does not let it through
                continue
            database.commit()
        with Study.open(work, writable=False) as study:
            wrong = bool(row_problems(work) or study.database_problems())
        found += wrong
        missed += [] if wrong else [(table, column, value, new)]
    assert (found, missed) == (edits, [])


_SERVE_THE_DATABASE = {
    *(("label", "id"), ("removed_lesion", "removed_utc"), ("removed_lesion", "content"), ("audit_head", "id")),
    *((table, column) for table in ("reading", "case_reading", "opinion") for column in ("id", "seq")),
}


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("CREATE TRIGGER mine AFTER INSERT ON label BEGIN DELETE FROM label; END", "has the trigger mine"),
        ("DROP TRIGGER audit_no_update", "lacks the trigger audit_no_update"),
        ("CREATE VIEW more AS SELECT 1", "has the view more"),
        ("DROP INDEX uq_label_own", "lacks the index uq_label_own"),
        ("CREATE TABLE notes (x)", "has the table notes"),
    ],
)
def test_another_layout_is_found(folder: Path, statement: str, words: str) -> None:
    edit(folder, statement)
    assert any(words in problem.sentence for problem in checked(folder).problems)


def test_a_view_in_the_place_of_a_table_is_never_asked(folder: Path) -> None:
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x AS id FROM n"
    edit(folder, "DROP TABLE reader", f"CREATE VIEW reader AS {endless}")
    for writable in (True, False):
        with pytest.raises(BadFileError, match="has another table reader"):
            Study.open(folder, writable=writable)


def test_a_view_in_the_place_of_the_version_is_never_asked(folder: Path) -> None:
    """The version is looked up before the layout is compared; its first row would never come."""
    with sqlite3.connect(folder / "study.db") as database:
        database.execute("DROP TABLE alembic_version")
        database.execute(
            "CREATE VIEW alembic_version AS WITH RECURSIVE n(version_num) AS (SELECT 1 UNION ALL SELECT "
            "version_num + 1 FROM n) SELECT version_num FROM n WHERE version_num < 0"
        )
    database.close()
    with pytest.raises(BadFileError, match="not that of a study"):
        Study.open(folder, writable=False)


def test_a_foreign_trigger_is_not_run(folder: Path) -> None:
    edit(folder, "CREATE TRIGGER mine AFTER INSERT ON label BEGIN DELETE FROM label; END")
    with pytest.raises(BadFileError, match="trigger mine"):
        Study.open(folder)


def test_the_layouts_are_those_that_the_migrations_make(tmp_path: Path) -> None:
    """After a new migration: ``python -m tests.core.store.make_layouts``."""
    from core.store.sqlite.layout import parts_of

    assert list(layouts()) == [f"{number:04d}" for number in range(1, int(HEAD) + 1)]
    for version, parts in layouts().items():
        make_database(tmp_path / f"{version}.db", version)
        with closing(sqlite3.connect(tmp_path / f"{version}.db")) as database:
            assert parts_of(database) == parts


def rewritten(folder: Path) -> None:
    """The pathology flipped, and the trail written anew with a whole chain."""
    from core.store.trail import FIRST, AuditRecord, record_sha256

    edit(folder, "UPDATE label SET pathology = 'benign' WHERE lesion_id = 'l2'")
    with closing(sqlite3.connect(folder / "study.db")) as database:
        database.row_factory = sqlite3.Row
        rows = [dict(row) for row in database.execute("SELECT * FROM audit ORDER BY counter")]
        triggers = database.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for trigger in triggers:
            database.execute(f"DROP TRIGGER {trigger['name']}")
        previous = FIRST
        for row in rows:
            row["new"] = (row["new"] or "").replace('"pathology":"malignant"', '"pathology":"benign"') or None
            row["previous"] = previous
            previous = record_sha256(AuditRecord(**row | {"sha256": ""}))
            database.execute(
                "UPDATE audit SET new = ?, previous = ?, sha256 = ? WHERE counter = ?",
                (row["new"], row["previous"], previous, row["counter"]),
            )
        database.execute("UPDATE audit_head SET sha256 = ?", (previous,))
        for trigger in triggers:
            database.execute(trigger["sql"])
        database.commit()


def test_a_trail_that_was_written_anew_is_found_against_an_anchor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "anchors"))
    folder = tmp_path / "s"
    with Study.create(folder, name="s") as study:
        for number in (1, 2):
            add_case(study, number)
        study.lesions.set_labels("l2", Labels(pathology=Pathology.MALIGNANT))
    with Study.open(folder) as study:
        write_archive(study, tmp_path / "backup.zip")
        name = study.info.id
    with Study.open(folder) as study:
        study.readers.ensure("Dr A")
    anchors = [str(tmp_path / "backup.zip"), str(tmp_path / "anchors")]
    anchors.append(str(read_anchor(anchors[1], name)))
    for anchor in anchors:
        assert run_command_line(["check", str(folder), "--against", anchor, "--quiet"]) == 0
    rewritten(folder)
    assert checked(folder).good  # nothing in the study itself tells
    for anchor in anchors:
        assert run_command_line(["check", str(folder), "--against", anchor, "--quiet"]) == 1
        assert "was anchored outside the study" in capsys.readouterr().out


def test_a_trail_that_was_cut_off_is_found_against_an_anchor(folder: Path) -> None:
    with Study.open(folder, writable=False) as study:
        head = study.audit.head()
    later = Head(counter=head.counter + 3, sha256="ab" * 32)
    assert any("is missing" in problem.sentence for problem in checked(folder, later).problems)
    with pytest.raises(BadFileError, match="NUMBER:SHA256"):
        head_of("12")
    with pytest.raises(BadFileError, match="NUMBER:SHA256"):
        read_anchor(str(folder / "nothing"), "id")
