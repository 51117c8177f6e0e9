"""Rights in the database: attempts by SQL with a reader's login, whatever the program would let them do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.cli.main import run_command_line
from core.domain.errors import StudyError
from core.domain.group import Assignment, Purpose
from core.domain.study import Labels, Run, Split
from core.domain.vocabulary import MarginType, Part
from core.store.check import check_study
from core.store.postgresql.address import read_address
from core.store.study import Study
from tests.core.store.helpers import add_case, drawing
from tests.database_server import DatabaseServer

pytestmark = pytest.mark.postgresql
LOGINS = {"anna": "reader", "bert": "reader", "lead": "lead", "trainer": "trainer", "auditor": "auditor"}


@dataclass(frozen=True, kw_only=True)
class Department:
    folder: Path
    schema: str
    server: DatabaseServer
    anna: str
    bert: str

    def sql(self, statement: str, *, login: str = "anna") -> list[tuple[object, ...]]:
        names = {"anna": self.anna, "bert": self.bert}
        return self.server.run_sql(f"SET search_path = {self.schema}", statement.format(**names), user=login)

    def opened(self, login: str, monkeypatch: pytest.MonkeyPatch) -> Study:
        monkeypatch.setenv("PGUSER", login)
        return Study.open(self.folder, holder=login)


@pytest.fixture(scope="module")
def department(tmp_path_factory: pytest.TempPathFactory, shared_server: DatabaseServer) -> Iterator[Department]:
    folder = tmp_path_factory.mktemp("rights") / "s"
    for login in LOGINS:
        shared_server.run_sql(f"DROP ROLE IF EXISTS {login}", f"CREATE ROLE {login} LOGIN")
    with pytest.MonkeyPatch.context() as patch:
        # no login is kept for this server: PGUSER decides
        patch.setenv("PGUSER", "owner")
        patch.setenv("MARGINALIA_STATE", str(tmp_path_factory.mktemp("state")))
        address = shared_server.address().replace("owner@", "")
        with Study.create(folder, name="Rights", server=address) as study:
            for number in (1, 2, 3):
                add_case(study, number)
            study.splits.add(Split(id="x", name="x", seed=1, parts={"p1": Part.TEST}))
            for login, role in LOGINS.items():
                study.members.grant(login, role, reader=f"Dr {login}" if role == "reader" else "")
            anna, bert = study.readers.find("Dr anna"), study.readers.find("Dr bert")
            assert anna is not None and bert is not None
            for lesion in ("l1", "l2"):
                study.annotations.commit(lesion, bert.id, drawing(1))
                study.lesions.set_labels(lesion, Labels(margin=MarginType.OBSCURED), reader_id=bert.id)
            study.annotations.commit("l1", anna.id, drawing(2))
        schema = read_address(folder).schema
        yield Department(folder=folder, schema=schema, server=shared_server, anna=anna.id, bert=bert.id)


REFUSED = {
    "draw in another's layer": "INSERT INTO annotation VALUES ('l3', '{bert}', 1, '[]', 'now')",
    "change a revision of another": "UPDATE annotation SET shapes = '[]' WHERE reader_id = '{bert}'",
    "change an own revision": "UPDATE annotation SET shapes = '[]' WHERE reader_id = '{anna}'",
    "delete a revision": "DELETE FROM annotation",
    "label as another": (
        "INSERT INTO label (lesion_id, reader_id, comment, flagged) VALUES ('l3', '{bert}', '', false)"
    ),
    "delete from the trail": "DELETE FROM audit",
    "change the trail": "UPDATE audit SET who = 'x' WHERE counter = 3",
    "move the head of the trail": "UPDATE audit_head SET counter = 1",
    "add a record that does not follow": (
        "INSERT INTO audit VALUES (9999, 'now', 'x', 'a.b', 'thing', NULL, NULL, repeat('0', 64), repeat('1', 64))"
    ),
    "update a split": "UPDATE split_part SET part = 'training'",
    "delete a patient": "DELETE FROM patient",
    "become a lead": "UPDATE member SET role = 'lead', reader_id = NULL",
    "switch a guard off": "ALTER TABLE audit DISABLE TRIGGER audit_no_update",
    "switch all guards off": "SET session_replication_role = replica",
    "empty a table": "TRUNCATE annotation",
    "change the study": "UPDATE study_info SET name = 'mine'",
    "make a function anew": "CREATE OR REPLACE FUNCTION my_role() RETURNS text LANGUAGE sql AS $$ SELECT '' $$",
}


@pytest.mark.parametrize("attempt", REFUSED)
def test_an_attempt_by_sql_is_refused_by_the_database(department: Department, attempt: str) -> None:
    import psycopg

    with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.RestrictViolation)):
        department.sql(REFUSED[attempt])


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM label WHERE reader_id = '{bert}'",
        "SELECT * FROM annotation WHERE reader_id = '{bert}'",
        "SELECT * FROM audit WHERE subject LIKE '% reader {bert}'",
        "SELECT * FROM removed_lesion",
        "SELECT * FROM member",
        "UPDATE label SET comment = 'x' WHERE reader_id = '{bert}' RETURNING 1",
        "UPDATE label SET comment = 'x' WHERE reader_id IS NULL RETURNING 1",
    ],
)
def test_what_others_said_is_neither_seen_nor_changed_before_the_own_call(
    department: Department, query: str
) -> None:
    assert department.sql(query) == []


def test_a_reader_works_in_the_program_and_sees_others_after_the_own_labels(
    department: Department, monkeypatch: pytest.MonkeyPatch
) -> None:
    with department.opened("anna", monkeypatch) as study:
        assert study.annotations.commit("l2", department.anna, drawing(3)).revision == 1
        assert study.annotations.current("l2", department.bert) is None
        study.lesions.set_labels("l2", Labels(comment="not yet a margin"), reader_id=department.anna)
        assert set(study.lesions.all_labels("l2")) == {None, department.anna}
        study.lesions.set_labels("l2", Labels(margin=MarginType.INDISTINCT), reader_id=department.anna)
        assert set(study.lesions.all_labels("l2")) == {None, department.anna, department.bert}
        assert study.annotations.current("l2", department.bert) is not None
        assert set(study.lesions.all_labels("l1")) == {None}, "the other lesion stays blinded"
        for change in (
            lambda: study.annotations.commit("l2", department.bert, drawing(9)),
            lambda: study.lesions.remove("l3"),
            lambda: study.splits.remove("x"),
            lambda: study.members.grant("anna", "lead"),
        ):
            with pytest.raises(StudyError, match="may not"):
                change()
        with pytest.raises(StudyError, match="only a part"):
            check_study(study)
    with department.opened("bert", monkeypatch) as study:
        assert set(study.lesions.all_labels("l1")) == {None, department.bert}
    with department.opened("auditor", monkeypatch) as study:
        assert check_study(study).problems == ()
        with pytest.raises(StudyError, match="may not"):
            study.readers.ensure("Dr New")


def test_a_trainer_keeps_runs_and_a_lead_changes_all_but_the_trail(
    department: Department, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psycopg

    with department.opened("trainer", monkeypatch) as study:
        study.runs.add(Run(id="r", name="r", created_utc="x"))
        with pytest.raises(StudyError, match="may not"):
            study.lesions.set_labels("l1", Labels(comment="mine"))
    with department.opened("lead", monkeypatch) as study:
        study.lesions.remove("l3")
        study.lesions.put_back("l3")
        with pytest.raises(StudyError, match="may not"):
            study.forget_patient("p3")
        assert study.arrays.has_pixels("i3"), "a refusal comes before the first file is deleted"
        assert check_study(study).problems == ()
    for statement in ("DELETE FROM audit", "UPDATE audit SET who = 'x'", "UPDATE member SET role = 'auditor'"):
        with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.RestrictViolation)):
            department.sql(statement, login="lead")


def test_the_command_gives_and_takes_rights_and_refuses_them_in_a_folder(
    department: Department, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import psycopg

    monkeypatch.setenv("PGUSER", "owner")
    folder = str(department.folder)
    assert run_command_line(["study", "revoke", folder, "auditor"]) == 0
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        department.sql(f"SELECT * FROM {department.schema}.patient", login="auditor")
    assert run_command_line(["study", "grant", folder, "auditor", "--role", "auditor"]) == 0
    assert department.sql("SELECT count(*) FROM patient", login="auditor") == [(3,)]
    assert run_command_line(["study", "grant", folder, "auditor", "--role", "reader"]) == 1
    assert "needs the name of a reader" in capsys.readouterr().err
    Study.create(tmp_path / "alone", name="Alone").close()
    assert run_command_line(["study", "grant", str(tmp_path / "alone"), "x", "--role", "lead"]) == 1
    assert "in its folder" in capsys.readouterr().err


@pytest.fixture(scope="module")
def double_reading(department: Department) -> Department:
    """Lesion l4, given to both readers to label, and lesion l5, which Bert is to adjudicate; nobody finished."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGUSER", "lead")
        with Study.open(department.folder, holder="lead") as study:
            for number in (4, 5):
                add_case(study, number)
            anna, bert, other = department.anna, department.bert, study.readers.ensure("Dr Third").id
            study.assignments.add_many(
                Assignment(lesion_id=lesion, reader_id=reader, purpose=purpose, created_utc="2026-01-01")
                for lesion, reader, purpose in (
                    ("l4", anna, Purpose.LABEL),
                    ("l4", bert, Purpose.LABEL),
                    ("l5", anna, Purpose.LABEL),
                    ("l5", other, Purpose.LABEL),
                    ("l5", bert, Purpose.ADJUDICATE),
                )
            )
            study.lesions.set_labels("l5", Labels(margin=MarginType.OBSCURED), reader_id=other)
            study.assignments.finish("l5", other)
        patch.setenv("PGUSER", "bert")
        with Study.open(department.folder, holder="Dr bert") as study:
            study.lesions.set_labels("l4", Labels(margin=MarginType.OBSCURED), reader_id=bert)
            study.annotations.commit("l4", bert, drawing(1))
            study.assignments.finish("l4", bert)
    return department


