"""The consensus of lesions that several readers labelled. Rows are only appended; undo is a new revision."""

from __future__ import annotations

import msgspec
from sqlalchemy import insert, select

from core.domain.errors import StudyError
from core.domain.group import (
    Consensus,
    ConsensusSource,
    How,
    Purpose,
    differing,
    is_settled,
    merged,
    sources_of,
)
from core.domain.messages import message
from core.domain.study import Labels
from core.store import schema
from core.store.assignments import AssignmentRepository, disputed_lesions, newest_drawing, standing_consensus
from core.store.database import Database, now_utc
from core.store.rows import from_row, to_row, values

_T = schema.consensus


class ConsensusRepository:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._assignments = AssignmentRepository(database)

    def agree(self, lesion_id: str) -> Consensus:
        """Make the consensus by the rule: what the first labels agree on, and the drawing of the first reader who
        drew.

        StudyError where a reader has not finished, where they differ, or where a consensus stands.
        """
        with self._database.write() as transaction:
            transaction.hold(f"consensus {lesion_id}")
            sources = self._sources(lesion_id)
            if differing([source.labels for source in sources]):
                raise StudyError(message("The readers differ on this lesion; a further reader adjudicates it."))
            if self.of(lesion_id) is not None:
                raise StudyError(message("This lesion has a consensus already."))
            drawn = next((source for source in sources if source.revision), None)
            labels = merged([source.labels for source in sources])
            made = self._made(lesion_id, How.AGREED, labels, sources)
            if drawn is not None:
                made = msgspec.structs.replace(made, drawn_by=drawn.reader_id, drawn_revision=drawn.revision)
            return self._append(made)

    def adjudicate(
        self, lesion_id: str, reader_id: str, labels: Labels, *, drawn_by: str | None = None
    ) -> Consensus:
        """Keep the decision of an adjudicator, in place of an earlier consensus.

        ``drawn_by``: the reader whose drawing counts, one of the labelling readers (as it was when they finished)
        or the adjudicator (as it is now); None for no drawing. StudyError where the lesion is not theirs to
        adjudicate, a reader has not finished, or the drawing does not exist.
        """
        with self._database.write() as transaction:
            transaction.hold(f"consensus {lesion_id}")
            own = self._assignments.find(lesion_id, reader_id)
            if own is None or own.purpose is not Purpose.ADJUDICATE:
                raise StudyError(message("This lesion is not assigned to this reader to adjudicate."))
            sources = self._sources(lesion_id)
            if labels.margin is None:
                raise StudyError(message("Name the margin that counts."))
            made = self._made(lesion_id, How.ADJUDICATED, labels, sources)
            made = msgspec.structs.replace(made, reader_id=reader_id)
            if drawn_by is not None:
                revision = self._drawn_revision(made, drawn_by)
                made = msgspec.structs.replace(made, drawn_by=drawn_by, drawn_revision=revision)
            return self._append(made)

    def withdraw(self, lesion_id: str) -> Consensus:
        """Take the consensus back, as a further revision: the lesion has none again."""
        with self._database.write() as transaction:
            transaction.hold(f"consensus {lesion_id}")
            old = self.of(lesion_id)
            if old is None:
                raise StudyError(message("This lesion has no consensus."))
            return self._append(
                msgspec.structs.replace(
                    old,
                    revision=old.revision + 1,
                    how=How.WITHDRAWN,
                    who=self._database.who,
                    created_utc=now_utc(),
                )
            )

    def of(self, lesion_id: str) -> Consensus | None:
        """The consensus that stands; None where there is none, or it was withdrawn."""
        history = self.history(lesion_id)
        return history[-1] if history and history[-1].how is not How.WITHDRAWN else None

    def history(self, lesion_id: str) -> tuple[Consensus, ...]:
        rows = select(_T).where(_T.c.lesion_id == lesion_id).order_by(_T.c.revision)
        with self._database.read() as connection:
            return values(connection.execute(rows).all(), Consensus)

    def all(self) -> dict[str, Consensus]:
        """Every consensus that stands, by lesion."""
        with self._database.read() as connection:
            return {key: from_row(row, Consensus) for key, row in standing_consensus(connection).items()}

    def disputed(self, reader_id: str | None = None) -> dict[str, tuple[str, ...]]:
        """Lesions that wait for an adjudication (of this reader), with the labels that differ."""
        with self._database.read() as connection:
            return disputed_lesions(connection, reader_id)

    def _sources(self, lesion_id: str) -> tuple[ConsensusSource, ...]:
        assignments = self._assignments.of_lesion(lesion_id)
        if not is_settled(assignments):
            raise StudyError(
                message("A consensus needs two readers who finished the lesion, and none who has not.")
            )
        return sources_of(assignments)

    def _made(self, lesion_id: str, how: How, labels: Labels, sources: tuple[ConsensusSource, ...]) -> Consensus:
        last = max((one.revision for one in self.history(lesion_id)), default=0)
        return Consensus(
            lesion_id=lesion_id,
            revision=last + 1,
            how=how,
            reader_id=None,
            labels=labels,
            sources=sources,
            who=self._database.who,
            created_utc=now_utc(),
        )

    def _drawn_revision(self, made: Consensus, drawn_by: str) -> int:
        kept = {source.reader_id: source.revision for source in made.sources}
        if drawn_by == made.reader_id:
            with self._database.read() as connection:
                kept[drawn_by] = newest_drawing(connection, made.lesion_id, drawn_by)
        if not kept.get(drawn_by):
            raise StudyError(message("This reader has no drawing of the lesion that could count."))
        return kept[drawn_by]

    def _append(self, made: Consensus) -> Consensus:
        with self._database.write() as transaction:
            transaction.connection.execute(insert(_T).values(to_row(made)))
            # without a reader in the subject, so that who is blinded finds nothing of it by that
            transaction.record("consensus.add", f"lesion {made.lesion_id}", new=made)
        return made
