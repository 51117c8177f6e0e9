"""Logins of this workstation: the user's name by server, and the password in the system's key store.

Without one here, the server's own ways count: the variables PGUSER and PGPASSWORD, the file ``.pgpass``, a
certificate, or the name of the system's user.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import msgspec

from core.domain.errors import StudyError
from core.domain.messages import message
from core.platform.atomic import atomic_write, make_folder
from core.platform.places import state_folder
from core.store.key_store import KeyStoreMissingError, system_key_store
from core.store.postgresql.address import Address

_FILE = "logins.json"
_SERVICE = "Marginalia database"
_asked: dict[str, dict[str, str]] = {}
"""Logins by server that a person typed in this program; they come before what is kept."""


class Login(msgspec.Struct, frozen=True, kw_only=True):
    user: str
    password_kept: bool = False
    """True if the system's key store holds the password."""


def keep_login(address: Address, user: str, password: str = "") -> None:
    """Remember who logs in at this server from here; the password goes into the system's key store.

    Raises: KeyStoreMissingError if there is a password and no key store that keeps it encrypted.
    """
    if password:
        from keyring.errors import KeyringError

        try:
            system_key_store().set_password(_SERVICE, _name(address, user), password)
        except KeyStoreMissingError as error:
            raise KeyStoreMissingError(
                message("This computer has no key store that keeps a password encrypted; use the file .pgpass.")
            ) from error
        except KeyringError as error:
            raise StudyError(
                message("The system's key store could not keep the password; unlock it, or use the file .pgpass.")
            ) from error
    logins = _read() | {address.server: Login(user=user, password_kept=bool(password))}
    make_folder(state_folder())
    atomic_write(state_folder() / _FILE, msgspec.json.encode(logins))


def login_arguments(address: Address) -> dict[str, str]:
    """User and password for a connection, as far as this workstation keeps them."""
    if address.server in _asked:
        return dict(_asked[address.server])
    login = _read().get(address.server)
    if login is None:
        return {}
    arguments = {"user": login.user}
    if login.password_kept:
        from keyring.errors import KeyringError

        try:
            password = system_key_store().get_password(_SERVICE, _name(address, login.user))
        except KeyringError as error:
            raise StudyError(
                message(
                    "The system's key store did not give the password of the database; unlock it and try again."
                )
            ) from error
        if password:
            arguments["password"] = password
    return arguments


def login_user(address: Address) -> str:
    """Return the user that this workstation keeps for the server; "" without one."""
    login = _read().get(address.server)
    return "" if login is None else login.user


@contextlib.contextmanager
def asked_login(address: Address, user: str, password: str) -> Iterator[None]:
    """Log in with what a person typed, until this program ends; after an error in the block no longer."""
    before = _asked.get(address.server)
    _asked[address.server] = {"user": user} | ({"password": password} if password else {})
    try:
        yield
    except BaseException:
        del _asked[address.server]
        if before is not None:
            _asked[address.server] = before
        raise


def _name(address: Address, user: str) -> str:
    return f"{user}@{address.server}"


def _read() -> dict[str, Login]:
    try:
        return msgspec.json.decode((state_folder() / _FILE).read_bytes(), type=dict[str, Login])
    except (OSError, msgspec.MsgspecError):
        return {}
