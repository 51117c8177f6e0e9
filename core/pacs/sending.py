"""Sending of files: only to a confirmed destination, and only files with a stated permission.

``SendingOrigin`` is the caller's claim; each file is checked against the claim before the first is sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

import msgspec
from pydicom import dcmread
from pydicom.dataset import Dataset

from core.domain.errors import BadFileError, Cancelled, PacsError
from core.domain.events import Emit, IsCancelled, Progress, never, silent
from core.domain.messages import message
from core.imaging.decoded import FOREIGN_ERRORS, MAX_FILE_BYTES, clean_text
from core.imaging.formats.dicom_header import PARSER_ERRORS
from core.imaging.write_dicom import SYNTHETIC
from core.pacs.connection import Pacs
from core.pacs.profile import Profile, refuse_unconfirmed
from core.pacs.query import Query, checked, is_uid

_BASIC_PROFILE = "113100"
"""DCM code of the Basic Application Confidentiality Profile in (0012,0064)."""
_RESULT_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.66.4",  # Segmentation
    "1.2.840.10008.5.1.4.1.1.11.1",  # Grayscale Softcopy Presentation State
    "1.2.840.10008.5.1.4.1.1.88.22",  # Enhanced SR
    "1.2.840.10008.5.1.4.1.1.88.33",  # Comprehensive SR
    "1.2.840.10008.5.1.4.1.1.88.34",  # Comprehensive 3D SR
}
_TAGS = [
    *("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "PatientID", "ImageType", "ContentQualification"),
    *("PatientIdentityRemoved", "DeidentificationMethodCodeSequence", "SpecificCharacterSet"),
]


class SendingOrigin(StrEnum):
    """Why a file may be sent."""

    DEIDENTIFIED = "de-identified"
    """Patient Identity Removed (0012,0062) is YES, by the Basic Profile (0012,0064)."""
    SYNTHETIC = "synthetic"
    """A phantom: Image Type (0008,0008), value 4."""
    RESULT = "result"
    """SEG, SR or GSPS for the PACS that the patient came from: it has that examination of that patient."""


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    destination: str
    origin: SendingOrigin
    sop_uids: tuple[str, ...]


def send(
    pacs: Pacs,
    profile: Profile,
    paths: Sequence[Path],
    origin: SendingOrigin,
    *,
    emit: Emit = silent,
    cancelled: IsCancelled = never,
) -> Sent:
    """Send files as they are to the profile's PACS.

    PacsError, before anything is sent, for a destination that is not confirmed and for a file that is not of this
    origin. Where the connection breaks, what was accepted stays there, and sending the same again changes nothing.
    """
    refuse_unconfirmed(profile)
    headers = [_header(path) for path in paths]
    for path, header in zip(paths, headers, strict=True):
        _refuse_other(path, header, origin)
    if origin is SendingOrigin.RESULT:
        _refuse_strangers(pacs, profile, headers)
    emit(Progress(stage="send", done=0, total=len(paths)))
    done = 0
    try:
        for done, _ in enumerate(pacs.store(paths), start=1):
            emit(Progress(stage="send", done=done, total=len(paths)))
            if cancelled() and done < len(paths):
                raise Cancelled
    except PacsError as error:
        if not done:
            raise
        raise PacsError(
            message(
                "{profile} took {done} of {count} objects, then the transfer broke. Send all of them "
                "again: nothing is stored twice. The cause: {error}",
                profile=profile.name,
                done=done,
                count=len(paths),
                error=error,
            )
        ) from error
    uids = tuple(str(header.SOPInstanceUID) for header in headers)
    return Sent(destination=profile.name, origin=origin, sop_uids=uids)


def _header(path: Path) -> Dataset:
    """BadFileError for what is no DICOM file with the identifiers that sending needs."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise BadFileError(
                message(
                    "{file} has more than {limit:,} bytes and is not sent.", file=path.name, limit=MAX_FILE_BYTES
                )
            )
        header = dcmread(path, stop_before_pixels=True, specific_tags=list(_TAGS))
        uids = [str(header.get(key, "")) for key in ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID")]
        syntax = str(header.file_meta.get("TransferSyntaxUID", ""))
    except (OSError, *PARSER_ERRORS) as error:
        raise BadFileError(message("{file} is not a DICOM file that can be sent.", file=path.name)) from error
    if not all(map(is_uid, [*uids, syntax])):
        raise BadFileError(
            message(
                "{file} lacks the identifiers that sending needs (class, instance, study, syntax).", file=path.name
            )
        )
    return header


def _refuse_other(path: Path, header: Dataset, origin: SendingOrigin) -> None:
    if origin is SendingOrigin.RESULT:
        if str(header.SOPClassUID) not in _RESULT_CLASSES:
            raise PacsError(
                message(
                    "{file} is not a result (SEG, SR or presentation state) and is not sent as one.",
                    file=path.name,
                )
            )
    elif origin is SendingOrigin.SYNTHETIC:
        if not _is_synthetic(header):
            raise PacsError(
                message("{file} is not marked as synthetic; de-identify it before it is sent.", file=path.name)
            )
    elif not _is_deidentified(header):
        raise PacsError(
            message(
                "{file} is not de-identified by the Basic Profile; export it de-identified before it is sent.",
                file=path.name,
            )
        )


def _is_synthetic(header: Dataset) -> bool:
    kind = header.get("ImageType")
    return kind is not None and not isinstance(kind, str) and len(kind) > 3 and kind[3] == SYNTHETIC


def _is_deidentified(header: Dataset) -> bool:
    try:
        removed = str(header.get("PatientIdentityRemoved", "")).strip() == "YES"
        codes = {str(item.get("CodeValue", "")) for item in header.get("DeidentificationMethodCodeSequence", [])}
    except FOREIGN_ERRORS:
        return False
    return removed and _BASIC_PROFILE in codes


def _refuse_strangers(pacs: Pacs, profile: Profile, headers: Sequence[Dataset]) -> None:
    """The destination must have each examination already, and of the same patient."""
    for study, patient in dict.fromkeys(
        (str(header.StudyInstanceUID), str(header.get("PatientID", ""))) for header in headers
    ):
        known = pacs.studies(checked(Query(patient_id=patient, modality=""))).studies if patient else ()
        # the answer is compared again: an identifier with a wildcard would match everybody
        if (study, clean_text(patient)) not in {(found.study_uid, found.patient_id) for found in known}:
            raise PacsError(
                message(
                    "{profile} does not have the examination of a result for this patient; results go only to "
                    "the PACS that the patient came from.",
                    profile=profile.name,
                )
            )
