"""Use cases of a PACS: search, bring examinations into a study, take what is pushed, send.

What comes goes through the inbox and then through the same import as every other file: decoded in the child
process, listed tags only, pseudonyms. Only a whole examination is imported, unless the user takes what there is.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from core.data.importers.importing import run_import
from core.data.importers.outcomes import ImportReport
from core.data.importers.plan import ImportPlan, PlannedImage
from core.domain.errors import Cancelled, PacsError
from core.domain.events import Emit, IsCancelled, Message, never, silent
from core.domain.messages import message
from core.pacs.connection import Pacs
from core.pacs.inbox import Inbox, Transfer
from core.pacs.profile import DimseProfile, Profile
from core.pacs.query import Found, Query, checked, matching, refuse_without_criteria
from core.pacs.retrieve import begin, check_whole, fetch_missing, images_to_get
from core.store.study import Study

if TYPE_CHECKING:
    from core.store.identity import IdentityFile

_LOOK_AGAIN_S = 0.1


class RetrievedExamination(msgspec.Struct, frozen=True, kw_only=True):
    """One examination that went into the study."""

    transfer: str
    objects: int
    report: ImportReport


def search(pacs: Pacs, query: Query, *, cancelled: IsCancelled = never) -> Found:
    """Return the examinations that match, the newest first.

    Side and view are properties of images: a query for them also requests the images of each examination.
    """
    refuse_without_criteria(checked(query))
    found = pacs.studies(query)
    newest = sorted(found.studies, key=lambda study: (study.date, study.study_uid), reverse=True)
    found = msgspec.structs.replace(found, studies=tuple(newest))
    if not query.asks_of_images:
        return found
    kept = []
    for study in found.studies:
        if cancelled():
            raise Cancelled
        images = matching(pacs.images(study.study_uid, query.modality), query)
        if images:
            kept.append(msgspec.structs.replace(study, matching=images))
    return msgspec.structs.replace(found, studies=tuple(kept))


def retrieve(
    pacs: Pacs,
    profile: Profile,
    inbox: Inbox,
    study_uid: str,
    query: Query,
    *,
    emit: Emit = silent,
    cancelled: IsCancelled = never,
) -> Transfer:
    """Bring the matching objects of an examination into the inbox, whole and checked.

    Where it ends early the transfer stays in the inbox, marked as half; calling this or ``resume`` again goes on.
    """
    transfer = begin(inbox, profile, images_to_get(pacs, study_uid, query), query.modality)
    return resume(pacs, transfer, emit=emit, cancelled=cancelled)


def resume(pacs: Pacs, transfer: Transfer, *, emit: Emit = silent, cancelled: IsCancelled = never) -> Transfer:
    """Get what is missing of a transfer and check it."""
    fetch_missing(pacs, transfer, emit=emit, cancelled=cancelled)
    if transfer.journal.modality not in ("SEG", "SR", "PR"):
        check_whole(transfer, emit=emit, cancelled=cancelled)
    return transfer


def import_transfer(
    study: Study,
    transfer: Transfer,
    *,
    identity: IdentityFile | None = None,
    incomplete: bool = False,
    emit: Emit = silent,
    cancelled: IsCancelled = never,
) -> RetrievedExamination:
    """Import an examination from the inbox and remove it from there.

    If this is cancelled, the examination stays in the inbox. Raises: PacsError if the examination is incomplete,
    unless ``incomplete`` allows an import of the available part.
    """
    files = transfer.files
    if not files:
        raise PacsError(message("Nothing of this examination has arrived; get it again."))
    if not (transfer.complete or incomplete):
        raise PacsError(
            message(
                "The examination {transfer} is incomplete ({why}) "
                "and was not imported; resume it, or import the images that arrived.",
                transfer=transfer.id[:8],
                why=transfer.journal.stopped or "still coming",
            )
        )
    plan = ImportPlan(
        source=transfer.journal.source, images=tuple(PlannedImage(path=path, patient="") for path in files)
    )
    with transfer.held():
        report = run_import(study, plan, identity=identity, emit=emit, cancelled=cancelled)
    transfer.discard()
    return RetrievedExamination(transfer=transfer.id, objects=len(files), report=report)


def deliver(transfer: Transfer, folder: Path) -> tuple[Path, ...]:
    """Move the objects of a transfer into a folder, for results that are to be read back; their paths."""
    from core.platform.atomic import copy_file, make_folder

    make_folder(folder)
    written = []
    for path in transfer.files:
        copy_file(path, folder / path.name)
        written.append(folder / path.name)
    transfer.discard()
    return tuple(written)


def receive(
    profile: Profile,
    inbox: Inbox,
    *,
    ready: Callable[[str], None] = lambda address: None,
    arrived: Callable[[Transfer], None] = lambda transfer: None,
    emit: Emit = silent,
    cancelled: IsCancelled = never,
) -> tuple[Transfer, ...]:
    """Take what the profile's PACS pushes until ``cancelled``; the transfers, each of one association.

    ``arrived`` is called in this thread for each association that ended. One that broke is marked as half.
    """
    if not isinstance(profile, DimseProfile):
        raise PacsError(
            message(
                "{profile} is reached by DICOMweb, which pushes nothing; use a DIMSE profile.",
                profile=profile.name,
            )
        )
    from core.pacs.listener import Listener

    pushes = _Pushes(profile, inbox)
    with Listener(profile, inbox.folder, pushes.take, pushes.ended) as listener:
        emit(Message(level="info", text=message("Receiving as {address}.", address=listener.address)))
        ready(str(listener.address))
        waiting = threading.Event()
        done: list[Transfer] = []
        while not cancelled():
            for transfer in pushes.finished():
                done.append(transfer)
                arrived(transfer)
            if listener.problem is not None:
                raise listener.problem
            waiting.wait(_LOOK_AGAIN_S)
    # those that ended while the receiver closed
    for transfer in pushes.finished():
        done.append(transfer)
        arrived(transfer)
    return tuple(done)


class _Pushes:
    """The files received through associations; called from the receiver's threads."""

    def __init__(self, profile: DimseProfile, inbox: Inbox) -> None:
        self._profile, self._inbox = profile, inbox
        self._lock = threading.Lock()
        self._open: dict[int, Transfer] = {}
        self._finished: list[tuple[Transfer, bool]] = []
        self._count = 0

    def take(self, association: int, uid: str, file: Path) -> bool:
        from core.platform.atomic import copy_file

        with self._lock:
            if association not in self._open:
                self._count += 1
                self._open[association] = self._inbox.begin_push(
                    self._profile.name, self._profile.institution, self._count
                )
            transfer = self._open[association]
        copy_file(file, transfer.path_of(uid))
        return True

    def ended(self, association: int, whole: bool) -> None:
        with self._lock:
            transfer = self._open.pop(association, None)
        if transfer is None:
            return
        with self._lock:
            self._finished.append((transfer, whole))

    def finished(self) -> Iterator[Transfer]:
        """Those that ended since the last call, checked and marked."""
        with self._lock:
            found, self._finished = self._finished, []
        for transfer, whole in found:
            transfer.mark(stopped="" if whole else "The PACS broke off.", whole=whole)
            if whole:
                with suppress(PacsError):  # said by the mark
                    check_whole(transfer)
            yield transfer
