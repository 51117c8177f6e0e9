"""DICOMweb: QIDO-RS to search, WADO-RS to retrieve, STOW-RS to send (PS3.18).

Answers to a search are small and read here. Objects are not: they go to the disk as they come, unread, and are
decoded later in the child process for foreign files.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
import pydicom
import requests
from dicomweb_client.uri import URI
from dicomweb_client.web import DICOMwebClient

from core.domain.errors import Cancelled, PacsError, PacsLoginError
from core.domain.events import IsCancelled, never
from core.domain.messages import Sentence, message
from core.imaging.decoded import MAX_FILE_BYTES
from core.pacs.connection import PathOf
from core.pacs.dicom_json import rows
from core.pacs.http import HttpSession
from core.pacs.multipart import half, take_part
from core.pacs.profile import DicomwebProfile
from core.pacs.query import MOST_STUDIES, Found, FoundImage, FoundStudy, Query, image_from, matches, study_from
from core.pacs.transport import refusal
from core.platform.atomic import atomic_write

MOST_OBJECTS = 20_000
"""Objects of one examination that are listed."""
_PAGE_SIZES = (200, 50, 10)
"""Objects to ask for at once; the next size where a server refuses the one before."""
_TOO_MANY = (400, 413, 414, 416, 422)
"""HTTP statuses with which servers refuse a limit."""
_ACCEPT = 'multipart/related; type="application/dicom"; transfer-syntax=*'
_ACCEPT_JSON = "application/dicom+json, application/json"
_STUDY_FIELDS = ("StudyDescription", "ModalitiesInStudy", "NumberOfStudyRelatedInstances")
_IMAGE_FIELDS = ("ImageLaterality", "Laterality", "ViewPosition", "Modality")
_UNSAFE = re.compile(r"[^A-Za-z0-9_.*~-]+")


@dataclass(frozen=True)
class _Page:
    rows: list[dict[str, str]]
    more: bool
    """True if the server reported that it has more (Warning: 299)."""


class Dicomweb:
    """A DICOMweb service. Use from one thread at a time."""

    def __init__(self, profile: DicomwebProfile, secret: str = "") -> None:
        self._profile = profile
        self._session = HttpSession(profile, secret)
        self._base = profile.url.rstrip("/")
        try:
            # whole files in one piece: not every server takes chunks
            self._client = DICOMwebClient(
                profile.url, session=self._session, timeout=profile.timeout_s, chunk_size=MAX_FILE_BYTES
            )
        except ValueError as error:
            raise PacsError(
                message("The URL of the profile {profile} cannot be used; correct it.", profile=profile.name)
            ) from error
        self._client.set_http_retry_params(retry=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._session.close()

    def test(self) -> None:
        with _Sentences(self._profile):
            self._page("studies", {}, 1, 0)

    def studies(self, query: Query) -> Found:
        keys = query.study_keys
        # what would have to be percent-encoded is asked for by a wildcard, and held against the query here
        widened = {key: _UNSAFE.sub("*", value) for key, value in keys.items()}
        with _Sentences(self._profile):
            answers, more = self._search("studies", widened, _STUDY_FIELDS, "StudyInstanceUID", MOST_STUDIES)
        for key in keys:
            if widened[key] != keys[key]:
                answers = [answer for answer in answers if matches(keys[key], answer.get(key, ""))]
        found = [study_from(answer) for answer in answers]
        kept: tuple[FoundStudy, ...] = tuple(study for study in found if study is not None)
        return Found(studies=kept, left_out=len(found) - len(kept), more=more)

    def images(self, study_uid: str, modality: str) -> tuple[FoundImage, ...]:
        keys = {"Modality": modality} if modality else {}
        path = f"studies/{study_uid}/instances"
        with _Sentences(self._profile):
            answers, more = self._search(path, keys, _IMAGE_FIELDS, "SOPInstanceUID", MOST_OBJECTS)
        if more:
            raise PacsError(
                message(
                    "{profile} lists more than {limit:,} objects of one examination; it cannot be retrieved.",
                    profile=self._profile.name,
                    limit=MOST_OBJECTS,
                )
            )
        images = (image_from(answer, study_uid, "", answer.get("Modality", modality)) for answer in answers)
        return tuple(image for image in images if image is not None)

    def _search(
        self, path: str, filters: dict[str, str], fields: Sequence[str], key: str, most: int
    ) -> tuple[list[dict[str, str]], bool]:
        """All pages of an answer, each object once, and whether there are more than ``most``.

        Servers answer with fewer objects than they were asked for (PS3.18, 8.3.4.4), with a warning or without
        one: pages are asked for until one brings nothing new.
        """
        params = {**filters, "includefield": list(fields)}
        known: dict[str, dict[str, str]] = {}
        offset, until = 0, time.monotonic() + self._session.patience_s
        size, page = self._first_page(path, params, most + 1)
        while page.rows:
            before = len(known)
            for answer in page.rows:
                known.setdefault(answer.get(key) or f"answer {len(known)}", answer)
            offset += len(page.rows)
            if len(known) > most:
                return list(known.values())[:most], True
            if len(known) == before:
                break
            if time.monotonic() > until:
                raise PacsError(
                    message(
                        "{profile} did not list everything within {seconds:g} s; ask for less.",
                        profile=self._profile.name,
                        seconds=self._session.patience_s,
                    )
                )
            try:
                page = self._page(path, params, size, offset)
            except requests.HTTPError as error:
                # some refuse an offset behind the last object; after a warning the page was promised
                if page.more or error.response is None or not 400 <= error.response.status_code < 500:
                    raise
                break
        return list(known.values()), False

    def _first_page(self, path: str, params: dict[str, Any], most: int) -> tuple[int, _Page]:
        """The page and its size: as many objects as the server allows to ask for; 0 without saying a number."""
        sizes = [min(size, most) for size in _PAGE_SIZES]
        for size in (*sizes, 0):
            try:
                return size, self._page(path, params, size, 0)
            except requests.HTTPError as error:
                assert error.response is not None
                # encryption and login are no matters of size
                if error.response.status_code not in _TOO_MANY or not size or _wants_https(error.response):
                    raise
        raise AssertionError("the last size returns or raises")

    def _page(self, path: str, params: dict[str, Any], size: int, offset: int) -> _Page:
        asked = params | ({"limit": size} if size else {}) | ({"offset": offset} if offset else {})
        response = self._session.get(f"{self._base}/{path}", params=asked, headers={"Accept": _ACCEPT_JSON})
        response.raise_for_status()
        if response.status_code == requests.codes.no_content or not response.content.strip():
            return _Page([], more=False)
        warned = response.headers.get("Warning", "").strip().startswith("299")
        return _Page(rows(msgspec.json.decode(response.content)), more=warned)

    def fetch(
        self, images: Sequence[FoundImage], path_of: PathOf, *, cancelled: IsCancelled = never
    ) -> Iterator[FoundImage]:
        for image in images:
            if cancelled():
                raise Cancelled
            url = str(URI(self._profile.url.rstrip("/"), image.study_uid, image.series_uid, image.sop_uid))
            with _Sentences(self._profile):
                self._fetch_one(url, path_of(image.sop_uid), cancelled)
            yield image

    def _fetch_one(self, url: str, path: Path, cancelled: IsCancelled) -> None:
        with self._session.get(url, headers={"Accept": _ACCEPT}, stream=True) as response:
            response.raise_for_status()

            def write(temporary: Path) -> None:
                with temporary.open("rb+") as file:
                    for part in self._session.pieces(response, MAX_FILE_BYTES):
                        if cancelled():
                            raise Cancelled
                        file.write(part)

            body = path.with_name(f"{path.name}.body")
            try:
                atomic_write(body, write)
                kind = response.headers.get("Content-Type", "")
                atomic_write(path, lambda temporary: take_part(body, temporary, kind, self._profile.name))
            finally:
                body.unlink(missing_ok=True)

    def store(self, paths: Sequence[Path]) -> Iterator[Path]:
        for path in paths:
            with _Sentences(self._profile):
                answer = self._client.store_instances([pydicom.dcmread(path)])
                refused = answer.get("FailedSOPSequence")
            if refused:
                code = refused[0].get("FailureReason", 0)
                raise PacsError(
                    message(
                        "{profile} refused {file} (failure reason {code:04X}H).",
                        profile=self._profile.name,
                        file=path.name,
                        code=code,
                    )
                )
            yield path


class _Sentences:
    """Turns what the libraries raise into a PacsError; what is one already, or a cancellation, goes through."""

    def __init__(self, profile: DicomwebProfile) -> None:
        self._profile = profile

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        where = f"{self._profile.name} ({self._profile.url})"
        match error:
            case requests.HTTPError():
                assert error.response is not None
                sentence = _status_sentence(where, error.response, self._profile.login)
                raise (PacsLoginError if error.response.status_code == 401 else PacsError)(sentence) from error
            case requests.TooManyRedirects():
                raise PacsError(
                    message(
                        "{where} points to another address, which is not followed; put that address into the "
                        "profile.",
                        where=where,
                    )
                ) from error
            case requests.JSONDecodeError() | msgspec.DecodeError() | RecursionError():
                raise PacsError(
                    message("{where} does not answer as DICOMweb does; check the URL.", where=where)
                ) from error
            case requests.exceptions.ChunkedEncodingError() | requests.exceptions.ContentDecodingError():
                raise half(self._profile.name) from error
            case requests.ConnectionError() if "Read timed out" not in str(error) and _begun(error):
                raise half(self._profile.name) from error
            case requests.RequestException() | OSError():
                raise refusal(self._profile, self._profile.url, error) from error
            case ValueError() | TypeError() | KeyError() | AttributeError():
                raise PacsError(
                    message(
                        "{where} answers in a way that cannot be understood ({error}); check the URL.",
                        where=where,
                        error=type(error).__name__,
                    )
                ) from error


def _begun(error: BaseException) -> bool:
    """Return True if the body had begun: the library reports this in its message only."""
    return any(word in str(error) for word in ("IncompleteRead", "Response ended prematurely"))


def _wants_https(response: requests.Response) -> bool:
    return response.status_code == requests.codes.bad_request and b"HTTPS" in _beginning(response).upper()


def _beginning(response: requests.Response) -> bytes:
    """Return the beginning of the content; a streamed answer is not read for a sentence."""
    return response.content[:2000] if response._content_consumed else b""


def _status_sentence(where: str, response: requests.Response, login: str) -> Sentence:
    code = response.status_code
    if code == 401:
        if login == "none":
            return message("{where} requires a login; give the profile a user or a token.", where=where)
        return (
            message("{where} does not accept this token; check it.", where=where)
            if login == "token"
            else message("{where} does not accept this user or password; check it.", where=where)
        )
    if code == 403:
        return message(
            "{where} does not allow this to the user of the profile; ask who runs the PACS.", where=where
        )
    if code == 404:
        return message(
            "{where} has no DICOMweb service or no such examination there; check the URL, or search again.",
            where=where,
        )
    if _wants_https(response):
        return message(
            "{where} expects an encrypted connection; use https:// and encryption in the profile.", where=where
        )
    return message(
        "{where} refused the request (HTTP {code}); try later, or ask who runs the PACS.", where=where, code=code
    )
