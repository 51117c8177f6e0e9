"""Every layout that a study ever had opens in this program (safety.md, B-31).

``fixtures/layout-0001`` is a study as the first version made it (``make_fixture`` below made it, once). When the
layout changes, add a study of the layout before; never make an old one anew.
"""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from core.domain.errors import StudyError
from core.domain.group import Assignment, Purpose
from core.domain.study import Labels, ModelRevision, Run, RunStatus, Split
from core.domain.vocabulary import MarginType, Part
from core.store import upgrade
from core.store.check import check_study
from core.store.database import Database
from core.store.schema import metadata
from core.store.sqlite.backend import SqliteBackend
from core.store.sqlite.engine import make_engine
from core.store.sqlite.upgrade import layout, make_database
from core.store.study import Study
from tests.core.store.helpers import add_case, drawing

FIXTURES = Path(__file__).with_name("fixtures")
LAYOUTS = sorted(path.name for path in FIXTURES.iterdir())


def label_as_group(study: Study) -> None:
    """Two readers are assigned the lesion l1, agree, and have a consensus."""
    for name in ("Dr A", "Dr B"):
        one = study.readers.ensure(name)
        given = Assignment(lesion_id="l1", reader_id=one.id, purpose=Purpose.LABEL, created_utc="2026-01-01")
        study.assignments.add_many([given])
        study.lesions.set_labels("l1", Labels(margin=MarginType.SPICULATED), reader_id=one.id)
        study.assignments.finish("l1", one.id)
    study.consensus.agree("l1")


def make_fixture(folder: Path, *, group: bool = True) -> None:
    """A little of everything; ``group``: the work of several readers too, which layouts up to 0008 do not know."""
    with Study.create(folder, name=folder.name, synthetic=True, holder="Fixture") as study:
        for number in (1, 2):
            add_case(study, number)
        reader = study.readers.ensure("Dr A")
        for number in (1, 2):
            study.annotations.commit("l1", reader.id, drawing(number))
        study.annotations.restore("l1", reader.id, 1)
        if group:
            label_as_group(study)
        study.splits.add(Split(id="s", name="first", seed=1, parts={"p1": Part.TRAINING, "p2": Part.TEST}))
        done = RunStatus.FINISHED
        study.runs.add(Run(id="r", name="run", created_utc="2026-01-01", config={"k": 9}, status=done))
        kept = (0, 1)
        study.models.add(
            ModelRevision(id="m", run_id="r", parent_id=None, prototype_indices=kept, reason="", created_utc="")
        )
        study.arrays.write_derived("d", {"x": study.arrays.read_pixels("i1")}, {"note": "kept"})


@pytest.fixture(params=[*LAYOUTS, "new"])
def old_study(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "new":
        make_fixture(tmp_path / "old")
        return tmp_path / "old"
    return Path(shutil.copytree(FIXTURES / request.param, tmp_path / "old"))


def test_studies_of_every_layout_are_kept() -> None:
    assert [f"layout-{number:04d}" for number in range(1, int(upgrade.HEAD) + 1)] == LAYOUTS


def test_an_old_study_opens_whole(old_study: Path) -> None:
    with Study.open(old_study) as study:
        assert study.info.synthetic
        reader = study.readers.find("Dr A")
        assert reader is not None
        history = [a.shapes for a in study.annotations.history("l1", reader.id)]
        assert history == [drawing(1), drawing(2), drawing(1)]
        assert study.splits.get("s").parts == {"p1": Part.TRAINING, "p2": Part.TEST}
        assert study.runs.get("r").config == {"k": 9}
        active = study.models.active("r")
        assert active is not None
        assert active.prototype_indices == (0, 1)
        assert study.arrays.read_derived("d")[1] == {"note": "kept"}
        assert check_study(study).good


def test_what_was_imported_before_slices_lies_on_its_only_one(old_study: Path) -> None:
    with Study.open(old_study) as study:
        assert {image.frames for image in study.images.all()} == {1}
        assert {lesion.frame for lesion in study.lesions.all()} == {0}


def test_the_migrations_make_the_tables_of_the_program(tmp_path: Path) -> None:
    make_database(tmp_path / "new.db")
    engine = make_engine(tmp_path / "new.db", writable=False)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = compare_metadata(context, metadata)
    engine.dispose()
    # the hashes and the JSON texts are stored as the plain types beneath
    assert [d for d in differences if not (isinstance(d, list) and d[0][0] == "modify_type")] == []


NEXT = f"{int(upgrade.HEAD) + 1:04d}"
_NEXT = """
import sqlalchemy as sa
from alembic import op
revision = "{this}"
down_revision = "{before}"
def upgrade():
    op.add_column("reader", sa.Column("initials", sa.Text()))
    {more}
"""


def _next_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: str = "") -> None:
    """Let the program be of a later layout."""
    migrations = Path(shutil.copytree(upgrade._MIGRATIONS, tmp_path / "migrations"))
    text = _NEXT.format(this=NEXT, before=upgrade.HEAD, more=more)
    (migrations / "versions" / f"{NEXT}_next.py").write_text(text)
    monkeypatch.setattr(upgrade, "_MIGRATIONS", migrations)
    monkeypatch.setattr(upgrade, "HEAD", NEXT)


