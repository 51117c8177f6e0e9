"""DICOMweb: QIDO-RS to search, WADO-RS to retrieve, STOW-RS to send (PS3.18).

Answers to a search are small and read here. Objects are not: they go to the disk as they come, unread, and are
decoded later in the child process for foreign files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import pydicom
import requests
from dicomweb_client.uri import URI
from dicomweb_client.web import DICOMwebClient

from core.domain.errors import Cancelled, PacsError, PacsLoginError
from core.domain.events import IsCancelled, never
from core.imaging.decoded import MAX_FILE_BYTES
from core.pacs.connection import PathOf
from core.pacs.profile import DicomwebProfile
from core.pacs.query import MOST_STUDIES, Found, FoundImage, FoundStudy, Query, image_from, matches, study_from
from core.pacs.transport import client_context, refusal
from core.platform.atomic import atomic_write

_CHUNK = 1 << 18
_HEADER_ROOM, _TRAILER_ROOM = 16_384, 4_096
_ACCEPT = 'multipart/related; type="application/dicom"; transfer-syntax=*'
_STUDY_FIELDS = ("StudyDescription", "ModalitiesInStudy", "NumberOfStudyRelatedInstances")
_IMAGE_FIELDS = ("ImageLaterality", "Laterality", "ViewPosition", "Modality")
_UNSAFE = re.compile(r"[^A-Za-z0-9_.*~-]+")
_PERSON_NAME_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")


class _CheckedTls(requests.adapters.HTTPAdapter):
    """Connections with the profile's own idea of which certificates are trusted."""

    def __init__(self, profile: DicomwebProfile) -> None:
        self._context = client_context(profile)
        self._verify = profile.tls.verify
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **more: Any) -> None:
        super().init_poolmanager(*arguments, **more, ssl_context=self._context)

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        # the context says all of it; requests would put its own list of authorities beside ours
        conn.cert_reqs = "CERT_REQUIRED" if self._verify else "CERT_NONE"


class _Session(requests.Session):
    """Leaves the wildcard of a query as it is: servers are in use that do not decode what is percent-encoded."""

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        prepared = super().prepare_request(request)
        prepared.url = (prepared.url or "").replace("%2A", "*")
        return prepared


class Dicomweb:
    """A DICOMweb service. Use from one thread at a time."""

    def __init__(self, profile: DicomwebProfile, secret: str = "") -> None:
        self._profile = profile
        self._session = _Session()
        # neither proxies nor .netrc of the environment: data and password go where the profile says, only there
        self._session.trust_env = False
        self._session.max_redirects = 0
        if profile.tls.on:
            self._session.mount("https://", _CheckedTls(profile))
        if profile.login == "password":
            self._session.auth = (profile.user, secret)
        elif profile.login == "token":
            self._session.headers["Authorization"] = f"Bearer {secret}"
        try:
            # whole files in one piece: not every server takes chunks
            self._client = DICOMwebClient(
                profile.url, session=self._session, timeout=profile.timeout_s, chunk_size=MAX_FILE_BYTES
            )
        except ValueError as error:
            raise PacsError(f"The URL of the profile {profile.name} cannot be used; correct it.") from error
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
            _rows(self._client.search_for_studies(limit=1))

    def studies(self, query: Query) -> Found:
        keys = query.study_keys
        # what would have to be percent-encoded is asked for by a wildcard, and held against the query here
        widened = {key: _UNSAFE.sub("*", value) for key, value in keys.items()}
        with _Sentences(self._profile):
            answers = _rows(
                self._client.search_for_studies(
                    limit=MOST_STUDIES + 1, fields=_STUDY_FIELDS, search_filters=widened
                )
            )
        for key in keys:
            if widened[key] != keys[key]:
                answers = [answer for answer in answers if matches(keys[key], answer.get(key, ""))]
        found = [study_from(answer) for answer in answers[:MOST_STUDIES]]
        kept: tuple[FoundStudy, ...] = tuple(study for study in found if study is not None)
        return Found(studies=kept, left_out=len(found) - len(kept), more=len(answers) > MOST_STUDIES)

    def images(self, study_uid: str, modality: str) -> tuple[FoundImage, ...]:
        keys = {"Modality": modality} if modality else {}
        with _Sentences(self._profile):
            answers = _rows(
                self._client.search_for_instances(study_uid, fields=_IMAGE_FIELDS, search_filters=keys)
            )
        images = (image_from(answer, study_uid, "", answer.get("Modality", modality)) for answer in answers)
        return tuple(image for image in images if image is not None)

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
        with self._session.get(
            url, headers={"Accept": _ACCEPT}, stream=True, timeout=self._profile.timeout_s
        ) as response:
            response.raise_for_status()

            def write(temporary: Path) -> None:
                with temporary.open("rb+") as file:
                    for chunk in response.iter_content(_CHUNK):
                        if cancelled():
                            raise Cancelled
                        file.write(chunk)
                        if file.tell() > MAX_FILE_BYTES:
                            raise PacsError(f"{self._profile.name} sends more than {MAX_FILE_BYTES:,} bytes.")

            body = path.with_name(f"{path.name}.body")
            try:
                atomic_write(body, write)
                kind = response.headers.get("Content-Type", "")
                atomic_write(path, lambda temporary: _take_part(body, temporary, kind, self._profile.name))
            finally:
                body.unlink(missing_ok=True)

    def store(self, paths: Sequence[Path]) -> Iterator[Path]:
        for path in paths:
            with _Sentences(self._profile):
                answer = self._client.store_instances([pydicom.dcmread(path)])
                refused = answer.get("FailedSOPSequence")
            if refused:
                code = refused[0].get("FailureReason", 0)
                raise PacsError(f"{self._profile.name} refused {path.name} (failure reason {code:04X}H).")
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
                    f"{where} points to another address, which is not followed; put that address into the profile."
                ) from error
            case requests.JSONDecodeError():
                raise PacsError(f"{where} does not answer as DICOMweb does; check the URL.") from error
            case requests.exceptions.ChunkedEncodingError() | requests.exceptions.ContentDecodingError():
                raise _half(self._profile.name) from error
            case requests.ConnectionError() if "Read timed out" not in str(error) and _begun(error):
                raise _half(self._profile.name) from error
            case requests.RequestException() | OSError():
                raise refusal(self._profile, self._profile.url, error) from error
            case ValueError() | TypeError() | KeyError() | AttributeError():
                raise PacsError(
                    f"{where} answers in a way that cannot be understood ({type(error).__name__}); check the URL."
                ) from error


