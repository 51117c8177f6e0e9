"""Shapes that the server of a shared study has not confirmed: durable on this computer until it has.

They are kept in the state folder of the user, one file a study, readable for the user alone. What is kept survives
the program, the computer and the server.
"""

from __future__ import annotations

import msgspec

from core.domain.errors import ServerLostError, StudyError
from core.domain.shapes import Shape, decode_shapes
from core.store.annotations import AnnotationRepository
from core.store.database import Database
from core.store.location import outbox_file
from core.store.study import Study


class KeptShapes(msgspec.Struct, frozen=True, kw_only=True):
    """The shapes of a reader on a lesion after one stroke."""

    number: int
    lesion_id: str
    reader_id: str
    who: str
    """Named in the audit trail."""
    shapes: str
    """As ``core.domain.shapes`` encodes them."""
    refused: str = ""
    """Why the study does not take them, in a sentence; they are kept, and not sent again by themselves."""


class Outbox:
    """Kept changes of one study; usable from any thread."""

    def __init__(self, study_id: str) -> None:
        self._file = outbox_file(study_id)

    def put(self, lesion_id: str, reader_id: str, who: str, shapes: tuple[Shape, ...]) -> None:
        """Keep shapes; when this returns, they are on this computer's disk. StorageFullError without room."""
        self._file.put(lesion_id, reader_id, who, shapes)

    def all(self) -> tuple[KeptShapes, ...]:
        """In the order of entry."""
        names = KeptShapes.__struct_fields__
        return tuple(KeptShapes(**dict(zip(names, row, strict=True))) for row in self._file.rows())

    @property
    def waiting(self) -> int:
        """Return the number of those that are still to be sent."""
        return sum(not one.refused for one in self.all())

    def remove(self, number: int) -> None:
        self._file.remove(number)

    def refuse(self, number: int, why: str) -> None:
        """Send these no more by themselves, since the study does not take them."""
        self._file.refuse(number, why)

    def close(self) -> None:
        self._file.close()


def send_all(study: Study, outbox: Outbox) -> tuple[str, ...]:
    """Commit what is kept, in its order; the lesions whose annotation has new revisions.

    What the server had kept before its answer was lost is not committed twice. Raises: ServerLostError where it
    cannot be reached; what was not sent stays kept.
    """
    sent: list[str] = []
    for one in outbox.all():
        if one.refused:
            continue
        annotations = AnnotationRepository(Database(study.backend, who=one.who))
        shapes = decode_shapes(one.shapes)
        try:
            newest = annotations.current(one.lesion_id, one.reader_id)
            if newest is None or newest.shapes != shapes:
                annotations.commit(one.lesion_id, one.reader_id, shapes)
                sent.append(one.lesion_id)
        except ServerLostError:
            raise
        except StudyError as error:
            outbox.refuse(one.number, str(error))
            continue
        outbox.remove(one.number)
    return tuple(dict.fromkeys(sent))


def forget_unknown(study: Study) -> None:
    """Delete what this computer keeps of lesions that the study neither has nor could put back: of a forgotten
    patient."""
    outbox = Outbox(study.info.id)
    known = {lesion.id for lesion in study.lesions.all()} | set(study.lesions.removed())
    for one in outbox.all():
        if one.lesion_id not in known:
            outbox.remove(one.number)
    outbox.close()
