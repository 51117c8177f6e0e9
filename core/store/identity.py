"""``identity.enc``: the link from pseudonyms to patients' identifiers and from images to their original UIDs.

It is separate from the study and encrypted (AES-256-GCM). It may be absent, or be deleted at any time. Only
sending results back to an archive needs it. The key is either derived from a passphrase (scrypt), which is
requested each time, or random and kept in the system's key store. Neither the key nor the contents are ever
written to the disk in clear. The file is one line of JSON (the header, authenticated), then nonce and ciphertext.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal, Protocol

import msgspec

from core.domain.errors import BadFileError, StudyError
from core.domain.messages import message
from core.imaging.decoded import Identity
from core.platform.atomic import atomic_write
from core.platform.regular import is_regular, open_regular

IDENTITY = "identity.enc"
_NONCE = 12
_KEY = 32
_SHORTEST = 8
_SERVICE = "Marginalia identity file"


class PatientLink(msgspec.Struct, frozen=True, kw_only=True):
    pseudonym: str
    source: str
    """The data set or site in which the identifier is valid."""
    identifier: str


class ImageLink(msgspec.Struct, frozen=True, kw_only=True):
    """Original UIDs of an image of the study: (0020,000D), (0020,000E) and (0008,0018); and what of its header
    a result must repeat to be filed with it in an archive."""

    image_id: str
    study_uid: str
    series_uid: str
    sop_uid: str
    sop_class: str = ""
    patient_id: str = ""
    patient_name: str = ""
    birth_date: str = ""
    sex: str = ""
    accession: str = ""
    study_id: str = ""
    study_date: str = ""
    study_time: str = ""
    patient_orientation: tuple[str, ...] = ()

    @classmethod
    def of(cls, image_id: str, header: Identity) -> ImageLink:
        """Return the link made from an image's header."""
        return cls(
            image_id=image_id,
            study_uid=header.study_uid,
            series_uid=header.series_uid,
            sop_uid=header.sop_uid,
            sop_class=header.sop_class,
            patient_id=header.patient_id,
            patient_name=header.name,
            birth_date=header.birth_date,
            sex=header.sex,
            accession=header.accession,
            study_id=header.study_id,
            study_date=header.study_date,
            study_time=header.study_time,
            patient_orientation=header.patient_orientation,
        )

    @property
    def uids(self) -> tuple[str, str, str]:
        return self.study_uid, self.series_uid, self.sop_uid


class IdentityHeader(msgspec.Struct, frozen=True, kw_only=True):
    version: int = 1
    key: Literal["passphrase", "key store"]
    salt: bytes
    key_id: str = ""
    """Name of this file's own key in the key store; "" in files of earlier versions, which used the study's."""
    n: Annotated[int, msgspec.Meta(ge=1 << 14, le=1 << 20)] = 1 << 15
    """Cost of scrypt, with r = 8 and p = 1; limited, since the file is foreign until it is authenticated."""


class _Links(msgspec.Struct, frozen=True, kw_only=True):
    patients: list[PatientLink] = []
    images: list[ImageLink] = []


class KeySource(Protocol):
    """Source of the key."""

    @property
    def kind(self) -> Literal["passphrase", "key store"]: ...

    def key(self, header: IdentityHeader, *, new: bool) -> bytes: ...


class Passphrase:
    """A key from a passphrase, which ``ask`` gets from the person each time and nobody keeps."""

    kind: Literal["passphrase", "key store"] = "passphrase"

    def __init__(self, ask: Callable[[], str]) -> None:
        self._ask = ask

    def key(self, header: IdentityHeader, *, new: bool) -> bytes:
        # cryptography takes a tenth of a second to load, for which a window that keeps no link need not wait
        from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

        passphrase = self._ask()
        if new and len(passphrase) < _SHORTEST:
            raise StudyError(
                message(
                    "The passphrase for the identity file is too short; use {least} characters or more.",
                    least=_SHORTEST,
                )
            )
        return Scrypt(salt=header.salt, length=_KEY, n=header.n, r=8, p=1).derive(passphrase.encode())