_CONSENSUS = (
    "INSERT INTO consensus VALUES ('{lesion}', 9, 'adjudicated', {reader}, '{{}}', NULL, 0, '[]', 'x', 'now')"
)


@pytest.mark.parametrize(
    ("login", "statement"),
    [
        ("anna", "INSERT INTO assignment VALUES ('l3', '{anna}', 'label', 'now', NULL, NULL, 0)"),
        ("anna", "INSERT INTO assignment VALUES ('l3', '{anna}', 'adjudicate', 'now', NULL, NULL, 0)"),
        ("anna", "UPDATE assignment SET purpose = 'adjudicate'"),
        ("anna", "UPDATE assignment SET reader_id = '{bert}'"),
        ("anna", "DELETE FROM assignment"),
        ("anna", _CONSENSUS.replace("{lesion}", "l4").replace("{reader}", "'{anna}'")),
        ("bert", _CONSENSUS.replace("{lesion}", "l5").replace("{reader}", "'{bert}'")),
        ("bert", _CONSENSUS.replace("{lesion}", "l4").replace("{reader}", "NULL")),
        ("trainer", _CONSENSUS.replace("{lesion}", "l4").replace("{reader}", "NULL")),
    ],
)
def test_assignments_and_adjudication_are_refused_to_who_has_no_right(
    double_reading: Department, login: str, statement: str
) -> None:
    import psycopg

    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        double_reading.sql(statement, login=login)


