"""From a patient's identifier to the study's pseudonym.

A pseudonym is ``P`` and eight random characters: nothing can be computed from it. Only the encrypted identity
file (``core.store.identity``), where the user keeps one, holds the link; with it a later import finds the same
patient. Without it the link is gone after the import: an identifier keeps its pseudonym within one
``PseudonymSession``, that is, one import. A later import recognises a patient by pixels that the study has
already, and by nothing else.

Earlier versions kept a hash of each identifier under a salt that stood beside it, so that whoever had the study
could try all identifiers of a short format. ``LinkRepository.drop_hashes`` deletes those.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Protocol

import msgspec
from sqlalchemy import func, select, update

from core.domain.messages import Sentence, message
from core.domain.study import Patient
from core.store import schema
from core.store.database import Database
from core.store.patients import PatientRepository

# no letters or digits that are taken for each other
_ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
_LENGTH = 8


class LinkRepository:
    """The secret of this study that UIDs of exports are made with, and the hashes of earlier versions."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def drop_hashes(self) -> int:
        """Delete the hashes of identifiers that earlier versions kept; how many there were."""
        hashed = schema.patient.c.link_hash.is_not(None)
        with self._database.read() as connection:
            number = connection.execute(
                select(func.count()).select_from(schema.patient).where(hashed)
            ).scalar_one()
        if number:
            with self._database.write() as transaction:
                transaction.hold("links")
                transaction.connection.execute(update(schema.patient).values(link_hash=None))
                transaction.record("links.drop", "study", new={"hashes": int(number)})
        return int(number)

    def secret(self, purpose: str) -> bytes | None:
        """32 bytes of this study for one purpose; None where there is none."""
        salt = self._salt()
        return None if salt is None else hmac.new(salt, f"secret for {purpose}".encode(), hashlib.sha256).digest()

    @property
    def kept(self) -> bool:
        return self._salt() is not None

    def start(self) -> None:
        """Make the secret; nothing happens where there is one."""
        with self._database.write() as transaction:
            transaction.hold("links")
            if self._salt() is None:
                secret = secrets.token_bytes(32)
                transaction.connection.execute(update(schema.info).values(link_salt=secret))
                transaction.record(
                    "links.start", "study", new={"secret_sha256": hashlib.sha256(secret).hexdigest()}
                )

    def decline(self) -> None:
        """Delete the secret: exports have no stable UIDs from then on."""
        with self._database.write() as transaction:
            transaction.connection.execute(update(schema.patient).values(link_hash=None))
            transaction.connection.execute(update(schema.info).values(link_salt=None))
            transaction.record("links.decline", "study", new={"secret_sha256": None})

    def _salt(self) -> bytes | None:
        with self._database.read() as connection:
            return connection.execute(select(schema.info.c.link_salt)).scalar_one_or_none()


class KnownIdentifiers(Protocol):
    """Protocol for looking up identifiers in the identity file."""

    def pseudonym_of(self, source: str, identifier: str) -> str | None: ...


class AssignedPseudonym(msgspec.Struct, frozen=True, kw_only=True):
    """A patient's name in the study."""

    pseudonym: str
    patient: Patient | None
    """None for a patient whom the study does not have yet."""


class PseudonymSession:
    """Gives pseudonyms during one import: to one identifier of one data set always the same."""

    def __init__(self, patients: PatientRepository, identity: KnownIdentifiers | None = None) -> None:
        self._patients = patients
        self._identity = identity
        self._given: dict[tuple[str, str], str] = {}
        known = patients.all()
        self._used = {patient.pseudonym for patient in known}
        self._earlier = {patient.source for patient in known}
        self._new: set[tuple[str, str]] = set()
        self._doubled: set[tuple[str, str]] = set()

    def assign(self, source: str, identifier: str) -> AssignedPseudonym:
        """The pseudonym of a patient: known to this import, to the identity file, or new."""
        key = (source, identifier)
        pseudonym = self._given.get(key)
        if pseudonym is None and self._identity is not None:
            pseudonym = self._identity.pseudonym_of(source, identifier)
        patient = None if pseudonym is None else self._patients.find_by_pseudonym(pseudonym)
        if pseudonym is None:
            pseudonym = self._draw()
            if source in self._earlier:
                self._new.add(key)
        self._given[key] = pseudonym
        self._used.add(pseudonym)
        return AssignedPseudonym(pseudonym=pseudonym, patient=patient)

    def recognise(self, source: str, identifier: str, patient_id: str | None) -> None:
        """Tell of an image of this patient that the study has already, as one of the patient ``patient_id``."""
        patient = None if patient_id is None else self._patients.get(patient_id)
        if patient is None or patient.source != source:
            return
        if self._given.setdefault((source, identifier), patient.pseudonym) != patient.pseudonym:
            self._doubled.add((source, identifier))

    @property
    def sentences(self) -> list[Sentence]:
        """Return the notes for the user about patients who may now be in the study twice."""
        found = []
        if self._new and self._identity is None:
            found.append(
                message(
                    "{count} patients were entered as new ones: the study keeps no link to identifiers, so "
                    "patients of an earlier import are not recognised. If they were imported before, put both "
                    "entries into one part of a split; keep an identity file from the first import on to avoid "
                    "this.",
                    count=len(self._new),
                )
            )
        if self._doubled:
            found.append(
                message(
                    "{count} of them are in the study twice: images that it had already are filed under another "
                    "pseudonym.",
                    count=len(self._doubled),
                )
            )
        return found

    def _draw(self) -> str:
        while True:
            pseudonym = "P" + "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
            if pseudonym not in self._used:
                return pseudonym
