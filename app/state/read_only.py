"""Why a study was opened for reading only."""

from __future__ import annotations

from pathlib import Path

from app.qt.sentences import translate_message
from core.domain.errors import StorageFullError, StudyError, StudyLockedError
from core.domain.messages import joined, message


def why_read_only(error: StudyError | StorageFullError, folder: Path) -> str:
    """The sentence for the user; ``error``: what opening it for writing raised."""
    from core.store.write_lock import present_holder

    holder = present_holder(folder)
    if isinstance(error, StudyLockedError) and holder is not None:
        return translate_message(
            message(
                "{holder} has this study open. You can look at it; nothing can be changed until it is closed "
                "there.",
                holder=holder.sentence,
            )
        )
    return translate_message(joined([error, message("You can look at it; nothing can be changed.")]))
