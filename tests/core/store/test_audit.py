from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from core.store.audit import read_exported, verify_chain
from core.store.names import DATABASE
from core.store.study import Study


def _tampered(folder: Path, *statements: str) -> Study:
    """The study after somebody with the file changed it behind the triggers' back."""
    connection = sqlite3.connect(folder / DATABASE, isolation_level=None)
    for verb in ("update", "delete"):
        connection.execute(f"DROP TRIGGER audit_no_{verb}")
    for statement in statements:
        connection.execute(statement)
    connection.close()
    return Study.open(folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with Study.create(tmp_path / "s", name="s") as study, study.batch():
        for number in range(20):
            study.audit.record("test.act", f"thing {number}", new={"number": number, "text": "Жуков"})
    return tmp_path / "s"


def test_an_untouched_trail_is_good(folder: Path) -> None:
    with Study.open(folder) as study:
        assert study.audit.verify().good
        assert [r.counter for r in study.audit.records()] == list(range(1, 23))
        assert [r.counter for r in study.audit.records(since=20)] == [20, 21, 22]


@pytest.mark.parametrize(
    "statements, first_bad",
    [
        (["UPDATE audit SET new = replace(new, '7', '8') WHERE counter = 10"], 10),
        (["UPDATE audit SET who = 'x' WHERE counter = 1"], 1),
        (["DELETE FROM audit WHERE counter = 12"], 12),
        (["DELETE FROM audit WHERE counter = 22"], 22),
        (["DELETE FROM audit WHERE counter > 14"], 15),
        (["DELETE FROM audit WHERE counter = 1"], 1),
        (
            [
                "UPDATE audit SET counter = 1000 WHERE counter = 5",
                "UPDATE audit SET counter = 5 WHERE counter = 6",
                "UPDATE audit SET counter = 6 WHERE counter = 1000",
            ],
            5,
        ),
        (["UPDATE audit SET at_utc = '2001' WHERE counter = 22"], 22),
    ],
)
def test_the_verifier_names_the_first_bad_record(folder: Path, statements: list[str], first_bad: int) -> None:
    with _tampered(folder, *statements) as study:
        report = study.audit.verify()
    assert not report.good
    assert report.first_bad == first_bad
    assert str(first_bad) in report.reason


@pytest.mark.parametrize("statement", ["UPDATE audit SET who = 'x'", "DELETE FROM audit"])
def test_records_cannot_be_changed_or_deleted(folder: Path, statement: str) -> None:
    connection = sqlite3.connect(folder / DATABASE)
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute(statement)
    connection.close()


def test_a_revision_of_an_annotation_cannot_be_changed(folder: Path) -> None:
    connection = sqlite3.connect(folder / DATABASE, isolation_level=None)
    connection.execute("INSERT INTO annotation VALUES ('l', 'r', 1, '[]', 'now')")
    with pytest.raises(sqlite3.IntegrityError, match="never change"):
        connection.execute("UPDATE annotation SET shapes = '[1]'")
    connection.close()


def test_the_export_verifies_without_the_study(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "trail.jsonl"
    with Study.open(folder) as study:
        assert study.audit.export(out) == 22
    assert verify_chain(read_exported(out)).good
    lines = out.read_bytes().splitlines(keepends=True)
    lines[3] = lines[3].replace(b"thing", b"thong")
    out.write_bytes(b"".join(lines))
    assert verify_chain(read_exported(out)).first_bad == 4


def test_ten_thousand_actions_are_written_and_verified(folder: Path) -> None:
    with Study.open(folder) as study:
        with study.batch():
            for number in range(10_000):
                study.audit.record("test.act", "thing", old={"n": number}, new={"n": number + 1})
        assert study.audit.verify().good
        assert study.audit.count() == 10_022
