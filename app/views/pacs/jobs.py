"""The long work of the PACS screen, each as a job that a ``Task`` runs; nothing here knows the screen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.qt.task import Job
from core.domain.errors import StudyError
from core.domain.events import Emit, IsCancelled
from core.domain.messages import Sentence, message
from core.pacs.credentials import secret_of
from core.pacs.inbox import Inbox, Transfer
from core.pacs.profile import Profile
from core.pacs.query import Found, FoundStudy, Query
from core.store.study import Study

if TYPE_CHECKING:
    from core.store.identity import IdentityFile


class SecretNeededError(Exception):
    """The profile's password or token is in no key store; the screen asks and starts the job again."""

    def __init__(self, sentence: Sentence) -> None:
        super().__init__(sentence)
        self.sentence = sentence


@dataclass(frozen=True, kw_only=True)
class PacsLogin:
    """PacsLogin of a job to a PACS."""

    profile: Profile
    typed: str = ""
    """Password that the user typed for it since the screen was opened."""

    @property
    def secret(self) -> str:
        def ask(what: Sentence) -> str:
            if not self.typed:
                raise SecretNeededError(what)
            return self.typed

        return secret_of(self.profile, ask)


@dataclass(frozen=True, kw_only=True)
class KeepLink:
    """That the link to the patients is kept, and how: with a passphrase, else in the system's key store."""

    passphrase: str = ""

    def __repr__(self) -> str:
        return "KeepLink(hidden)"


@dataclass(frozen=True, kw_only=True)
class ImportedExamination:
    """Examination that was imported into the study."""

    examinations: int
    images: int
    left_out: tuple[str, ...] = ()
    """Why objects were not imported, a sentence each."""


def test_job(login: PacsLogin) -> Job:
    def job(emit: Emit, cancelled: IsCancelled) -> bool:
        del emit, cancelled
        from core.pacs.client import connect

        with connect(login.profile, login.secret) as pacs:
            pacs.test()
        return True

    return job


def search_job(login: PacsLogin, query: Query) -> Job:
    def job(emit: Emit, cancelled: IsCancelled) -> Found:
        del emit
        from core.pacs.client import connect
        from core.tasks.studies.pacs_transfers import search

        with connect(login.profile, login.secret) as pacs:
            return search(pacs, query, cancelled=cancelled)

    return job


def retrieve_job(
    login: PacsLogin,
    inbox: Inbox,
    wanted: Sequence[FoundStudy],
    query: Query,
    study: Study,
    *,
    keep_link: KeepLink | None,
) -> Job:
    """Brings examinations one after the other into the study; those before one that fails are kept."""

    def job(emit: Emit, cancelled: IsCancelled) -> ImportedExamination:
        from core.pacs.client import connect
        from core.tasks.studies.pacs_transfers import retrieve

        with connect(login.profile, login.secret) as pacs:
            return _imported(
                study,
                [
                    lambda uid=one.study_uid: retrieve(  # type: ignore[misc]
                        pacs, login.profile, inbox, uid, query, emit=emit, cancelled=cancelled
                    )
                    for one in wanted
                ],
                emit,
                cancelled,
                keep_link=keep_link,
            )

    return job


def resume_job(login: PacsLogin | None, transfer: Transfer, study: Study, *, keep_link: KeepLink | None) -> Job:
    """Gets the rest of a transfer and imports it; without a login what is there is imported as it is."""

    def job(emit: Emit, cancelled: IsCancelled) -> ImportedExamination:
        from core.pacs.client import connect
        from core.tasks.studies.pacs_transfers import resume

        if login is None:
            return _imported(study, [lambda: transfer], emit, cancelled, keep_link=keep_link, incomplete=True)
        with connect(login.profile, login.secret) as pacs:
            fetch = [lambda: resume(pacs, transfer, emit=emit, cancelled=cancelled)]
            return _imported(study, fetch, emit, cancelled, keep_link=keep_link)

    return job


def _imported(
    study: Study,
    transfers: Sequence[Callable[[], Transfer]],
    emit: Emit,
    cancelled: IsCancelled,
    *,
    keep_link: KeepLink | None,
    incomplete: bool = False,
) -> ImportedExamination:
    from core.data.importers.plan import Severity
    from core.tasks.studies.pacs_transfers import import_transfer

    identity = None if keep_link is None else _identity(study, keep_link)
    images, left_out = 0, []
    for fetch in transfers:
        done = import_transfer(
            study, fetch(), identity=identity, incomplete=incomplete, emit=emit, cancelled=cancelled
        )
        images += done.report.images
        left_out += [one.sentence for one in done.report.issues if one.severity is not Severity.NOTE]
    return ImportedExamination(examinations=len(transfers), images=images, left_out=tuple(left_out))


def _identity(study: Study, keep: KeepLink) -> IdentityFile:
    """Return the study's identity file, created if there is none; an existing one defines how it is opened."""
    from core.store.identity import IdentityFile, KeyStore, Passphrase, has_identity, identity_key_kind

    there = has_identity(study.folder)
    kind = identity_key_kind(study.folder) if there else "passphrase" if keep.passphrase else "key store"
    if kind == "passphrase" and not keep.passphrase:
        raise StudyError(message("Type the passphrase of the identity file."))
    source = Passphrase(lambda: keep.passphrase) if kind == "passphrase" else KeyStore(study.info.id)
    return (IdentityFile.open if there else IdentityFile.create)(study.folder, source)
