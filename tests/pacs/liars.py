"""Small DICOMweb servers with the habits of real ones and of hostile ones. Loopback only."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlparse

from core.pacs.profile import DicomwebProfile

Answer = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def served(answer: Answer, *, timeout_s: float = 5.0) -> Iterator[DicomwebProfile]:
    """A profile of a server that answers every GET in this way."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 20

        def log_message(self, *arguments: object) -> None: ...

        def do_GET(self) -> None:
            try:
                answer(self)
            except OSError:
                self.close_connection = True

    class Server(ThreadingHTTPServer):
        daemon_threads = False  # closing the server then waits for them

        def handle_error(self, request: object, client_address: object) -> None: ...

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_address[1]}/dicom-web"
            yield DicomwebProfile(name="liar", url=url, timeout_s=timeout_s)
        finally:
            server.shutdown()
            thread.join()


def send(
    handler: BaseHTTPRequestHandler,
    body: bytes,
    kind: str = "application/dicom+json",
    *,
    code: int = 200,
    headers: dict[str, str] | None = None,
) -> None:
    handler.send_response(code)
    for name, value in ({"Content-Type": kind, "Content-Length": str(len(body))} | (headers or {})).items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


def study_row(number: int) -> dict[str, object]:
    return {"0020000D": {"vr": "UI", "Value": [f"1.2.3.{number}"]}, "00100020": {"vr": "LO", "Value": ["P"]}}


def object_row(number: int) -> dict[str, object]:
    return {
        "0020000D": {"vr": "UI", "Value": ["1.2.3"]},
        "0020000E": {"vr": "UI", "Value": ["1.2.3.4"]},
        "00080018": {"vr": "UI", "Value": [f"1.2.3.4.{number}"]},
        "00080060": {"vr": "CS", "Value": ["MG"]},
    }


def paged(
    rows: list[dict[str, object]], *, cap: int, limit: int, warns: bool = True, refuses_the_end: bool = False
) -> Answer:
    """A server that gives at most ``cap`` rows at once and refuses a limit above ``limit``."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        asked = parse_qs(urlparse(handler.path).query)
        wanted, offset = int(asked.get("limit", ["0"])[0]), int(asked.get("offset", ["0"])[0])
        if wanted > limit or (refuses_the_end and offset >= len(rows)):
            send(handler, b'"the parameter cannot be taken"', code=400)
            return
        page = rows[offset : offset + min(wanted or cap, cap)]
        left = len(rows) - offset - len(page)
        warning = {"Warning": f'299 liar "{left} more"'} if warns and left > 0 else {}
        if page:
            send(handler, json.dumps(page).encode(), headers=warning)
        else:
            send(handler, b"", code=204)

    return answer
