"""Training runs, and the tree of model revisions of each with its active one."""

from __future__ import annotations

from sqlalchemy import ColumnElement, insert, select, update

from core.domain.errors import StudyError
from core.domain.messages import message
from core.domain.study import ModelRevision, Run
from core.store import schema
from core.store.database import Database
from core.store.rows import from_row, insert_in_order, to_row, values

_R, _M, _A = schema.run, schema.model_revision, schema.active_revision


class RunRepository:
    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, run: Run) -> None:
        with self._database.write() as transaction:
            insert_in_order(transaction.connection, _R, [to_row(run)])
            transaction.record("run.add", f"run {run.id}", new=run)

    def update(self, run: Run) -> None:
        """Replace the run that has the id of ``run``; the trail records only what changed."""
        with self._database.write() as transaction:
            transaction.hold(f"run {run.id}")
            before, after = to_row(self.get(run.id)), to_row(run)
            changed = [name for name in after if before[name] != after[name]]
            if not changed:
                return
            transaction.connection.execute(update(_R).where(_R.c.id == run.id).values(after))
            old, new = ({name: row[name] for name in changed} for row in (before, after))
            transaction.record("run.update", f"run {run.id}", old=old, new=new)

    def get(self, run_id: str) -> Run:
        found = self._where(_R.c.id == run_id)
        if not found:
            raise StudyError(message("The study has no run {run}.", run=run_id))
        return found[0]

    def find(self, name: str) -> Run | None:
        """The newest run of this name."""
        return next(reversed(self._where(_R.c.name == name)), None)

    def all(self, *, archived: bool = False) -> tuple[Run, ...]:
        """In the order of entry; archived ones only on request."""
        return self._where() if archived else self._where(_R.c.archived.is_(False))

    def _where(self, *conditions: ColumnElement[bool]) -> tuple[Run, ...]:
        with self._database.read() as connection:
            return values(connection.execute(select(_R).where(*conditions).order_by(_R.c.seq)).all(), Run)


class ModelRepository:
    """Revisions are immutable; undo and redo move the pointer to the active one."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, revision: ModelRevision, *, activate: bool = True) -> None:
        """Add a revision beneath its parent; StudyError where the parent is of another run."""
        with self._database.write() as transaction:
            if revision.parent_id is not None and self.get(revision.parent_id).run_id != revision.run_id:
                raise StudyError(
                    message("Model revision {revision} has a parent of another run.", revision=revision.id)
                )
            insert_in_order(transaction.connection, _M, [to_row(revision)])
            transaction.record("model.add", f"model {revision.id}", new=revision)
            if activate:
                self.activate(revision.id)

    def get(self, revision_id: str) -> ModelRevision:
        with self._database.read() as connection:
            row = connection.execute(select(_M).where(_M.c.id == revision_id)).one_or_none()
        if row is None:
            raise StudyError(message("The study has no model revision {revision}.", revision=revision_id))
        return from_row(row, ModelRevision)

    def of_run(self, run_id: str) -> tuple[ModelRevision, ...]:
        """In the order of entry; parents before their children."""
        with self._database.read() as connection:
            rows = connection.execute(select(_M).where(_M.c.run_id == run_id).order_by(_M.c.seq)).all()
        return values(rows, ModelRevision)

    def active(self, run_id: str) -> ModelRevision | None:
        statement = select(_M).join(_A, _A.c.revision_id == _M.c.id).where(_A.c.run_id == run_id)
        with self._database.read() as connection:
            row = connection.execute(statement).one_or_none()
        return None if row is None else from_row(row, ModelRevision)

    def activate(self, revision_id: str) -> None:
        """Make this revision the one that its run uses."""
        with self._database.write() as transaction:
            run_id = self.get(revision_id).run_id
            transaction.hold(f"run {run_id}")
            old = self.active(run_id)
            if old is None:
                change = insert(_A).values(run_id=run_id, revision_id=revision_id)
                transaction.connection.execute(change)
            else:
                flip = update(_A).where(_A.c.run_id == run_id).values(revision_id=revision_id)
                transaction.connection.execute(flip)
            before = None if old is None else {"revision": old.id}
            transaction.record("model.activate", f"run {run_id}", old=before, new={"revision": revision_id})
