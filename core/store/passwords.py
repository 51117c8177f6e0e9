"""Local passwords of readers: a bar against signing in as a colleague by mistake, no encryption of anything.

They stand beside the database in ``passwords.json`` (reader id to scrypt's parameters, salt and hash), so that
they go with the study and never enter exports or the audit trail.
"""

from __future__ import annotations

import secrets
from pathlib import Path

import msgspec

from core.domain.errors import BadFileError
from core.domain.messages import message
from core.platform.atomic import atomic_write

FILE = "passwords.json"
_LENGTH = 32


class _PasswordEntry(msgspec.Struct, frozen=True, kw_only=True):
    salt: bytes
    hash: bytes
    # 2**15 blocks of 8: 32 MB and about a tenth of a second (RFC 7914, section 2)
    n: int = 2**15
    r: int = 8
    p: int = 1


class Passwords:
    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE

    def has(self, reader_id: str) -> bool:
        return reader_id in self._read()

    def fits(self, reader_id: str, password: str) -> bool:
        """Return True if the reader may sign in with it; any password fits a reader without one."""
        from cryptography.exceptions import InvalidKey
        from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

        entry = self._read().get(reader_id)
        if entry is None:
            return True
        try:
            Scrypt(salt=entry.salt, length=_LENGTH, n=entry.n, r=entry.r, p=entry.p).verify(
                password.encode(), entry.hash
            )
        except InvalidKey:
            return False
        return True

    def put(self, reader_id: str, password: str) -> None:
        """Set the password, or take it away where it is empty."""
        from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

        entries = self._read()
        entries.pop(reader_id, None)
        if password:
            salt = secrets.token_bytes(16)
            blank = _PasswordEntry(salt=salt, hash=b"")
            key = Scrypt(salt=salt, length=_LENGTH, n=blank.n, r=blank.r, p=blank.p).derive(password.encode())
            entries[reader_id] = msgspec.structs.replace(blank, hash=key)
        atomic_write(self._path, msgspec.json.encode(entries))

    def _read(self) -> dict[str, _PasswordEntry]:
        if not self._path.exists():
            return {}
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=dict[str, _PasswordEntry])
        except (OSError, msgspec.MsgspecError) as error:
            raise BadFileError(
                message("{file} of the study cannot be read; restore it, or delete it to start again.", file=FILE)
            ) from error
