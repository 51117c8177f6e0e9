"""Finishing an assigned lesion from the annotation workspace."""

from __future__ import annotations

from collections.abc import Callable

from app.operations.group import finish_lesion
from app.qt.sentences import translate_message
from app.qt.translation import tr
from app.state.journal import Act
from app.state.session import Session
from core.domain.errors import MarginaliaError
from core.domain.study import Lesion


def finish_shown(
    session: Session,
    lesion: Lesion | None,
    *,
    finished: Callable[[str, Act], None],
    refused: Callable[[str], None],
) -> None:
    """Keep the first labels of the lesion that is shown.

    ``finished``: called with a sentence and the act; ``refused``: with the reason why it cannot be finished.
    """
    if lesion is None:
        return
    try:
        act = finish_lesion(session, lesion.id)
    except MarginaliaError as error:
        refused(translate_message(error))
        return
    finished(tr("Lesion {n} is finished; your first labels are kept.", n=lesion.number), act)


def why_others_hidden(session: Session, lesion: Lesion) -> str:
    """Return the reason why the layers of others are hidden at a lesion, in a sentence; "" where they are not."""
    if session.reads.own_is_finished(lesion.id):
        return ""
    if session.reads.assignment(lesion.id) is not None:
        return tr("This lesion was given to you: what others drew can be seen when you have finished it.")
    return tr("Other readers' layers can be seen once you have drawn this lesion and named its margin.")
