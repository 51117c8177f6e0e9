"""C-06, C-07 and the pages of an answer: what a DICOMweb server sends is whole, or refused in one sentence."""

from __future__ import annotations

import resource
import time
import zlib
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import numpy as np
import pydicom
import pytest

from core.domain.errors import PacsError
from core.domain.vocabulary import Laterality, ViewPosition
from core.imaging.write_dicom import MammogramHeader, write_mammogram
from core.pacs import http
from core.pacs.client import connect
from core.pacs.inbox import Inbox
from core.pacs.query import MOST_STUDIES, FoundImage, Query
from core.pacs.retrieve import begin, fetch_missing
from tests.pacs.liars import Answer, object_row, paged, send, served, study_row

SEARCH = Query(patient_id="P")


@pytest.mark.parametrize("warns", [True, False])
@pytest.mark.parametrize("refuses_the_end", [True, False])
@pytest.mark.parametrize(("cap", "limit"), [(5, 10_000), (1_000, 200), (3, 20), (7, 40)])
def test_all_pages_of_an_answer_come(cap: int, limit: int, warns: bool, refuses_the_end: bool) -> None:
    rows = [study_row(k) for k in range(37)]
    answer = paged(rows, cap=cap, limit=limit, warns=warns, refuses_the_end=refuses_the_end)
    with served(answer) as profile, connect(profile) as pacs:
        found = pacs.studies(SEARCH)
    assert [study.study_uid for study in found.studies] == [f"1.2.3.{k}" for k in range(37)]
    assert not found.more


def test_objects_come_in_pages_too_and_each_once() -> None:
    rows = [object_row(k) for k in range(14)]
    with served(paged([*rows, *rows[3:9]], cap=4, limit=100)) as profile, connect(profile) as pacs:
        assert len(pacs.images("1.2.3", "MG")) == 14


def test_a_server_that_knows_no_pages_is_asked_twice() -> None:
    asked: list[str] = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        import json

        asked.append(handler.path)
        send(handler, json.dumps([study_row(k) for k in range(3)]).encode())

    with served(answer) as profile, connect(profile) as pacs:
        assert len(pacs.studies(SEARCH).studies) == 3
    assert len(asked) == 2


def test_more_examinations_than_are_listed_are_said() -> None:
    rows = [study_row(k) for k in range(MOST_STUDIES + 40)]
    with served(paged(rows, cap=100, limit=100)) as profile, connect(profile) as pacs:
        found = pacs.studies(SEARCH)
    assert len(found.studies) == MOST_STUDIES and found.more


def chunked(handler: BaseHTTPRequestHandler, *headers: tuple[str, str]) -> None:
    handler.send_response(200)
    for name, value in (("Transfer-Encoding", "chunked"), ("Content-Type", "application/dicom+json"), *headers):
        handler.send_header(name, value)
    handler.end_headers()


def endless(handler: BaseHTTPRequestHandler) -> None:
    chunked(handler)
    piece = b'{"0020000D":{"vr":"UI","Value":["1.2"]}},' * 400
    handler.wfile.write(b"1\r\n[\r\n")
    while True:
        handler.wfile.write(b"%X\r\n%b\r\n" % (len(piece), piece))


def bomb(handler: BaseHTTPRequestHandler) -> None:
    packer = zlib.compressobj(wbits=31)
    packed = b"".join(packer.compress(b" " * 1_000_000) for _ in range(200)) + packer.flush()
    send(handler, packed, headers={"Content-Encoding": "gzip"})


def trickle(handler: BaseHTTPRequestHandler) -> None:
    chunked(handler)
    while True:
        handler.wfile.write(b"1\r\n \r\n")
        handler.wfile.flush()
        time.sleep(0.05)