class KeyStore:
    """A random key in the key store of the system: one for each identity file, never overwritten.

    A copy of a study, or a restored backup, has the key of the file that it is a copy of, or a file of its own.
    """

    kind: Literal["passphrase", "key store"] = "key store"

    def __init__(self, study_id: str) -> None:
        self._study_id = study_id

    def key(self, header: IdentityHeader, *, new: bool) -> bytes:
        from keyring.errors import KeyringError

        from core.store.key_store import system_key_store

        store, name = system_key_store(), self._name(header)
        try:
            if new:
                if store.get_password(_SERVICE, name) is not None:
                    raise StudyError(
                        message("The system's key store holds a key of this name already; try again.")
                    )
                text = base64.b64encode(secrets.token_bytes(_KEY)).decode()
                store.set_password(_SERVICE, name, text)
            found = store.get_password(_SERVICE, name)
        except KeyringError as error:
            raise StudyError(
                message(
                    "The system's key store could not be used for the identity file; unlock it, or use a "
                    "passphrase."
                )
            ) from error
        if found is None:
            raise StudyError(
                message(
                    "The system's key store holds no key for the identity file of this study; open it on the "
                    "computer and as the user that made it."
                )
            )
        return base64.b64decode(found)

    def _name(self, header: IdentityHeader) -> str:
        return f"{self._study_id} {header.key_id}" if header.key_id else self._study_id

    def forget(self, header: IdentityHeader) -> None:
        """Delete the key of this file, after which it can never be read again."""
        import keyring
        from keyring.errors import KeyringError, PasswordDeleteError

        try:
            keyring.delete_password(_SERVICE, self._name(header))
        except PasswordDeleteError:
            return
        except KeyringError as error:
            raise StudyError(
                message("The key could not be deleted from the system's key store; unlock it.")
            ) from error


