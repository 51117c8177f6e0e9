"""Retrieval of an examination into the inbox: requests missing objects and checks received ones."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from pathlib import Path

from core.domain.errors import Cancelled, PacsError
from core.domain.events import Emit, IsCancelled, Progress, never, silent
from core.domain.messages import Sentence, joined, message
from core.imaging.decoded import Refusal, RefusedImageError
from core.imaging.worker import Outcome, read_many
from core.pacs.connection import Pacs
from core.pacs.inbox import Inbox, Transfer, expected_journal
from core.pacs.object_check import ObjectCheck
from core.pacs.profile import Profile
from core.pacs.query import FoundImage, Query, matching

DecodeAll = Callable[[Iterable[Path]], Generator[tuple[Path, Outcome], None, None]]

_NOT_WHOLE = {
    Refusal.NOT_AN_IMAGE,
    Refusal.CUT_SHORT,
    Refusal.DAMAGED,
    Refusal.CRASHED,
    Refusal.TIMED_OUT,
    Refusal.UNREADABLE,
}
"""Refusals after which an object is fetched again; the import reports the others."""


def images_to_get(pacs: Pacs, study_uid: str, query: Query) -> tuple[FoundImage, ...]:
    """The objects of an examination with the query's modality, side and view; PacsError where there are none."""
    images = matching(pacs.images(study_uid, query.modality), query)
    if not images:
        raise PacsError(
            message(
                "The examination has no object of modality {modality} with the side and view that were asked for.",
                modality=query.modality,
            )
            if query.modality
            else message("The examination has no object with the side and view that were asked for.")
        )
    return images


def begin(inbox: Inbox, profile: Profile, images: tuple[FoundImage, ...], modality: str) -> Transfer:
    """A transfer for images of one examination; what an earlier attempt brought is kept."""
    return inbox.begin(
        expected_journal(
            images,
            profile=profile.name,
            source=profile.institution,
            study_uid=images[0].study_uid,
            modality=modality,
        )
    )


def fetch_missing(pacs: Pacs, transfer: Transfer, *, emit: Emit = silent, cancelled: IsCancelled = never) -> None:
    """Fetch the missing objects of a transfer.

    If this ends early (PacsError, Cancelled), the journal records the reason. Objects received whole are kept, and
    the next call continues from there.
    """
    total = len(transfer.journal.expected)
    with transfer.held():
        transfer.mark()
        missing = transfer.missing
        done = total - len(missing)
        emit(Progress(stage="retrieve", done=done, total=total))
        try:
            with ObjectCheck(transfer.journal.profile) as objects:
                for image in pacs.fetch(missing, transfer.path_of, cancelled=cancelled):
                    objects.check(image, transfer.path_of(image.sop_uid))
                    done += 1
                    emit(Progress(stage="retrieve", done=done, total=total))
        except BaseException as error:
            transfer.mark(stopped=_why(error))
            if isinstance(error, PacsError):
                raise PacsError(joined([error, _half_sentence(transfer)])) from error
            raise


def check_whole(
    transfer: Transfer, *, decode: DecodeAll | None = None, emit: Emit = silent, cancelled: IsCancelled = never
) -> None:
    """Decode everything once, in the child process, before any of it is imported.

    An object that is cut short or damaged is deleted and so counts as missing again; then PacsError.
    """
    broken: list[RefusedImageError] = []
    files = transfer.files
    outcomes = decode(files) if decode is not None else read_many(files, workers=1 if len(files) < 8 else 2)
    with closing(outcomes) as decoded:
        for done, (path, outcome) in enumerate(decoded, start=1):
            if cancelled():
                raise Cancelled
            if isinstance(outcome, RefusedImageError) and outcome.reason in _NOT_WHOLE:
                path.unlink(missing_ok=True)
                broken.append(outcome)
            emit(Progress(stage="check", done=done, total=len(files)))
    if broken:
        sentence = message(
            "{count} of {total} objects arrived damaged or cut short ({reason}) and were deleted.",
            count=len(broken),
            total=len(files),
            reason=broken[0].reason.value,
        )
        transfer.mark(stopped=str(sentence), whole=False)
        raise PacsError(joined([sentence, _half_sentence(transfer)]))


def _half_sentence(transfer: Transfer) -> Sentence:
    there, total = len(transfer.files), len(transfer.journal.expected)
    if not total:
        return message("The examination is incomplete; nothing of it was imported, and it can be resumed.")
    return message(
        "The examination is incomplete ({count} of {total} objects); nothing of it was imported, and it can be "
        "resumed.",
        count=there,
        total=total,
    )


def _why(error: BaseException) -> str:
    if isinstance(error, Cancelled | KeyboardInterrupt):
        return "Cancelled."
    return str(error) if isinstance(error, PacsError) else f"Stopped ({type(error).__name__})."
