"""From a patient's identifier to the study's pseudonym, so that a second import finds the same patient.

A pseudonym is ``P`` and eight random characters: nothing can be computed from it. What a second import needs is a
link, kept in one of two ways or in neither:

- the encrypted identity file (``core.store.identity``), from which identifiers can be read back with the key;
- the link hash in the database: HMAC-SHA-256 of data set and identifier under a random salt of this study. It
  finds a patient again and cannot be turned back by computation alone, but who has the whole study has the salt
  too and can try all identifiers of a short format quickly. Treat a study with link hashes as
  pseudonymous, not as anonymous, and call ``decline`` before a study leaves the house.

Without either, an identifier keeps its pseudonym within one ``PseudonymSession``, that is, one import.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Protocol

import msgspec
from sqlalchemy import select, update

from core.domain.study import Patient
from core.store import schema
from core.store.database import Database
from core.store.patients import PatientRepository

# no letters or digits that are taken for each other
_ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
_LENGTH = 8


class LinkRepository:
    """The salt of this study and the hashes made with it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def hash(self, source: str, identifier: str) -> str | None:
        """64 hex digits, the same for the same data set and identifier; None where links were declined."""
        salt = self._salt()
        if salt is None:
            return None
        message = f"{len(source.encode())}:{source}{identifier}".encode()
        return hmac.new(salt, message, hashlib.sha256).hexdigest()

    def secret(self, purpose: str) -> bytes | None:
        """32 bytes of this study for one purpose, from which the salt cannot be told; None where links were
        declined."""
        salt = self._salt()
        return None if salt is None else hmac.new(salt, f"secret for {purpose}".encode(), hashlib.sha256).digest()

    @property
    def kept(self) -> bool:
        return self._salt() is not None

    def start(self) -> None:
        """Keep links from now on; nothing happens where they are kept already."""
        with self._database.write() as transaction:
            if self._salt() is None:
                transaction.connection.execute(update(schema.info).values(link_salt=secrets.token_bytes(32)))
                transaction.record("links.start", "study")

    def decline(self) -> None:
        """Delete the salt and every link hash; later imports cannot find earlier patients by them."""
        with self._database.write() as transaction:
            transaction.connection.execute(update(schema.patient).values(link_hash=None))
            transaction.connection.execute(update(schema.info).values(link_salt=None))
            transaction.record("links.decline", "study")

    def _salt(self) -> bytes | None:
        with self._database.read() as connection:
            return connection.execute(select(schema.info.c.link_salt)).scalar_one_or_none()


class KnownIdentifiers(Protocol):
    """What the identity file answers."""

    def pseudonym_of(self, source: str, identifier: str) -> str | None: ...


class Assigned(msgspec.Struct, frozen=True, kw_only=True):
    """What the study calls a patient."""

    pseudonym: str
    link_hash: str | None
    patient: Patient | None
    """Where the study has the patient already."""


class PseudonymSession:
    """Gives pseudonyms during one import: to one identifier of one data set always the same."""

    def __init__(
        self, patients: PatientRepository, links: LinkRepository, identity: KnownIdentifiers | None = None
    ) -> None:
        self._patients = patients
        self._links = links
        self._identity = identity
        self._given: dict[tuple[str, str], str] = {}
        self._used = {patient.pseudonym for patient in patients.all()}

    def assign(self, source: str, identifier: str) -> Assigned:
        """The pseudonym of a patient: known to this import, to the identity file, by link hash, or new."""
        link_hash = self._links.hash(source, identifier)
        pseudonym = self._given.get((source, identifier))
        if pseudonym is None and self._identity is not None:
            pseudonym = self._identity.pseudonym_of(source, identifier)
        if pseudonym is not None:
            patient = self._patients.find_by_pseudonym(pseudonym)
        else:
            patient = None if link_hash is None else self._patients.find_by_link_hash(link_hash)
            pseudonym = self._new() if patient is None else patient.pseudonym
        self._given[source, identifier] = pseudonym
        self._used.add(pseudonym)
        return Assigned(pseudonym=pseudonym, link_hash=link_hash, patient=patient)

    def _new(self) -> str:
        while True:
            pseudonym = "P" + "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
            if pseudonym not in self._used:
                return pseudonym