class IdentityFile:
    """The links, read into memory; ``save`` writes them back whole."""

    def __init__(self, path: Path, header: IdentityHeader, key: bytes, links: _Links) -> None:
        self._path = path
        self._header = header
        self._key = key
        self._by_identifier = {(p.source, p.identifier): p for p in links.patients}
        self._by_pseudonym = {p.pseudonym: p for p in links.patients}
        self._by_image = {i.image_id: i for i in links.images}
        self._by_uid = {i.sop_uid: i for i in links.images}

    @classmethod
    def create(cls, folder: Path, source: KeySource) -> IdentityFile:
        """A new file in the study's folder; StudyError where there is one."""
        path = folder / IDENTITY
        if path.exists():
            raise StudyError(message("{path} exists already; open it, or delete it first.", path=path))
        header = IdentityHeader(key=source.kind, salt=secrets.token_bytes(16), key_id=secrets.token_hex(16))
        made = cls(path, header, source.key(header, new=True), _Links())
        made.save()
        return made

    @classmethod
    def open(cls, folder: Path, source: KeySource) -> IdentityFile:
        """StudyError for a wrong passphrase, BadFileError for a file that is none."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        path = folder / IDENTITY
        first, sealed = _read(path)
        header = _header(path, first)
        if header.key != source.kind:
            raise StudyError(
                message(
                    "{path} opens with the {key}, not with the {other_key}.",
                    path=path,
                    key=header.key,
                    other_key=source.kind,
                )
            )
        key = source.key(header, new=False)
        try:
            plain = AESGCM(key).decrypt(sealed[:_NONCE], sealed[_NONCE:], first)
            links = msgspec.msgpack.decode(plain, type=_Links)
        except (InvalidTag, ValueError) as error:
            what = message("passphrase") if header.key == "passphrase" else message("key")
            raise StudyError(
                message(
                    "{path} does not open with this {what}: it is the wrong one, or the file was changed.",
                    path=path,
                    what=what,
                )
            ) from error
        return cls(path, header, key, links)

    def add_patient(self, link: PatientLink) -> None:
        """Remember a patient; StudyError where the pseudonym or the identifier is linked otherwise."""
        known = self._by_pseudonym.get(link.pseudonym)
        if known == link:
            return
        if known is not None or (link.source, link.identifier) in self._by_identifier:
            raise StudyError(
                message(
                    "Pseudonym {pseudonym} or its identifier is linked to another patient already.",
                    pseudonym=link.pseudonym,
                )
            )
        self._by_pseudonym[link.pseudonym] = link
        self._by_identifier[link.source, link.identifier] = link

    def add_image(self, link: ImageLink) -> None:
        """Remember the original UIDs of an image."""
        if self._by_image.get(link.image_id, link).uids != link.uids:
            raise StudyError(message("Image {image} is linked to other UIDs already.", image=link.image_id))
        self._by_image[link.image_id] = link
        self._by_uid[link.sop_uid] = link

    def pseudonym_of(self, source: str, identifier: str) -> str | None:
        link = self._by_identifier.get((source, identifier))
        return None if link is None else link.pseudonym

    def patient_of(self, pseudonym: str) -> PatientLink | None:
        return self._by_pseudonym.get(pseudonym)

    def image_of(self, sop_uid: str) -> ImageLink | None:
        """By SOP Instance UID."""
        return self._by_uid.get(sop_uid)

    def uids_of(self, image_id: str) -> ImageLink | None:
        return self._by_image.get(image_id)

    def remove_patient(self, pseudonym: str, image_ids: tuple[str, ...] = ()) -> None:
        """Forget a patient and these images."""
        patient = self._by_pseudonym.pop(pseudonym, None)
        if patient is not None:
            del self._by_identifier[patient.source, patient.identifier]
        for image_id in image_ids:
            image = self._by_image.pop(image_id, None)
            if image is not None:
                self._by_uid.pop(image.sop_uid, None)

    def save(self) -> None:
        """Write everything, encrypted anew, in one step."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        first = msgspec.json.encode(self._header) + b"\n"
        nonce = secrets.token_bytes(_NONCE)
        links = _Links(patients=list(self._by_pseudonym.values()), images=list(self._by_image.values()))
        sealed = AESGCM(self._key).encrypt(nonce, msgspec.msgpack.encode(links), first)
        atomic_write(self._path, first + nonce + sealed)


def has_identity(folder: Path) -> bool:
    return is_regular(folder / IDENTITY)


def identity_key_kind(folder: Path) -> Literal["passphrase", "key store"]:
    """Return the kind of the file's key, so that the program requests the right one."""
    return header_of(folder).key


def header_of(folder: Path) -> IdentityHeader:
    """The header of the study's identity file, which is not encrypted."""
    path = folder / IDENTITY
    return _header(path, _read(path)[0])


def delete_identity(folder: Path) -> None:
    """Delete the link for good; the study works on without it."""
    (folder / IDENTITY).unlink(missing_ok=True)


def _read(path: Path) -> tuple[bytes, bytes]:
    try:
        with open_regular(path) as file:
            content = file.read()
    except FileNotFoundError as error:
        raise StudyError(
            message(
                "{folder} keeps no link to identifiers: there is no {file}.", folder=path.parent, file=IDENTITY
            )
        ) from error
    first, newline, sealed = content.partition(b"\n")
    return first + newline, sealed


def _header(path: Path, first: bytes) -> IdentityHeader:
    try:
        header = msgspec.json.decode(first, type=IdentityHeader)
    except msgspec.DecodeError as error:
        raise BadFileError(
            message("{path} is damaged or not an identity file; restore it from a copy.", path=path)
        ) from error
    if header.version != 1:
        raise BadFileError(
            message("{path} was written by a newer version of Marginalia; open it with that one.", path=path)
        )
    return header
