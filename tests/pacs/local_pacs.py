"""A PACS in Python: pynetdicom's own C-ECHO, C-FIND, C-MOVE, C-GET and C-STORE, and a small DICOMweb server.

It stands in for Orthanc where that is not installed, and runs as a process of its own like it. Searches are
matched by rules of its own (PS3.4, C.2.2.2), not by those of the program.
"""

from __future__ import annotations

import base64
import fnmatch
import json
import re
import ssl
import sys
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pydicom
from pydicom.datadict import keyword_for_tag
from pydicom.dataset import Dataset
from pynetdicom import AE, build_context, evt
from pynetdicom.presentation import AllStoragePresentationContexts

from tests.pacs.server import AE_TITLE, PASSWORD, USER, PacsServer

ROOT = Path(__file__).resolve().parents[2]
_CLIENT = "MARGINALIA"
_STUDY_FIND, _STUDY_MOVE, _STUDY_GET = (f"1.2.840.10008.5.1.4.1.2.2.{number}" for number in (1, 2, 3))
_STORAGE = [context.abstract_syntax for context in AllStoragePresentationContexts]
_LEVELS = {"STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID", "IMAGE": "SOPInstanceUID"}
_ALWAYS = {
    "STUDY": ["StudyDate", "StudyTime", "AccessionNumber", "ModalitiesInStudy", "PatientName", "PatientID",
              "StudyID", "NumberOfStudyRelatedInstances", "StudyInstanceUID"],
    "IMAGE": ["SOPClassUID", "SOPInstanceUID", "InstanceNumber", "Modality", "StudyInstanceUID",
              "SeriesInstanceUID"],
}  # fmt: skip
"""Attributes of every answer of QIDO-RS (PS3.18, tables 10.6.3-3 and 10.6.3-5)."""
_PENDING, _SUCCESS = 0xFF00, 0x0000


def matches(header: Dataset, keyword: str, wanted: str) -> bool:
    """Whether an attribute of a stored object matches a key: wildcards, ranges of dates, else equality."""
    if keyword == "ModalitiesInStudy":
        keyword = "Modality"
    if keyword == "Laterality" and "Laterality" not in header:
        return True
    value = str(header.get(keyword, ""))
    if keyword == "StudyDate" and "-" in wanted:
        first, _, last = wanted.partition("-")
        return (not first or first <= value) and (not last or value <= last)
    return fnmatch.fnmatchcase(value.casefold(), wanted.casefold().replace("[", "[[]"))