def test_a_double_reading_is_blinded_by_the_database_until_it_is_finished(
    double_reading: Department, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna, sql = double_reading.anna, double_reading.sql
    of_others = "FROM {table} WHERE lesion_id = 'l4' AND reader_id <> '{anna}'"
    counts = [
        f"SELECT count(*) {of_others.replace('{table}', table)}" for table in ("label", "annotation", "assignment")
    ]
    with double_reading.opened("anna", monkeypatch) as study:
        study.lesions.set_labels("l4", Labels(margin=MarginType.INDISTINCT), reader_id=anna)
        assert [sql(one) for one in counts] == [[(0,)]] * 3, "a margin alone does not end the blinding"
        assert not study.assignments.may_see_others("l4", anna)
        study.assignments.finish("l4", anna)
        assert [sql(one) for one in counts] == [[(1,)]] * 3
        assert study.assignments.may_see_others("l4", anna)
        with pytest.raises(StudyError, match="may have been seen"):
            study.assignments.reopen("l4", anna)
    assert sql("UPDATE assignment SET finished_utc = NULL WHERE lesion_id = 'l4' RETURNING 1") == []
    assert sql("UPDATE assignment SET labels = NULL WHERE reader_id = '{bert}' RETURNING 1") == []


def test_an_adjudicator_sees_and_decides_when_all_readers_finished(
    double_reading: Department, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna, bert, sql = double_reading.anna, double_reading.bert, double_reading.sql
    seen = "SELECT count(*) FROM label WHERE lesion_id = 'l5' AND reader_id IS NOT NULL"
    assert sql(seen, login="bert") == [(0,)]
    with double_reading.opened("anna", monkeypatch) as study:
        study.lesions.set_labels("l5", Labels(margin=MarginType.INDISTINCT), reader_id=anna)
        study.annotations.commit("l5", anna, drawing(5))
        study.assignments.finish("l5", anna)
    assert sql(seen, login="bert") == [(2,)]
    monkeypatch.setenv("PGUSER", "bert")
    with Study.open(double_reading.folder, holder="Dr bert") as study:
        assert study.consensus.disputed(bert) == {"l5": ("margin",)}
        made = study.consensus.adjudicate("l5", bert, Labels(margin=MarginType.INDISTINCT), drawn_by=anna)
        assert (made.who, made.drawn_revision) == ("Dr bert", 1)
    with double_reading.opened("trainer", monkeypatch) as study:
        assert study.consensus.of("l5") == made
    with double_reading.opened("auditor", monkeypatch) as study:
        assert check_study(study).problems == ()
