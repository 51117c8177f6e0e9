"""Studies on a server: what only they have."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from core.cli.main import run_command_line
from core.domain.errors import ConflictError, ServerLostError, StudyError
from core.domain.geometry import Box
from core.domain.shapes import Rectangle
from core.domain.study import Labels, Split
from core.domain.vocabulary import MarginType, Part
from core.store import upgrade
from core.store.archive import write_archive
from core.store.check import check_study
from core.store.move import move_study
from core.store.names import DATABASE, SERVER
from core.store.postgresql.address import parse_address, read_address
from core.store.restore import restore_archive
from core.store.study import Study
from tests.core.store.helpers import add_case, drawing
from tests.database_server import DatabaseServer, database_server

ROOT = Path(__file__).parents[3]


@pytest.fixture
def folder(tmp_path: Path, shared_server: DatabaseServer) -> Path:
    """A study on a server, with a little of everything."""
    with Study.create(tmp_path / "s", name="Shared", server=shared_server.address(), holder="Lead") as study:
        for number in (1, 2):
            add_case(study, number)
        reader = study.readers.ensure("Dr A")
        for number in range(3):
            study.annotations.commit("l1", reader.id, drawing(number))
        study.lesions.set_labels("l1", Labels(margin=MarginType.OBSCURED, comment="Жуков"), reader_id=reader.id)
        study.lesions.set_labels("l2", Labels(comment="tell-tale"), reader_id=reader.id)
        study.splits.add(Split(id="x", name="x", seed=2**40, parts={"p1": Part.TEST}))
        study.lesions.remove("l2")
    return tmp_path / "s"


def test_two_programs_write_at_once_and_the_study_is_sound(folder: Path) -> None:
    assert not (folder / DATABASE).exists() and "password" not in (folder / SERVER).read_text()
    code = (
        "import sys; from pathlib import Path; from core.store.study import Study\n"
        "from tests.core.store.helpers import drawing\n"
        "with Study.open(Path(sys.argv[1]), holder='Dr B') as study:\n"
        "    reader = study.readers.ensure('Dr B')\n"
        "    for number in range(5): study.annotations.commit('l1', reader.id, drawing(number))\n"
    )
    with Study.open(folder, holder="Dr A") as study:
        reader = study.readers.find("Dr A")
        assert reader is not None and study.shared and study.holder is None
        beside = subprocess.Popen([sys.executable, "-c", code, str(folder)], cwd=ROOT)
        for number in range(3, 8):
            study.annotations.commit("l1", reader.id, drawing(number))
        assert beside.wait() == 0
        other = study.readers.find("Dr B")
        assert other is not None
        assert [one.shapes for one in study.annotations.history("l1", reader.id)] == [drawing(n) for n in range(8)]
        assert [one.shapes for one in study.annotations.history("l1", other.id)] == [drawing(n) for n in range(5)]
        assert study.splits.get("x").seed == 2**40
        report = check_study(study)
    assert report.problems == ()


def test_the_second_writer_of_one_value_is_shown_both(folder: Path) -> None:
    with Study.open(folder) as mine, Study.open(folder) as theirs:
        seen = mine.lesions.get("l1").outline
        first, second = (Rectangle(box=Box(x0=0, y0=0, x1=side, y1=side)) for side in (5, 6))
        theirs.lesions.set_outline("l1", first, seen=seen)
        with pytest.raises(ConflictError, match="outline") as conflict:
            mine.lesions.set_outline("l1", second, seen=seen)
        assert (conflict.value.present, conflict.value.wanted) == (first, second)
        mine.lesions.set_outline("l1", second, seen=first)
        before = theirs.lesions.labels("l1")
        mine.lesions.set_labels("l1", Labels(margin=MarginType.OBSCURED))
        with pytest.raises(ConflictError, match="labels"):
            theirs.lesions.set_labels("l1", Labels(), seen=before)
        assert mine.audit.verify().good and check_study(theirs).good


@pytest.mark.postgresql
def test_a_backup_of_a_running_study_is_restored_and_its_head_is_that_of_the_copy(
    folder: Path, tmp_path: Path
) -> None:
    with Study.open(folder) as study, Study.open(folder) as beside:
        manifest = write_archive(
            study, tmp_path / "b.zip", progress=lambda done, total: beside.audit.record("test.act", "thing")
        )
        assert study.audit.verify().good
        assert study.audit.count() > int(manifest.head.partition(":")[0])
    restore_archive(tmp_path / "b.zip", tmp_path / "back")
    with Study.open(tmp_path / "back") as back:
        assert not back.shared and check_study(back).good
        assert back.audit.verify().records == int(manifest.head.partition(":")[0])


@pytest.mark.postgresql
def test_a_study_moves_to_a_server_and_back_row_for_row(
    tmp_path: Path, shared_server: DatabaseServer, capsys: pytest.CaptureFixture[str]
) -> None:
    with Study.create(tmp_path / "s", name="Moves") as study:
        for number in range(4):
            add_case(study, number)
        reader = study.readers.ensure("Dr A")
        study.annotations.commit("l1", reader.id, drawing(1))
        before = study.lesions.all(), study.annotations.all_current(), study.audit.head().counter
    there = move_study(tmp_path / "s", shared_server.address())
    assert there.head.counter == before[2] + 1
    with pytest.raises(StudyError, match="already"):
        move_study(tmp_path / "s", shared_server.address())
    with Study.open(tmp_path / "s") as study:
        assert study.shared and study.audit.head() == there.head
        assert (study.lesions.all(), study.annotations.all_current()) == before[:2]
        # numbers that the server gives go on after those that were copied
        study.lesions.set_labels("l2", Labels(margin=MarginType.OBSCURED), reader_id=reader.id)
        assert check_study(study).good
        stays_open = Study.open(tmp_path / "s")
    assert run_command_line(["study", "move", str(tmp_path / "s"), "--to-folder"]) == 0
    assert "compared" in capsys.readouterr().out
    with pytest.raises(StudyError, match="moved or deleted"):
        stays_open.readers.ensure("Dr Late")
    stays_open.close()
    with Study.open(tmp_path / "s") as study:
        assert not study.shared and check_study(study).good
        assert study.lesions.all() == before[0]
    names = sorted(path.name.split("-")[0] for path in (tmp_path / "s" / "backup").iterdir())
    assert names == ["database", "study"]


@pytest.mark.postgresql
def test_nothing_of_a_forgotten_patient_stays_in_the_files_of_the_server(tmp_path: Path) -> None:
    with database_server() as server:
        with Study.create(tmp_path / "s", name="s", server=server.address()) as study:
            for number in (1, 2):
                add_case(study, number)
                study.lesions.set_labels(f"l{number}", Labels(comment=f"tell-tale {number} " * 9))
            study.lesions.remove("l2")
            server.run_sql("CHECKPOINT")
            assert _holds(server, b"tell-tale 2 ")
            study.forget_patient("p2")
            assert check_study(study).good
        # a second one, since the files of tables that were written anew go with the checkpoint after
        server.run_sql("CHECKPOINT", "CHECKPOINT")
        assert _holds(server, b"tell-tale 1 ") and not _holds(server, b"tell-tale 2 ")


def _holds(server: DatabaseServer, text: bytes) -> bool:
    """Whether a file of the tables holds the text; the server's log of changes is overwritten later."""
    return any(text in path.read_bytes() for path in (server.data / "base").rglob("*") if path.is_file())


