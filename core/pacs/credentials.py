"""Passwords and tokens: in the key store of the system or asked for each time, never in clear on a disk."""

from __future__ import annotations

from collections.abc import Callable

from core.domain.errors import PacsError
from core.domain.messages import Sentence, message
from core.pacs.profile import DicomwebProfile, Profile
from core.store.key_store import KeyStoreMissingError, system_key_store

_SERVICE = "Marginalia PACS"

Ask = Callable[[Sentence], str]
"""Function that prompts the person with a text that names the secret, and returns the answer."""


def needs_secret(profile: Profile) -> bool:
    return isinstance(profile, DicomwebProfile) and profile.login != "none"


def secret_word(profile: Profile) -> Sentence:
    """Return the name of the secret that the login needs, in words."""
    if isinstance(profile, DicomwebProfile) and profile.login == "password":
        return message("Password of {user} for {profile}", user=profile.user, profile=profile.name)
    return message("Token for {profile}", profile=profile.name)


def secret_of(profile: Profile, ask: Ask) -> str:
    """From the key store, else from the person; "" where the profile needs none. PacsError for an unfit one."""
    if not needs_secret(profile):
        return ""
    secret = _kept(profile.name) or ask(secret_word(profile))
    if not secret or not secret.isascii() or not secret.isprintable():
        raise PacsError(
            message(
                "{secret}: nothing was given, or it has characters that cannot be sent.",
                secret=secret_word(profile),
            )
        )
    return secret


def keep_secret(profile: Profile, secret: str) -> bool:
    """Store the secret in the key store; False if this computer has none, so that it is requested each time."""
    from keyring.errors import KeyringError

    try:
        system_key_store().set_password(_SERVICE, profile.name, secret)
    except (KeyStoreMissingError, KeyringError):
        return False
    return True


def forget_secret(name: str) -> None:
    from keyring.errors import KeyringError, PasswordDeleteError

    try:
        system_key_store().delete_password(_SERVICE, name)
    except (KeyStoreMissingError, PasswordDeleteError):
        return
    except KeyringError as error:
        raise PacsError(
            message(
                "The password of {name} could not be deleted from the system's key store; unlock it.", name=name
            )
        ) from error


def _kept(name: str) -> str | None:
    from keyring.errors import KeyringError

    try:
        return system_key_store().get_password(_SERVICE, name)
    except (KeyStoreMissingError, KeyringError):
        return None
