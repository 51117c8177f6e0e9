"""DIMSE: C-ECHO, C-FIND, C-MOVE and C-STORE (PS3.4, PS3.7), Study Root information model.

With C-MOVE the PACS sends to our own receiver, one request per object. So progress is known, a cancellation is
prompt, and after an interruption only missing objects are requested. There is no C-GET.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pydicom
from pydicom.dataset import Dataset
from pynetdicom import AE, build_context
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext

from core.domain.errors import Cancelled, PacsError
from core.domain.events import IsCancelled, never
from core.domain.messages import message, template
from core.imaging.decoded import FOREIGN_ERRORS
from core.pacs.connection import PathOf
from core.pacs.guard import Limits
from core.pacs.listener import Listener
from core.pacs.profile import DimseProfile
from core.pacs.query import MOST_STUDIES, Found, FoundImage, FoundStudy, Query, image_from, study_from
from core.pacs.sockets import Sockets
from core.pacs.transport import client_context, diagnosis, refusal
from core.platform.atomic import copy_file

_VERIFICATION = "1.2.840.10008.1.1"
_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
_MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
_UNKNOWN_DESTINATION = 0xA801
_NO_SUB_OPERATION = 0xA702
"""Unable to perform sub-operations (PS3.4, table C.4-2): pynetdicom answers so if none of them succeeded."""
_LONGEST_ANSWER = 1 << 20
"""Bytes of one answer to a search."""
_MOST_ANSWERS, _SEARCH_S = 50_000, 55.0
"""Answers to one search, and the time for all of them."""
_STUDY_KEYS = (
    *("StudyInstanceUID", "PatientID", "PatientName", "StudyDate", "StudyDescription", "ModalitiesInStudy"),
    "NumberOfStudyRelatedInstances",
)
_REJECTIONS = {
    # PS3.8, table 9-21: reasons of the service user
    3: template(
        "{where} does not know our AE title {calling}; have it entered there, or correct it in the profile."
    ),
    7: template("{where} is not called {called}; correct the AE title of the PACS in the profile."),
}


class Dimse:
    """A PACS that is called by AE title. Use from one thread at a time."""

    def __init__(self, profile: DimseProfile) -> None:
        self._profile = profile
        self._open: Association | None = None
        self._sockets = Sockets(Limits(object_bytes=_LONGEST_ANSWER, wait_s=profile.timeout_s))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        association, self._open = self._open, None
        if association is not None and association.is_established:
            association.release()
        self._sockets.close()

    def test(self) -> None:
        status = self._associated().send_c_echo()
        if status.get("Status") != 0:
            raise self._lost()

    def studies(self, query: Query) -> Found:
        keys = dict.fromkeys(_STUDY_KEYS, "") | query.study_keys
        answers = self._find("STUDY", keys, "StudyInstanceUID", MOST_STUDIES)
        found = [study_from(answer) for answer in answers[:MOST_STUDIES]]
        kept: tuple[FoundStudy, ...] = tuple(study for study in found if study is not None)
        return Found(studies=kept, left_out=len(found) - len(kept), more=len(answers) > MOST_STUDIES)

    def images(self, study_uid: str, modality: str) -> tuple[FoundImage, ...]:
        found = []
        series_keys = {
            "StudyInstanceUID": study_uid,
            "SeriesInstanceUID": "",
            "Modality": modality,
            "Laterality": "",
        }
        for series in self._find("SERIES", series_keys, "SeriesInstanceUID"):
            uid = series.get("SeriesInstanceUID", "").strip()
            if modality and series.get("Modality", modality).strip() != modality:
                continue
            keys = {"StudyInstanceUID": study_uid, "SeriesInstanceUID": uid, "SOPInstanceUID": ""}
            image_keys = keys | {"ImageLaterality": "", "ViewPosition": ""}
            for answer in self._find("IMAGE", image_keys, "SOPInstanceUID"):
                values = {"Laterality": series.get("Laterality", "")} | answer
                image = image_from(values, study_uid, uid, series.get("Modality", modality))
                if image is not None:
                    found.append(image)
        return tuple(found)

    def fetch(
        self, images: Sequence[FoundImage], path_of: PathOf, *, cancelled: IsCancelled = never
    ) -> Iterator[FoundImage]:
        wanted = {image.sop_uid for image in images}

        def take(_association: int, uid: str, file: Path) -> bool:
            if uid not in wanted:
                return False
            copy_file(file, path_of(uid))
            return True

        if not images:
            return
        with Listener(self._profile, path_of(images[0].sop_uid).parent, take) as listener:
            for image in images:
                if cancelled():
                    raise Cancelled
                self._move(image, path_of(image.sop_uid), listener)
                yield image

    def _move(self, image: FoundImage, path: Path, listener: Listener) -> None:
        code = self._asked(image, listener)
        if path.is_file():
            return
        if code & 0xF000 in (0xB000, 0xC000) or code == _NO_SUB_OPERATION:
            # it did not wait for our answer, or its connection to us broke: once more, alone
            code = self._asked(image, listener)
        if path.is_file():
            return
        if code == _UNKNOWN_DESTINATION:
            raise PacsError(
                message(
                    "{profile} does not know {calling} as a destination; have it entered there as {address}.",
                    profile=self._profile.name,
                    calling=self._profile.calling,
                    address=listener.address,
                )
            )
        raise PacsError(
            message(
                "{profile} did not deliver an image (status {code:04X}H); it must know {address} "
                "as a destination and be able to connect there.",
                profile=self._profile.name,
                code=code,
                address=listener.address,
            )
        )

    def _asked(self, image: FoundImage, listener: Listener) -> int:
        """The status with which a request for one object ends (PS3.4, C.4.2.1.5)."""
        keys = {
            "StudyInstanceUID": image.study_uid,
            "SeriesInstanceUID": image.series_uid,
            "SOPInstanceUID": image.sop_uid,
        }
        association = self._associated()
        last: Dataset | None = None
        try:
            for status, _ in association.send_c_move(_identifier("IMAGE", keys), self._profile.calling, _MOVE):
                last = status
        except (RuntimeError, ValueError) as error:
            raise self._lost() from error
        code = None if last is None else last.get("Status")
        if listener.problem is not None:
            raise listener.problem
        if code is None:
            raise self._lost()
        return int(code)

    def store(self, paths: Sequence[Path]) -> Iterator[Path]:
        contexts = [build_context(*kind) for kind in dict.fromkeys(map(_kind, paths))]
        association = self._associated(contexts)
        for path in paths:
            try:
                status = association.send_c_store(path)
            except ValueError as error:
                raise PacsError(
                    message(
                        "{profile} does not accept objects of the kind of {file}; ask who runs it.",
                        profile=self._profile.name,
                        file=path.name,
                    )
                ) from error
            except (RuntimeError, AttributeError) as error:
                raise self._lost() from error
            code = status.get("Status")
            if code is None:
                raise self._lost()
            if code != 0 and not 0xB000 <= code <= 0xBFFF:
                raise PacsError(
                    message(
                        "{profile} refused {file} (status {code:04X}H).",
                        profile=self._profile.name,
                        file=path.name,
                        code=code,
                    )
                )
            yield path

    def _associated(self, contexts: Sequence[PresentationContext] = ()) -> Association:
        """The open association, or a new one; for sending always one of its own."""
        if self._open is not None and self._open.is_established and not contexts:
            return self._open
        self.close()
        profile = self._profile
        entity = AE(ae_title=profile.calling)
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = profile.timeout_s
        entity.connection_timeout = profile.timeout_s
        entity.requested_contexts = list(contexts) or [build_context(uid) for uid in (_VERIFICATION, _FIND, _MOVE)]
        # first by hand: the library says only that it failed, and leaves its socket open
        why = diagnosis(profile, profile.host, profile.port)
        if why is not None:
            raise why
        encrypted = (client_context(profile), profile.host) if profile.tls.on else None
        try:
            association = entity.associate(
                profile.host,
                profile.port,
                ae_title=profile.called,
                evt_handlers=[self._sockets.handler],
                tls_args=encrypted,
            )
        except OSError as error:
            raise refusal(profile, f"{profile.host}:{profile.port}", error) from error
        if not association.is_established:
            raise self._not_associated(association)
        self._open = association
        return association

    def _not_associated(self, association: Association) -> PacsError:
        profile = self._profile
        where = f"{profile.name} ({profile.host}:{profile.port})"
        if association.is_rejected:
            answer = association.acceptor.primitive
            reason = getattr(answer, "diagnostic", None) if getattr(answer, "result_source", None) == 1 else None
            words = _REJECTIONS.get(
                reason or 0,
                template("{where} does not accept the connection now; try later, or ask who runs it."),
            )
            said = message(words, where=where, called=profile.called, calling=profile.calling)
            return PacsError(said)
        return PacsError(
            message(
                "{where} closed the connection without an answer: it is not a DICOM service, or one that {needs}; "
                "check port and encryption in the profile.",
                where=where,
                needs=message("is not encrypted")
                if profile.tls.on
                else message("requires an encrypted connection"),
            )
        )

    def _find(self, level: str, keys: dict[str, str], key: str, most: int = _MOST_ANSWERS) -> list[dict[str, str]]:
        """The answers by keyword, each with another value of ``key``: some servers answer once an instance.

        At most one more than ``most``; then the rest is not waited for. PacsError where the answers do not end.
        """
        association = self._associated()
        known: dict[str, dict[str, str]] = {}
        code: int | None = None
        until, count = time.monotonic() + max(_SEARCH_S, self._profile.timeout_s), 0
        try:
            for status, answer in association.send_c_find(_identifier(level, keys), _FIND):
                code, count = status.get("Status"), count + 1
                if answer is not None:
                    values = {key: text for key in keys if (text := _text(answer, key))}
                    known.setdefault(values.get(key) or f"answer {len(known)}", values)
                if len(known) > most or count > _MOST_ANSWERS or time.monotonic() > until:
                    break
        except (RuntimeError, ValueError) as error:
            raise self._lost() from error
        if code is not None and code & 0xFF00 == 0xFF00:
            # answers are still pending: the association is of no more use
            association.abort()
            self._open = None
            if len(known) <= most:
                raise PacsError(
                    message("{profile} sends answers without end; narrow the search.", profile=self._profile.name)
                )
            return list(known.values())
        if code is None:
            raise self._lost()
        if code != 0:
            raise PacsError(
                message(
                    "{profile} could not search (status {code:04X}H); ask who runs the PACS.",
                    profile=self._profile.name,
                    code=code,
                )
            )
        return list(known.values())

    def _lost(self) -> PacsError:
        self._open = None
        return PacsError(
            message(
                "The connection to {profile} broke; complete images are kept. Try again: they are not sent twice.",
                profile=self._profile.name,
            )
        )


def _identifier(level: str, keys: dict[str, str]) -> Dataset:
    made = Dataset()
    made.SpecificCharacterSet = "ISO_IR 192"
    made.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(made, keyword, value or None)
    return made


def _text(answer: Dataset, keyword: str) -> str:
    """One value of a small foreign dataset, "" where it cannot be read."""
    try:
        with warnings.catch_warnings():
            # what the parser says of a foreign value quotes it
            warnings.simplefilter("ignore")
            value: Any = answer.get(keyword)
        if isinstance(value, (list, pydicom.multival.MultiValue)):
            return " ".join(str(one) for one in value[:16])
        return "" if value is None else str(value)
    except FOREIGN_ERRORS:
        return ""


def _kind(path: Path) -> tuple[str, str]:
    """SOP class and transfer syntax of one of our files."""
    header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["SOPClassUID"])
    return str(header.SOPClassUID), str(header.file_meta.TransferSyntaxUID)