class Archive:
    """The stored objects: the file of each in a folder, and its header."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.headers: dict[str, Dataset] = {}
        folder.mkdir(exist_ok=True)
        for path in folder.iterdir():
            self.add(path.read_bytes())

    def add(self, content: bytes) -> str:
        header = pydicom.dcmread(BytesIO(content), stop_before_pixels=True)
        uid = str(header.SOPInstanceUID)
        (self._folder / uid).write_bytes(content)
        self.headers[uid] = header
        return uid

    def content(self, uid: str) -> bytes | None:
        return (self._folder / uid).read_bytes() if uid in self.headers else None

    def search(self, keys: dict[str, str], level: str) -> list[Dataset]:
        """One header for each study, series or image that matches."""
        found: dict[str, Dataset] = {}
        for header in list(self.headers.values()):
            if all(matches(header, keyword, wanted) for keyword, wanted in keys.items() if wanted):
                found.setdefault(str(header.get(_LEVELS[level])), header)
        return list(found.values())

    def answer(self, header: Dataset, keywords: list[str]) -> Dataset:
        """The requested attributes of a match."""
        made = Dataset()
        made.SpecificCharacterSet = "ISO_IR 192"
        own = [one for one in self.headers.values() if one.StudyInstanceUID == header.StudyInstanceUID]
        computed = {
            "ModalitiesInStudy": sorted({str(one.get("Modality", "")) for one in own}),
            "NumberOfStudyRelatedInstances": len(own),
        }
        for keyword in keywords:
            value = computed.get(keyword, header.get(keyword))
            with suppress(ValueError, TypeError, AttributeError):
                setattr(made, keyword, "" if value is None else value)
        return made


class LocalPacs(PacsServer):
    def command(self) -> list[str]:
        file = self.folder / "local.json"
        tls = None if self.tls is None else str(self.tls)
        file.write_text(json.dumps([self.http_port, self.dicom_port, self.receive_port, self.patience_s, tls]))
        code = (
            "import sys; sys.path.insert(0, sys.argv[1]); from tests.pacs.local_pacs import run; run(sys.argv[2])"
        )
        return [sys.executable, "-c", code, str(ROOT), str(file)]


def run(file: str) -> None:
    """Serve until the process is killed; ``file``: what ``LocalPacs.command`` wrote."""
    http_port, dicom_port, receive_port, patience_s, tls = json.loads(Path(file).read_text())
    archive = Archive(Path(file).with_name("storage"))
    dicom = DicomServer(archive, receive_port, patience_s, None if tls is None else Path(tls))
    dicom.start(dicom_port)
    WebServer(archive, http_port).serve_forever()


class DicomServer:
    """The services of DIMSE for one client, which it sends to at ``receive_port``."""

    def __init__(self, archive: Archive, receive_port: int, patience_s: int, tls: Path | None) -> None:
        self.archive, self.receive_port, self.patience_s, self.tls = archive, receive_port, patience_s, tls

    def start(self, port: int) -> None:
        handlers = [
            (evt.EVT_C_ECHO, lambda event: _SUCCESS),
            (evt.EVT_C_STORE, self._on_store),
            (evt.EVT_C_FIND, self._on_find),
            (evt.EVT_C_MOVE, self._on_move),
            (evt.EVT_C_GET, self._on_get),
        ]
        self._entity = self._dicom_entity()
        self._entity.start_server(
            ("127.0.0.1", port), block=False, evt_handlers=handlers, ssl_context=self._context()
        )

    def _dicom_entity(self) -> AE:
        entity = AE(ae_title=AE_TITLE)
        entity.require_called_aet = True
        entity.require_calling_aet = [_CLIENT]
        entity.dimse_timeout = float(self.patience_s)
        entity.maximum_associations = 1000
        for uid in ("1.2.840.10008.1.1", _STUDY_FIND, _STUDY_MOVE, _STUDY_GET):
            entity.add_supported_context(uid)
        for uid in _STORAGE:
            entity.add_supported_context(str(uid), scu_role=True, scp_role=True)
        return entity

    def _context(self) -> ssl.SSLContext | None:
        if self.tls is None:
            return None
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.tls / "server.pem", self.tls / "server.key")
        return context

    def _on_store(self, event: evt.Event) -> int:
        made = event.dataset
        made.file_meta = event.file_meta
        buffer = BytesIO()
        made.save_as(buffer, enforce_file_format=True)
        self.archive.add(buffer.getvalue())
        return _SUCCESS

    def _wanted(self, identifier: Dataset) -> tuple[str, dict[str, str]]:
        keys = {element.keyword: str(element.value or "") for element in identifier}
        level = keys.pop("QueryRetrieveLevel", "STUDY")
        keys.pop("SpecificCharacterSet", None)
        keys.pop("NumberOfStudyRelatedInstances", None)
        return level, keys

    def _on_find(self, event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        level, keys = self._wanted(event.identifier)
        for header in self.archive.search(keys, level):
            answer = self.archive.answer(header, [element.keyword for element in event.identifier])
            answer.QueryRetrieveLevel = level
            yield _PENDING, answer

    def _objects(self, event: evt.Event) -> list[Dataset]:
        _, keys = self._wanted(event.identifier)
        uids = [str(header.SOPInstanceUID) for header in self.archive.search(keys, "IMAGE")]
        return [pydicom.dcmread(BytesIO(self.archive.content(uid) or b"")) for uid in uids]

    def _on_move(self, event: evt.Event) -> Iterator[Any]:
        if event.move_destination != _CLIENT:
            yield None, None
            return
        objects = self._objects(event)
        kinds = {(str(one.SOPClassUID), str(one.file_meta.TransferSyntaxUID)) for one in objects}
        options: dict[str, Any] = {"contexts": [build_context(*kind) for kind in sorted(kinds)]}
        if self.tls is not None:
            context = ssl.create_default_context(cafile=str(self.tls / "ca.pem"))
            context.check_hostname = False
            context.load_cert_chain(self.tls / "server.pem", self.tls / "server.key")
            options["tls_args"] = (context, None)
        yield "127.0.0.1", self.receive_port, options
        yield len(objects)
        for one in objects:
            yield _PENDING, one

    def _on_get(self, event: evt.Event) -> Iterator[Any]:
        objects = self._objects(event)
        yield len(objects)
        for one in objects:
            yield _PENDING, one


def _keyword(text: str) -> str:
    """Return the keyword of an attribute that a request names by keyword or by tag."""
    return keyword_for_tag(int(text, 16)) if re.fullmatch("[0-9A-Fa-f]{8}", text) else text


class WebServer(ThreadingHTTPServer):
    """QIDO-RS, WADO-RS and STOW-RS (PS3.18) of an archive, with a login by password."""

    daemon_threads = True

    def __init__(self, archive: Archive, port: int) -> None:
        self.archive = archive
        super().__init__(("127.0.0.1", port), WebRequest)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that breaks off is expected here."""