def _layout(folder: Path) -> str:
    return layout(folder / "study.db")


def test_an_upgrade_keeps_a_copy_of_the_old_database(
    old_study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _next_version(tmp_path, monkeypatch)
    with pytest.raises(StudyError, match="Open it once for writing"):
        Study.open(old_study, writable=False)
    with Study.open(old_study) as study:
        assert [reader.name for reader in study.readers.all()] in (["Dr A"], ["Dr A", "Dr B"])
        assert check_study(study).good
    assert _layout(old_study) == NEXT
    (copy,) = (old_study / "backup").iterdir()
    assert layout(copy) < NEXT
    connection = sqlite3.connect(copy)
    assert connection.execute("SELECT count(*) FROM annotation").fetchone() == (3,)
    connection.close()
    Study.open(old_study).close()
    assert len(list((old_study / "backup").iterdir())) == 1, "an upgraded study is not upgraded again"


def test_an_upgrade_that_fails_changes_nothing(
    old_study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _next_version(tmp_path, monkeypatch, "op.execute(\"INSERT INTO finding VALUES ('x', 99, 'nobody')\")")
    before = _layout(old_study)
    with pytest.raises(StudyError, match="could not be upgraded"):
        Study.open(old_study)
    monkeypatch.undo()
    assert _layout(old_study) == before
    with Study.open(old_study) as study:
        assert check_study(study).good


def test_a_study_of_a_newer_version_is_refused_and_untouched(tmp_path: Path) -> None:
    Study.create(tmp_path / "s", name="s").close()
    path = tmp_path / "s" / "study.db"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("UPDATE alembic_version SET version_num = '0999'")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    before = path.read_bytes()
    for writable in (True, False):
        with pytest.raises(StudyError, match=r"made by a newer version of Marginalia \(layout 0999"):
            Study.open(tmp_path / "s", writable=writable)
    assert path.read_bytes() == before
    assert not (tmp_path / "s" / "backup").exists()


def test_verdicts_that_only_the_trail_held_are_copied_and_labels_stay(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(FIXTURES / "layout-0003", tmp_path / "old"))
    before = Database(SqliteBackend(folder / "study.db", writable=True), who="Dr A")
    for verdict, lesion, run in (
        ("agree", "l1", "r"),
        ("comment", "l1", "r"),
        ("disagree", "l1", "r"),
        ("wrong region", "l2", "r"),
        ("agree", "gone", "r"),
        ("agree", "l1", "gone"),
    ):
        with before.write() as transaction:
            given = {"lesion_id": lesion, "run_id": run, "verdict": verdict, "comment": "seen", "prototype": 4}
            transaction.record("review.opinion", f"lesion {lesion} run {run}", new=given)
    before.close()
    with Study.open(folder) as study:
        labels = study.lesions.all_labels("l1")
        kept = [(one.opinion.lesion_id, one.opinion.verdict.value, one.who) for one in study.reviews.opinions("r")]
        assert kept == [("l1", "comment", "Dr A"), ("l1", "disagree", "Dr A"), ("l2", "wrong region", "Dr A")]
        assert {one.opinion.prototype for one in study.reviews.opinions("r")} == {4}
        assert study.reviews.readings_of_lesion("l1") == {}
        assert labels[None].margin == "spiculated"
        assert study.audit.verify().good and check_study(study).good