def endless_headers(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    for k in range(10_000):
        handler.wfile.write(b"X-%d: a\r\n" % k)
        handler.wfile.flush()
        time.sleep(0.05)


def endless_continue(handler: BaseHTTPRequestHandler) -> None:
    while True:
        handler.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        handler.wfile.flush()
        time.sleep(0.01)


def endless_chunk_size(handler: BaseHTTPRequestHandler) -> None:
    chunked(handler)
    while True:
        handler.wfile.write(b"0" * 10_000)


def deep(handler: BaseHTTPRequestHandler) -> None:
    send(handler, b"[" * 90_000)


def nonsense(handler: BaseHTTPRequestHandler) -> None:
    send(handler, b'[1, "a", {"0020000D": {"Value": {"a": []}}}]')


def endless_error(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(500)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    while True:
        handler.wfile.write(b"400\r\n" + b"x" * 1024 + b"\r\n")


@pytest.fixture
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "ANSWER_S", 1.0)
    monkeypatch.setattr(http, "ANSWER_BYTES", 100_000)


LIARS: tuple[Answer, ...] = (endless, bomb, trickle, endless_headers, endless_continue, endless_chunk_size, deep,
                             nonsense, endless_error)  # fmt: skip


@pytest.mark.usefixtures("strict")
@pytest.mark.parametrize("liar", LIARS, ids=lambda liar: liar.__name__)
def test_a_lying_server_takes_little_and_gets_one_sentence(liar: Answer) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # without its limit of a second this would not end at all
    with served(liar, timeout_s=1.0) as profile, connect(profile) as pacs, pytest.raises(PacsError) as caught:
        pacs.studies(SEARCH)
    sentence = str(caught.value)
    assert sentence.startswith("liar") and sentence.endswith(".") and "\n" not in sentence
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


@pytest.mark.usefixtures("strict")
@pytest.mark.parametrize("liar", [trickle, endless_headers, endless_chunk_size], ids=lambda liar: liar.__name__)
def test_a_lying_server_of_objects(liar: Answer, tmp_path: Path) -> None:
    image = FoundImage(study_uid="1.2.3", series_uid="1.2.3.4", sop_uid="1.2.3.4.5", modality="MG")
    with served(liar, timeout_s=1.0) as profile, connect(profile) as pacs, pytest.raises(PacsError):
        list(pacs.fetch([image], lambda uid: tmp_path / "image.dcm"))
    assert list(tmp_path.iterdir()) == []


def mammogram(folder: Path, number: int) -> tuple[FoundImage, bytes]:
    path = folder / f"{number}.dcm"
    header = MammogramHeader(
        patient_id="P", laterality=Laterality.LEFT, view=ViewPosition.CC, spacing_mm=0.1, instance_number=number,
        study_key="a", synthetic=True,
    )  # fmt: skip
    pixels = np.random.default_rng(number).integers(0, 4000, (40, 30), dtype=np.uint16)
    write_mammogram(path, pixels, header)
    found = pydicom.dcmread(path)
    image = FoundImage(
        study_uid=str(found.StudyInstanceUID),
        series_uid=str(found.SeriesInstanceUID),
        sop_uid=str(found.SOPInstanceUID),
    )
    return image, path.read_bytes()


def parts(*contents: bytes) -> tuple[bytes, str]:
    body = b"".join(b"--x\r\nContent-Type: application/dicom\r\n\r\n" + one + b"\r\n" for one in contents)
    return body + b"--x--", 'multipart/related; type="application/dicom"; boundary="x"'


@pytest.mark.parametrize("several", [True, False])
def test_another_object_than_was_asked_for_is_not_kept(tmp_path: Path, several: bool) -> None:
    asked, own = mammogram(tmp_path, 1)
    _, other = mammogram(tmp_path, 2)
    body, kind = parts(own, other) if several else parts(other)
    inbox = Inbox(tmp_path / "inbox")
    with served(lambda handler: send(handler, body, kind)) as profile, connect(profile) as pacs:
        transfer = begin(inbox, profile, (asked,), "MG")
        with pytest.raises(PacsError, match="several objects" if several else "another object than the one"):
            fetch_missing(pacs, transfer)
    assert transfer.files == [] and not transfer.complete


def test_the_object_that_was_asked_for_is_kept(tmp_path: Path) -> None:
    asked, own = mammogram(tmp_path, 1)
    body, kind = parts(own)
    with served(lambda handler: send(handler, body, kind)) as profile, connect(profile) as pacs:
        transfer = begin(Inbox(tmp_path / "inbox"), profile, (asked,), "MG")
        fetch_missing(pacs, transfer)
    assert [path.read_bytes() for path in transfer.files] == [own]


def test_a_find_that_answers_once_an_instance_lists_each_examination_once() -> None:
    from pynetdicom import AE, evt

    from core.pacs.dimse import Dimse
    from core.pacs.profile import DimseProfile
    from tests.pacs.server import free_port

    def find(event: evt.Event):  # type: ignore[no-untyped-def]
        for instance in range(14):
            answer = pydicom.Dataset()
            answer.StudyInstanceUID, answer.PatientID = f"1.2.3.{instance % 7}", "P"
            yield 0xFF00, answer

    server = AE(ae_title="PACS")
    server.acse_timeout = 0.5  # of the call that only tries the connection
    server.add_supported_context("1.2.840.10008.5.1.4.1.2.2.1")
    port = free_port()
    running = server.start_server(("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_FIND, find)])
    try:
        with Dimse(DimseProfile(name="ward", host="127.0.0.1", port=port, called="PACS")) as pacs:
            assert len(pacs.studies(SEARCH).studies) == 7
        for association in running.active_associations:
            association.join(10)
    finally:
        running.shutdown()