@pytest.mark.postgresql
def test_an_older_schema_is_upgraded_by_one_program_after_a_copy(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.core.store.test_upgrade import NEXT, _next_version

    _next_version(tmp_path, monkeypatch)
    with pytest.raises(StudyError, match="older layout"):
        Study.open(folder, writable=False)
    monkeypatch.undo()
    with Study.open(folder) as beside:
        beside.counts()
        _next_version(tmp_path / "again", monkeypatch)
        with pytest.raises(StudyError, match="connections have it open"):
            Study.open(folder)
    with Study.open(folder) as study:
        assert [reader.name for reader in study.readers.all()] == ["Dr A"]
    (copy,) = (folder / "backup").iterdir()
    assert copy.name.startswith(f"study-{upgrade.HEAD if NEXT != upgrade.HEAD else f'{int(NEXT) - 1:04d}'}-")
    monkeypatch.undo()
    with pytest.raises(StudyError, match="newer version"):
        Study.open(folder)


@pytest.mark.postgresql
@pytest.mark.parametrize("version", [f"{number:04d}" for number in range(6, int(upgrade.HEAD))])
def test_a_study_of_every_layout_that_servers_had_is_upgraded_there(
    tmp_path: Path, shared_server: DatabaseServer, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    folder = Path(shutil.copytree(ROOT / f"tests/core/store/fixtures/layout-{version}", tmp_path / "old"))
    with monkeypatch.context() as older:
        older.setattr(upgrade, "HEAD", version)
        move_study(folder, shared_server.address())
    with Study.open(folder) as study:
        assert study.shared and check_study(study).problems == ()
        reader = study.readers.find("Dr A")
        assert reader is not None
        history = [one.shapes for one in study.annotations.history("l1", reader.id)]
        assert history == [drawing(1), drawing(2), drawing(1)]
    assert any(path.name.startswith(f"study-{version}-") for path in (folder / "backup").iterdir())


@pytest.mark.postgresql
def test_a_server_that_is_gone_is_one_sentence_and_work_goes_on_when_it_is_back(tmp_path: Path) -> None:
    with (
        database_server() as server,
        Study.create(tmp_path / "s", name="s", server=server.address()) as study,
    ):
        add_case(study, 1)
        reader = study.readers.ensure("Dr A")
        study.annotations.commit("l1", reader.id, drawing(1))
        server.kill()
        with pytest.raises(ServerLostError, match="cannot be reached"):
            study.annotations.commit("l1", reader.id, drawing(2))
        with pytest.raises(ServerLostError):
            Study.open(tmp_path / "s")
        server.start()
        assert study.annotations.commit("l1", reader.id, drawing(3)).revision == 2
        assert check_study(study).good


def _program(name: str, *arguments: object) -> dict[str, object]:
    command = [sys.executable, "-m", f"tests.core.store.{name}", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.mark.postgresql
def test_readers_who_draw_at_once_lose_nothing(folder: Path) -> None:
    """``python -m tests.benchmarks`` has the times."""
    counted = _program("at_once", folder, 4, 25)
    assert (counted["strokes"], counted["lost"], counted["sound"]) == (100, 0, True)


@pytest.mark.postgresql
def test_every_kind_of_change_at_once_leaves_a_sound_study(folder: Path) -> None:
    with Study.open(folder) as study:
        add_case(study, 3)
        study.lesions.put_back("l2")
    counted = _program("mixed_at_once", folder, 4, 40)
    assert counted["sound"] and int(str(counted["records"])) > 100


@pytest.mark.postgresql
def test_nothing_acknowledged_is_lost_when_programs_and_the_server_are_killed(tmp_path: Path) -> None:
    counted = _program("killed_at_once", tmp_path / "s", 8, 3, 5)
    assert counted["lost"] == 0 and int(str(counted["acknowledged"])) > 8


@pytest.mark.postgresql
@pytest.mark.slow
@pytest.mark.timeout(0)
def test_nothing_acknowledged_is_lost_in_250_kills(tmp_path: Path) -> None:
    counted = _program("killed_at_once", tmp_path / "s", 200, 50, 7)
    assert counted["lost"] == 0 and int(str(counted["acknowledged"])) > 200


@pytest.mark.postgresql
def test_a_login_that_is_not_accepted_is_no_lost_server(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared_server: DatabaseServer
) -> None:
    monkeypatch.setenv("MARGINALIA_STATE", str(tmp_path / "state"))
    assert run_command_line(["study", "login", str(folder), "--user", "nobody", "--no-password"]) == 0
    with pytest.raises(StudyError, match="does not accept the login"):
        Study.open(folder)
    with pytest.raises(StudyError, match="no such database"):
        Study.create(tmp_path / "x", name="x", server=shared_server.address().replace("/postgres?", "/nothing?"))
    assert not (tmp_path / "x").exists()


@pytest.mark.postgresql
def test_what_is_changed_by_hand_on_the_server_is_found(folder: Path, shared_server: DatabaseServer) -> None:
    schema = read_address(folder).schema
    run = shared_server.run_sql
    import psycopg

    for statement in (
        "UPDATE {}.audit SET who = 'x'",
        "DELETE FROM {}.audit",
        "UPDATE {}.annotation SET shapes = ''",
    ):
        with pytest.raises(psycopg.errors.RestrictViolation):
            run(statement.format(schema))
    run(
        f"ALTER TABLE {schema}.audit DISABLE TRIGGER audit_no_update",
        f"UPDATE {schema}.audit SET who = 'x' WHERE counter = 4",
        f"UPDATE {schema}.label SET comment = 'other' WHERE reader_id IS NOT NULL",
        f"CREATE TABLE {schema}.more (id int)",
    )
    with Study.open(folder, writable=False) as study:
        report = check_study(study)
    sentences = " ".join(problem.sentence for problem in report.problems)
    assert "record 4 was changed" in sentences and "lacks the trigger audit_no_update" in sentences
    assert "has the table more" in sentences and "abels of lesion l1" in sentences


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("mysql://host/database", "is not an address"),
        ("postgresql://me:secret@host/database", "Leave the password out"),
        ("postgresql://host/", "is not an address"),
        ("postgresql://host/database?tls=off", "must be encrypted"),
        ("postgresql://host/database?tls=maybe", "verify-full, verify-ca or off"),
        ("postgresql://host/database?sslmode=disable", "is not an address"),
        ("postgresql://host/database?schema=Drop%20it", "cannot name a study"),
        ("postgresql://host:x/database", "is not an address"),
        ("postgresql://host:99999/database", "is not an address"),
    ],
)
def test_addresses_that_cannot_be_used_are_refused(text: str, words: str) -> None:
    with pytest.raises(StudyError, match=words):
        parse_address(text)


def test_an_address_is_encrypted_and_verified_unless_it_stays_on_this_computer() -> None:
    address, user = parse_address("postgresql://anna@db.hospital.example:6432/margins")
    assert (address.host, address.port, address.database, address.tls, user) == (
        "db.hospital.example", 6432, "margins", "verify-full", "anna",
    )  # fmt: skip
    for place in ("127.0.0.1", "[::1]", "localhost"):
        assert parse_address(f"postgresql://{place}/margins?tls=off")[0].is_local
    assert parse_address("postgresql:///margins?host=/run/sockets&tls=off")[0].host == "/run/sockets"