def _begun(error: BaseException) -> bool:
    """Whether the body had begun: the library says so in words only."""
    return any(word in str(error) for word in ("IncompleteRead", "Response ended prematurely"))


def _half(name: str) -> PacsError:
    return PacsError(
        f"{name} broke off in the middle of an image; nothing of that image is kept. Get the examination again: "
        "what is there already is not sent twice."
    )


def _status_sentence(where: str, response: requests.Response, login: str) -> str:
    code = response.status_code
    if code == 401:
        if login == "none":
            return f"{where} wants a login; give the profile a user or a token."
        return f"{where} does not accept this {'token' if login == 'token' else 'user or password'}; check it."
    if code == 403:
        return f"{where} does not allow this to the user of the profile; ask who runs the PACS."
    if code == 404:
        return f"{where} has no DICOMweb service or no such examination there; check the URL, or search again."
    if code == 400 and "HTTPS" in response.text[:2000].upper():
        return f"{where} expects an encrypted connection; use https:// and encryption in the profile."
    return f"{where} refused the request (HTTP {code}); try later, or ask who runs the PACS."


def _rows(answers: Any) -> list[dict[str, str]]:
    """The first values of each answer (DICOM JSON model, PS3.18 annex F), by keyword."""
    if not isinstance(answers, list) or not all(isinstance(answer, dict) for answer in answers):
        raise ValueError("not a list of datasets")
    return [
        {
            keyword: text
            for tag, element in answer.items()
            if (keyword := _keyword(tag)) and (text := _text(element))
        }
        for answer in answers
    ]


def _keyword(tag: Any) -> str:
    try:
        return str(pydicom.datadict.keyword_for_tag(int(tag, 16)))
    except (TypeError, ValueError):
        return ""


def _text(element: Any) -> str:
    values = element.get("Value") if isinstance(element, dict) else None
    if not isinstance(values, list):
        return ""
    return " ".join(_one_text(value) for value in values[:16] if value is not None)


def _one_text(value: Any) -> str:
    if isinstance(value, dict):
        groups = (value.get(group) for group in _PERSON_NAME_GROUPS)
        return " ".join(group for group in groups if isinstance(group, str) and group)
    return str(value) if isinstance(value, (str, int, float)) else ""


def _take_part(body: Path, path: Path, kind: str, name: str) -> None:
    """Copy the one part of a multipart body to ``path``. A body without its end is half a file: PacsError."""
    size = body.stat().st_size
    media, _, parameters = kind.partition(";")
    if media.strip().lower() == "application/dicom":
        with body.open("rb") as source, path.open("rb+") as target:
            _copy(source, target, size)
        return
    boundary = _boundary(parameters)
    if media.strip().lower() != "multipart/related" or not boundary:
        raise PacsError(f"{name} sends {media.strip()[:40] or 'something'} where a DICOM object was asked for.")
    with body.open("rb") as source:
        head = source.read(_HEADER_ROOM)
        begin = head.find(b"\r\n\r\n", max(0, head.find(b"--" + boundary))) + 4
        source.seek(max(0, size - _TRAILER_ROOM))
        tail_at, tail = source.tell(), source.read()
        end = tail.rfind(b"\r\n--" + boundary)
        if begin < 4 or end < 0 or tail_at + end < begin:
            raise _half(name)
        source.seek(begin)
        with path.open("rb+") as target:
            _copy(source, target, tail_at + end - begin)


def _boundary(parameters: str) -> bytes:
    for part in parameters.split(";"):
        key, _, value = part.strip().partition("=")
        if key.lower() == "boundary":
            return value.strip('"').encode("ascii", "ignore")
    return b""


def _copy(source: IO[bytes], target: IO[bytes], count: int) -> None:
    while count > 0:
        chunk = source.read(min(_CHUNK, count))
        if not chunk:
            return
        target.write(chunk)
        count -= len(chunk)
