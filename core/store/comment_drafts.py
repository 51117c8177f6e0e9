"""Comments that a reader began and has not sent: kept on this computer until they are.

They are no part of the study, so nobody else reads them. They lie in the state folder of the user, one file a
study, in a folder that is open to the user alone.
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from core.platform.atomic import atomic_write, make_folder
from core.platform.places import state_folder
from core.store.study import Study


class CommentDrafts:
    """Drafts of one study, by reader and lesion."""

    def __init__(self, study_id: str) -> None:
        self._path = state_folder() / "drafts" / f"{study_id}.json"
        self._texts = self._read()

    def of(self, reader: str, lesion_id: str) -> str:
        """Return the draft of a reader on a lesion; "" where there is none."""
        return self._texts.get(reader, {}).get(lesion_id, "")

    def put(self, reader: str, lesion_id: str, text: str) -> None:
        """Keep a draft, or drop it if ``text`` is empty; it is on the disk when this returns.

        Raises: StorageFullError without room.
        """
        if text == self.of(reader, lesion_id):
            return
        own = self._texts.setdefault(reader, {})
        own.pop(lesion_id, None)
        if text:
            own[lesion_id] = text
        self._write()

    def keep_only(self, lesion_ids: Collection[str]) -> None:
        """Drop the drafts on all other lesions."""
        kept = {
            reader: {lesion: text for lesion, text in own.items() if lesion in lesion_ids}
            for reader, own in self._texts.items()
        }
        if kept != self._texts:
            self._texts = kept
            self._write()

    def _read(self) -> dict[str, dict[str, str]]:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=dict[str, dict[str, str]])
        except (OSError, msgspec.MsgspecError):
            return {}

    def _write(self) -> None:
        texts = {reader: own for reader, own in self._texts.items() if own}
        if texts:
            make_folder(self._path.parent)
            self._path.parent.chmod(0o700)
            atomic_write(self._path, msgspec.json.encode(texts))
        else:
            self._path.unlink(missing_ok=True)


def forget_drafts(study: Study) -> None:
    """Delete the drafts on lesions that the study neither has nor could put back: of a forgotten patient."""
    known = {lesion.id for lesion in study.lesions.all()} | set(study.lesions.removed())
    CommentDrafts(study.info.id).keep_only(known)