class WebRequest(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: WebServer

    def log_message(self, *_: Any) -> None: ...

    def do_GET(self) -> None:
        split = urlsplit(self.path)
        if not self._allowed():
            return
        parts = split.path.strip("/").split("/")
        if parts[:2] != ["dicom-web", "studies"]:
            self._send(404, b"not here", "text/plain")
        elif len(parts) == 7:
            self._send_object(parts[6])
        else:
            self._search(parts[2:], parse_qsl(split.query))

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not self._allowed():
            return
        boundary = re.search(r'boundary="?([^";]+)', self.headers.get("Content-Type", ""))
        if boundary is None:
            self._send(400, b"no boundary", "text/plain")
            return
        stored = []
        for part in content.split(b"--" + boundary[1].encode())[1:-1]:
            body = part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n")
            uid = self.server.archive.add(body)
            item = Dataset()
            item.ReferencedSOPClassUID = self.server.archive.headers[uid].SOPClassUID
            item.ReferencedSOPInstanceUID = uid
            stored.append(item)
        answer = Dataset()
        answer.ReferencedSOPSequence = stored
        self._send(200, json.dumps(answer.to_json_dict()).encode(), "application/dicom+json")

    def _allowed(self) -> bool:
        given = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if self.headers.get("Authorization") == given:
            return True
        self._send(401, b"login", "text/plain", {"WWW-Authenticate": 'Basic realm="PACS"'})
        return False

    def _search(self, parts: list[str], query: list[tuple[str, str]]) -> None:
        keys = {
            key: value for key, value in query if key not in ("limit", "offset", "includefield", "fuzzymatching")
        }
        if len(parts) > 1:
            keys["StudyInstanceUID"] = parts[0]
        level = "IMAGE" if parts[-1:] == ["instances"] else "STUDY"
        options = dict(query)
        first = int(options.get("offset", 0))
        found = self.server.archive.search(keys, level)[first : first + int(options.get("limit", 1000))]
        fields = [_keyword(value) for key, value in query if key == "includefield"]
        keywords = list(dict.fromkeys([*_ALWAYS[level], *fields, *keys]))
        answers = [self.server.archive.answer(header, keywords).to_json_dict() for header in found]
        self._send(200, json.dumps(answers).encode(), "application/dicom+json")

    def _send_object(self, uid: str) -> None:
        content = self.server.archive.content(uid)
        if content is None:
            self._send(404, b"no such object", "text/plain")
            return
        mark = b"boundary-of-the-tests"
        body = (
            b"--" + mark + b"\r\nContent-Type: application/dicom\r\n\r\n" + content + b"\r\n--" + mark + b"--\r\n"
        )
        self._send(200, body, f'multipart/related; type="application/dicom"; boundary={mark.decode()}')

    def _send(self, code: int, body: bytes, kind: str, more: dict[str, str] | None = None) -> None:
        self.send_response(code)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **(more or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
