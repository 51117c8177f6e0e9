"""Revisions as changes: every one comes back as it was committed, and together they grow with what was drawn."""

from __future__ import annotations

import hashlib
import json
import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from core.domain.shapes import Length, Line, Role, Shape, encode_shapes
from core.store import upgrade
from core.store.check import check_study
from core.store.sqlite.upgrade import layout
from core.store.stored_shapes import NOTHING, StoredShapes
from core.store.study import Study
from tests.core.store.helpers import add_case
from tests.core.store.test_upgrade import make_fixture


def _line(random_: random.Random) -> Line:
    points = tuple((round(random_.random() * 500, 2), round(random_.random() * 500, 2)) for _ in range(40))
    return Line(role=Role.PROMINENT, points=points, width=Length(value=3.0, unit="px"))


def _without_trigger(database: sqlite3.Connection) -> str:
    """The statement that makes the trigger on changed revisions again."""
    master = "SELECT sql FROM sqlite_master WHERE name = 'annotation_no_update'"
    made = str(database.execute(master).fetchone()[0])
    database.execute("DROP TRIGGER annotation_no_update")
    return made


def _sitting(revisions: int, seed: int = 0) -> list[tuple[Shape, ...]]:
    """Mostly another line; some undone, erased in the middle, all cleared and put back."""
    random_, now, found = random.Random(seed), [], []
    for _ in range(revisions):
        kind = random_.random()
        if kind < 0.8 or not now:
            now = [*now, _line(random_)]
        elif kind < 0.9:
            gone = random_.randrange(len(now))
            now = [*now[:gone], _line(random_), *now[gone + 1 :]]
        elif kind < 0.95:
            now = [one for one in now if random_.random() > 0.1]
        elif kind < 0.97:
            now = []
        else:
            now = list(random_.choice(found))
        found.append(tuple(now))
    return found


@pytest.mark.parametrize("seed", range(5))
def test_every_revision_is_read_as_it_was_written(seed: int) -> None:
    texts = [encode_shapes(shapes).decode() for shapes in _sitting(60, seed)]
    writing, reading = StoredShapes(), StoredShapes()
    for text in texts:
        stored = writing.write(text)
        assert (stored == NOTHING) is (text == NOTHING)
        reading.read(stored)
        assert reading.text == text
        # asked for now and then only: what it remembers is then of an earlier revision
        if random.Random(text).random() < 0.7:
            assert reading.sha256 == writing.sha256 == hashlib.sha256(text.encode()).hexdigest()


def test_what_is_stored_grows_with_the_strokes_and_not_with_their_square() -> None:
    random_, sizes = random.Random(1), {}
    for strokes in (40, 160):
        lines = [_line(random_) for _ in range(strokes)]
        writing = StoredShapes()
        rows = [writing.write(encode_shapes(tuple(lines[: n + 1])).decode()) for n in range(strokes)]
        sizes[strokes] = sum(map(len, rows))
    assert sizes[160] < 4.6 * sizes[40]
    assert sizes[160] < 5 * len(encode_shapes(tuple(lines)))


@pytest.mark.parametrize(
    "stored",
    [
        '{"change":[[0,3]]}',
        '{"change":[[1,1]]}',
        '{"change": [[0,1]]}',
        '{"change":[[0,1]],"more":1}',
        '{"change":[',
        "x",
    ],
)
def test_a_damaged_change_is_refused(stored: str) -> None:
    reading = StoredShapes()
    with pytest.raises(ValueError, match=r"."):
        reading.read('{"change":[[0,1]]}')
    reading.read('[{"kind":"a"},{"kind":"b"}]')
    with pytest.raises(ValueError, match=r"."):
        reading.read(stored)


def test_a_study_keeps_every_revision_of_a_sitting_and_each_can_be_restored(tmp_path: Path) -> None:
    sitting = _sitting(20)
    with Study.create(tmp_path / "s", name="s", synthetic=True, holder="Test") as study:
        add_case(study, 1)
        reader = study.readers.ensure("Dr A").id
        with study.batch():
            for shapes in sitting:
                study.annotations.commit("l1", reader, shapes)
    with Study.open(tmp_path / "s") as study:
        kept = study.annotations
        assert [one.shapes for one in kept.history("l1", reader)] == sitting
        assert [one.shapes for one in kept.history("l1", reader, after=13)] == sitting[13:]
        assert [kept.revision("l1", reader, n + 1).shapes for n in range(20)] == sitting
        current = kept.current("l1", reader)
        assert current is not None and current.shapes == sitting[-1] == kept.all_current()[0].shapes
        for number in (1, 11, 20):
            assert kept.restore("l1", reader, number).shapes == sitting[number - 1]
        assert check_study(study).good


def test_a_change_in_the_middle_of_a_sitting_is_found_with_all_that_rests_on_it(tmp_path: Path) -> None:
    random_ = random.Random(2)
    with Study.create(tmp_path / "s", name="s", synthetic=True, holder="Test") as study:
        add_case(study, 1)
        reader, lines = study.readers.ensure("Dr A").id, [_line(random_) for _ in range(12)]
        with study.batch():
            for number in range(12):
                study.annotations.commit("l1", reader, tuple(lines[: number + 1]))
    with closing(sqlite3.connect(tmp_path / "s" / "study.db")) as database, database:
        number, text = database.execute(
            "SELECT revision, shapes FROM annotation WHERE shapes LIKE '{%' ORDER BY revision LIMIT 1"
        ).fetchone()
        trigger = _without_trigger(database)
        items = json.loads(text)["change"]
        items[-1]["points"][0][0] += 1
        changed = json.dumps({"change": items}, separators=(",", ":"))
        database.execute("UPDATE annotation SET shapes = ? WHERE revision = ?", (changed, number))
        database.execute(trigger)
    with Study.open(tmp_path / "s") as study:
        found = check_study(study)
    assert not found.good and f"revision {number} of annotation l1" in str(found)


def test_a_study_of_full_revisions_is_made_smaller_and_loses_none(tmp_path: Path) -> None:
    """As the layouts up to 0006 stored them."""
    folder, random_ = tmp_path / "s", random.Random(3)
    lines = [_line(random_) for _ in range(50)]
    texts = [encode_shapes(tuple(lines[: number + 1])).decode() for number in range(50)]
    make_fixture(folder, group=False)
    with Study.open(folder) as study:
        reader = study.readers.find("Dr A")
        assert reader is not None
        with study.batch():
            for number in range(50):
                study.annotations.commit("l2", reader.id, tuple(lines[: number + 1]))
    path = folder / "study.db"
    with closing(sqlite3.connect(path)) as database, database:
        trigger = _without_trigger(database)
        before = database.execute("SELECT max(revision) FROM annotation WHERE lesion_id = 'l2'").fetchone()[0] - 50
        change = "UPDATE annotation SET shapes = ? WHERE lesion_id = 'l2' AND revision = ?"
        database.executemany(change, [(text, before + number + 1) for number, text in enumerate(texts)])
        database.execute(trigger)
        database.execute("DROP INDEX ix_annotation_created_utc")
        for table in ("assignment", "consensus", "presence"):  # of the layouts 0009 and 0010
            database.execute(f"DROP TABLE IF EXISTS {table}")
        database.execute("UPDATE alembic_version SET version_num = '0006'")
    large = path.stat().st_size
    with Study.open(folder) as study:
        history = study.annotations.history("l2", reader.id, after=before)
        assert [encode_shapes(one.shapes).decode() for one in history] == texts
        assert check_study(study).good
    assert layout(path) == upgrade.HEAD
    assert path.stat().st_size < large / 2
