"""Connection profiles of PACS, stored for the user of this computer and never in a study, without any secret.

A profile names one destination. Nothing is sent to it before its user has confirmed it; a change of the
destination removes the confirmation.
"""

from __future__ import annotations

import hashlib
import os
import re
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import msgspec
import platformdirs

from core.domain.errors import BadFileError, PacsError
from core.domain.messages import message
from core.platform.atomic import atomic_write, make_folder

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,39}")
_AE_TITLE = re.compile(r"[!-\[\]-~]([ -\[\]-~]{0,14}[!-\[\]-~])?")
"""PS3.5, 6.2, AE: at most 16 characters of the default repertoire, no backslash, no blanks around."""


class Tls(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Encryption of the connection. With a CA file only certificates that it signed are trusted."""

    on: bool = False
    ca_file: str = ""
    verify: bool = True
    """False = the server is not verified and can be anybody; shown in ``Profile`` listings."""
    certificate: str = ""
    """Our own, as PEM: shown to a server that asks, and what our receiver needs to take images encrypted."""
    key: str = ""


class _Profile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    name: str
    source: str = ""
    """The institution whose patient identifiers this PACS uses, the ``source`` of its patients; "": the name."""
    tls: Tls = Tls()
    timeout_s: float = 30.0
    confirmed: str = ""
    """When the user confirmed it as a destination (UTC), and for which destination: stamp and hash."""

    @property
    def institution(self) -> str:
        return self.source or self.name


class DicomwebProfile(_Profile, frozen=True, kw_only=True, tag="dicomweb"):
    url: str
    """URL of the service: QIDO, WADO and STOW lie below it."""
    login: Literal["none", "password", "token"] = "none"
    user: str = ""
    """For the login by password; the password and the token lie in the system's key store or nowhere."""


class DimseProfile(_Profile, frozen=True, kw_only=True, tag="dimse"):
    host: str
    port: int
    called: str
    """AE title of the PACS."""
    calling: str = "MARGINALIA"
    """Our own AE title, which the PACS must know as a destination of C-MOVE."""
    listen_address: str = "127.0.0.1"
    """Address of this computer at which images are received; nobody else can reach the default."""
    listen_port: int = 11112


Profile = DicomwebProfile | DimseProfile


def destination(profile: Profile) -> str:
    """Return the destination, for people to read and confirm; without anything secret."""
    if isinstance(profile, DicomwebProfile):
        return profile.url
    return f"{profile.called} at {profile.host}:{profile.port}"


def checked(profile: Profile) -> Profile:
    """Return the profile if it can be used. Raises: PacsError, which describes the defect."""
    if not _NAME.fullmatch(profile.name):
        raise PacsError(
            message(
                "The name of a PACS profile needs 1 to 40 letters, digits, blanks, dots, hyphens and underscores."
            )
        )
    if not 1 <= profile.timeout_s <= 600:
        raise PacsError(
            message("The time limit of the profile {profile} needs 1 to 600 seconds.", profile=profile.name)
        )
    if isinstance(profile, DicomwebProfile):
        _check_web(profile)
    else:
        _check_dimse(profile)
    _check_tls(profile)
    return profile


def _check_web(profile: DicomwebProfile) -> None:
    try:
        parts = urlsplit(profile.url)
        host, secret = parts.hostname, parts.username or parts.password
        parts.port  # noqa: B018 (raises where it is no number)
    except ValueError:
        host, secret = None, None
    if not host or not profile.url.isprintable() or parts.scheme not in ("http", "https"):
        raise PacsError(
            message(
                "The address of the profile {profile} is not a URL such as https://host/dicom-web.",
                profile=profile.name,
            )
        )
    if secret is not None:
        raise PacsError(
            message("The URL must not hold a user or password; give --user, and the password when asked.")
        )
    if (parts.scheme == "https") != profile.tls.on:
        raise PacsError(
            message(
                "The profile {profile} has a URL with {scheme}: and encryption "
                "{setting}, which contradict each other.",
                profile=profile.name,
                scheme=parts.scheme,
                setting=message("on") if profile.tls.on else message("off"),
            )
        )
    if (profile.login == "password") != bool(profile.user):
        raise PacsError(
            message(
                "The profile {profile} needs a user name with a login by password, and only then.",
                profile=profile.name,
            )
        )


def _check_dimse(profile: DimseProfile) -> None:
    for title, whose in ((profile.called, message("of the PACS")), (profile.calling, message("of this program"))):
        if not _AE_TITLE.fullmatch(title):
            raise PacsError(
                message(
                    "The AE title {whose} in the profile {profile} needs 1 to 16 plain characters without a "
                    "backslash.",
                    whose=whose,
                    profile=profile.name,
                )
            )
    for port in (profile.port, profile.listen_port):
        if not 0 < port < 65_536:
            raise PacsError(
                message(
                    "{port} is not a port (1 to 65535); correct the profile {profile}.",
                    port=port,
                    profile=profile.name,
                )
            )
    if not profile.host or not profile.host.isprintable() or set(profile.host) & set("/@ \\"):
        raise PacsError(
            message(
                "The host of the profile {profile} is not the name or address of a computer.", profile=profile.name
            )
        )
    try:
        ip_address(profile.listen_address)
    except ValueError as error:
        raise PacsError(
            message(
                "The profile {profile} receives at {address}, which is not an IP address of this computer.",
                profile=profile.name,
                address=profile.listen_address,
            )
        ) from error


def _check_tls(profile: Profile) -> None:
    tls = profile.tls
    if bool(tls.certificate) != bool(tls.key):
        raise PacsError(
            message(
                "The profile {profile} needs both a certificate and its key, or neither.", profile=profile.name
            )
        )
    for file in (tls.ca_file, tls.certificate, tls.key):
        if file and not Path(file).is_file():
            raise PacsError(
                message(
                    "The profile {profile} names {file}, which is not a file.", profile=profile.name, file=file
                )
            )


def _fingerprint(profile: Profile) -> str:
    plain = msgspec.structs.replace(profile, confirmed="", source="", timeout_s=30.0)
    return hashlib.sha256(msgspec.json.encode(plain)).hexdigest()[:16]


def is_confirmed(profile: Profile) -> bool:
    return profile.confirmed.endswith(f" {_fingerprint(profile)}")


def confirm(profile: Profile) -> Profile:
    """The profile with the stamp that its user confirmed this destination now."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return msgspec.structs.replace(profile, confirmed=f"{now} {_fingerprint(profile)}")


def refuse_unconfirmed(profile: Profile) -> None:
    if not is_confirmed(profile):
        raise PacsError(
            message(
                "Nothing is sent to {profile} ({destination}) before you have confirmed it as a "
                "destination; confirm it in the profiles.",
                profile=profile.name,
                destination=destination(profile),
            )
        )


class Profiles:
    """The profiles of this user, in one JSON file."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file or profiles_file()

    def all(self) -> tuple[Profile, ...]:
        """By name. BadFileError where the file is damaged."""
        try:
            content = self._file.read_bytes()
        except FileNotFoundError:
            return ()
        try:
            return msgspec.json.decode(content, type=tuple[Profile, ...])
        except msgspec.DecodeError as error:
            raise BadFileError(
                message(
                    "{path} does not hold PACS profiles ({error}); correct it, or delete it and set them up "
                    "again.",
                    path=self._file,
                    error=error,
                )
            ) from error

    def get(self, name: str) -> Profile:
        found = [profile for profile in self.all() if profile.name == name]
        if not found:
            raise PacsError(message("There is no PACS profile named {name}; set it up first.", name=name))
        return checked(found[0])

    def put(self, profile: Profile) -> None:
        """Add the profile, or replace that of the same name."""
        rest = [known for known in self.all() if known.name != profile.name]
        self._write(sorted([*rest, checked(profile)], key=lambda known: known.name.casefold()))

    def remove(self, name: str) -> None:
        """PacsError where there is none of the name. The caller forgets its secret (``credentials``)."""
        everything = self.all()
        rest = [profile for profile in everything if profile.name != name]
        if len(rest) == len(everything):
            raise PacsError(message("There is no PACS profile named {name}.", name=name))
        self._write(rest)

    def _write(self, profiles: list[Profile]) -> None:
        make_folder(self._file.parent)
        atomic_write(self._file, msgspec.json.format(msgspec.json.encode(profiles)))


def profiles_file() -> Path:
    """Return this user's file; the variable MARGINALIA_PACS names the folder of another one (tests, stations)."""
    return _folder(platformdirs.user_config_dir("marginalia")) / "pacs.json"


def inbox_folder() -> Path:
    """Return the folder of objects from a PACS before import: outside every study, readable to this user only."""
    return _folder(platformdirs.user_data_dir("marginalia")) / "inbox"


def _folder(otherwise: str) -> Path:
    named = os.environ.get("MARGINALIA_PACS")
    return Path(named) if named else Path(otherwise)
