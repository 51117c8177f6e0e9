"""Rights in the database: attempts by SQL with a reader's login, whatever the program would let them do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.cli.main import run_command_line
from core.domain.errors import StudyError
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
