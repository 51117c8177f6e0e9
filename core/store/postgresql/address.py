"""The address of a study's database: where the server is and which schema is the study's, never a password.

It is kept as ``database.json`` in the study's folder, which every workstation sees. The login is each
workstation's own (``core.store.postgresql.login``).
"""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Literal

import msgspec

from core.domain.errors import BadFileError, StudyError
from core.domain.messages import message
from core.platform.atomic import atomic_write
from core.platform.regular import open_regular
from core.store.names import SERVER

EXAMPLE = "postgresql://db.hospital.example/marginalia"
_FORMAT = 1
_LARGEST = 10_000
_FORM = re.compile(
    r"postgresql://(?:(?P<user>[^@/?#:]+)@)?(?P<host>\[[0-9A-Fa-f:.]+\]|[^@/?#:\[\]]*)(?::(?P<port>[0-9]{1,5}))?"
    r"/(?P<database>[^@/?#]+)(?:\?(?P<options>[^?#]*))?"
)
_PASSWORD = re.compile(r"[a-z]+://[^@/?#:]*:[^@/?#]*@")
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
Tls = Literal["verify-full", "verify-ca", "off"]


class Address(msgspec.Struct, frozen=True, kw_only=True):
    host: str
    """Name or number of the server; a folder for its socket on this computer."""
    database: str
    port: int = 5432
    schema: str = ""
    """Name of the study among those of the database."""
    tls: Tls = "verify-full"
    format: int = _FORMAT

    def __str__(self) -> str:
        return f"{self.schema} in {self.database} on {self.host}"

    @property
    def server(self) -> str:
        """Return the name under which a workstation keeps its login."""
        return f"{self.host}:{self.port}/{self.database}"

    @property
    def is_local(self) -> bool:
        """Return True if the connection never leaves this computer."""
        if self.host.startswith("/") or self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def parse_address(text: str) -> tuple[Address, str]:
    """The address and the login's user ("" if it names none) of ``postgresql://[USER@]HOST[:PORT]/DATABASE``.

    Options after a question mark: ``schema=NAME`` and ``tls=verify-full|verify-ca|off``. Raises: StudyError for
    anything else, for a password, and for a connection without TLS that leaves this computer.
    """
    if _PASSWORD.match(text):
        raise StudyError(
            message(
                "Leave the password out of the address, where others could read it; keep it with 'study login'."
            )
        )
    parts = _FORM.fullmatch(text)
    options = dict(one.partition("=")[::2] for one in (parts["options"] or "").split("&") if one) if parts else {}
    host = options.get("host") or (parts["host"].strip("[]") if parts else "")
    port = int(parts["port"] or 5432) if parts else 0
    if parts is None or options.keys() - {"schema", "tls", "host"} or not host or not 0 < port < 65536:
        raise StudyError(
            message(
                "{text} is not an address of a database server; write it as {example}.",
                text=text[:80],
                example=EXAMPLE,
            )
        )
    raw = {
        "host": host,
        "port": port,
        "database": parts["database"],
        "schema": options.get("schema", ""),
        "tls": options.get("tls", "verify-full"),
    }
    try:
        address = msgspec.convert(raw, Address)
    except msgspec.ValidationError as error:
        raise StudyError(message("The option tls of the address is verify-full, verify-ca or off.")) from error
    return checked(address), parts["user"] or ""


def checked(address: Address) -> Address:
    """The same address; StudyError where it cannot be used."""
    if address.schema and _NAME.fullmatch(address.schema) is None:
        raise StudyError(
            message(
                "{name!r} cannot name a study on a server: use small letters, digits and underscores.",
                name=address.schema[:80],
            )
        )
    if address.tls == "off" and not address.is_local:
        raise StudyError(
            message(
                "The connection to {host} leaves this computer and must be encrypted; take tls=off out of "
                "the address.",
                host=address.host,
            )
        )
    return address


def read_address(folder: Path) -> Address:
    """The address that a study's folder holds; BadFileError where the file cannot be read as one."""
    path = folder / SERVER
    try:
        with open_regular(path) as file:
            address = msgspec.json.decode(file.read(_LARGEST), type=Address)
    except (OSError, msgspec.DecodeError) as error:
        raise BadFileError(
            message("{path} is not an address of a study's database; restore it from a copy.", path=path)
        ) from error
    if address.format > _FORMAT:
        raise BadFileError(
            message("{path} was written by a newer version of Marginalia; open it with that one.", path=path)
        )
    return checked(address)


def write_address(folder: Path, address: Address) -> None:
    atomic_write(folder / SERVER, msgspec.json.format(msgspec.json.encode(address)) + b"\n")
