"""The key store of the system, where it has one that keeps what it holds encrypted."""

from __future__ import annotations

from typing import Protocol

from core.domain.errors import StudyError
from core.domain.messages import message


class KeyStoreMissingError(StudyError):
    """This computer has no key store, or one that keeps keys in clear."""


class SystemKeyStore(Protocol):
    def get_password(self, service: str, username: str) -> str | None: ...

    def set_password(self, service: str, username: str, password: str) -> None: ...

    def delete_password(self, service: str, username: str) -> None: ...


def system_key_store() -> SystemKeyStore:
    """KeyStoreMissingError where there is none to trust. Its methods raise ``keyring.errors.KeyringError``."""
    import keyring

    backend = keyring.get_keyring()
    name = f"{type(backend).__module__}.{type(backend).__name__}"
    if "fail" in name or "null" in name or "Plaintext" in name:
        raise KeyStoreMissingError(
            message(
                "This computer has no key store that keeps a key encrypted; use a passphrase for the identity "
                "file, or go on without one."
            )
        )
    return backend
