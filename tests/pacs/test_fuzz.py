"""B-09: mutated PDUs against the real receiver and the real client, mutated answers of a DICOMweb server.

Whatever comes, the receiver goes on receiving, the client returns or raises one sentence, no thread ends by an
error and nothing is left on the disk. Seeds are fixed.
"""

from __future__ import annotations

import json
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pynetdicom import AE, evt

from core.domain.errors import PacsError
from core.pacs import dimse
from core.pacs.client import connect
from core.pacs.dicom_json import rows
from core.pacs.profile import DicomwebProfile, DimseProfile
from core.pacs.query import FoundImage, Query
from tests.core.imaging.test_worker import mutated
from tests.pacs.liars import object_row, study_row
from tests.pacs.server import free_port
from tests.pacs.test_receiver_limits import Receiver, image
from tests.safety.kept import go_on

SEARCH = Query(patient_id="P")
_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
_RELEASED = b"\x06"
"""Type of the PDU A-RELEASE-RP (PS3.8, 9.3.7)."""


@contextmanager
def no_thread_fails(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    failed: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr(threading, "excepthook", lambda what: failed.append(repr(what.exc_value)))
        yield
    assert failed == []


def changed(pdus: list[bytes], random: np.random.Generator) -> list[bytes]:
    """One PDU mutated, or lost, or twice, or two of them in another order."""
    out, at = list(pdus), int(random.integers(len(pdus)))
    match int(random.integers(8)):
        case 0:
            del out[at]
        case 1:
            out.insert(at, out[at])
        case 2:
            other = int(random.integers(len(out)))
            out[at], out[other] = out[other], out[at]
        case 3:  # a length that is not that of what follows
            length = int(random.integers(0, 1 << 20)).to_bytes(4, "big")
            out[at] = out[at][:2] + length + out[at][6:]
        case _:
            body = mutated(out[at][6:], random) if random.random() < 0.7 else b""
            out[at] = out[at][:2] + len(body).to_bytes(4, "big") + body if body else mutated(out[at], random)
    return out


def good_call(receiver: Receiver, path: Path) -> list[bytes]:
    """The PDUs of a caller that sends one object."""
    sent: list[bytes] = []
    entity = AE(ae_title="PACS")
    dataset = pydicom.dcmread(path)
    entity.add_requested_context(dataset.SOPClassUID)
    association = entity.associate(
        "127.0.0.1",
        receiver.profile.listen_port,
        ae_title=receiver.profile.calling,
        evt_handlers=[(evt.EVT_DATA_SENT, lambda event: sent.append(bytes(event.data)))],
    )
    assert association.send_c_store(dataset).Status == 0
    association.release()
    return sent


def call_with(receiver: Receiver, pdus: list[bytes]) -> None:
    with receiver.call() as call, suppress(OSError):
        call.settimeout(0.05)
        for pdu in pdus:
            call.sendall(pdu)
            with suppress(TimeoutError):
                call.recv(1 << 16)


def receiver_stands(folder: Path, seeds: list[int], monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    receiver, path = Receiver(folder / "inbox"), image(folder)
    with no_thread_fails(monkeypatch), receiver.listener:
        pdus = good_call(receiver, path)
        for seed in seeds:
            call_with(receiver, changed(pdus, np.random.default_rng([21, seed])))
        receiver.files.clear()
        good_call(receiver, path)
        assert len(receiver.files) == 1
    receiver.callers.close()
    assert [path for path in receiver.folder.rglob("*") if path.is_file()] == []
    return Counter(calls=len(seeds))


def test_mutated_calls_leave_the_receiver_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    receiver_stands(tmp_path, list(range(25)), monkeypatch)


@contextmanager
def answering(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """The port of a server that answers each connection in this way, one after the other."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        over = threading.Event()

        def serve() -> None:
            while not over.is_set():
                with suppress(OSError):
                    call = server.accept()[0]
                    with call:
                        call.settimeout(0.5)
                        answer(call)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            over.set()
            thread.join()


def good_answers() -> list[bytes]:
    """The PDUs of a PACS that is asked for an examination and has two."""
    sent: list[bytes] = []

    def found(event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        for number in range(2):
            one = Dataset()
            one.StudyInstanceUID, one.PatientID, one.QueryRetrieveLevel = f"1.2.{number}", "P", "STUDY"
            yield 0xFF00, one

    entity = AE(ae_title="PACS")
    entity.network_timeout = entity.acse_timeout = entity.dimse_timeout = 2
    entity.add_supported_context(_FIND)
    handlers = [(evt.EVT_C_FIND, found), (evt.EVT_DATA_SENT, lambda event: sent.append(bytes(event.data)))]
    port = free_port()
    server = entity.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers)
    try:
        with connect(DimseProfile(name="pacs", host="127.0.0.1", port=port, called="PACS")) as pacs:
            assert len(pacs.studies(SEARCH).studies) == 2
    finally:
        server.shutdown()
        for thread in threading.enumerate():
            if thread.name.startswith("AcceptorThread"):
                thread.join(20)
    return sent


def client_stands(seeds: list[int], monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    pdus, outcomes = good_answers(), Counter[str]()
    waiting: list[list[bytes]] = []

    def answer(call: socket.socket) -> None:
        for number, pdu in enumerate(waiting[-1]):
            # the client speaks before the association, before the first answer and before the end
            if (number < 2 or pdu[:1] == _RELEASED) and not call.recv(1 << 16):
                return
            call.sendall(pdu)

    with no_thread_fails(monkeypatch), answering(answer) as port:
        profile = DimseProfile(name="pacs", host="127.0.0.1", port=port, called="PACS", timeout_s=1.0)
        waiting.append(pdus)
        with connect(profile) as pacs:
            assert len(pacs.studies(SEARCH).studies) == 2, "without a mutation the answer is read"
        for seed in seeds:
            waiting.append(changed(pdus, np.random.default_rng([22, seed])))
            try:
                with connect(profile) as pacs:
                    found = pacs.studies(SEARCH)
                outcomes["answers"] += 1
                assert len(found.studies) <= 2
            except PacsError:
                outcomes["sentences"] += 1
    return outcomes


def test_mutated_answers_of_a_pacs_are_answers_or_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    assert client_stands(list(range(10)), monkeypatch).total() == 10


def response(body: bytes, kind: str, *headers: str) -> bytes:
    lines = ["HTTP/1.1 200 OK", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def good_pages(path: Path) -> dict[str, bytes]:
    part = b"--b\r\nContent-Type: application/dicom\r\n\r\n" + path.read_bytes() + b"\r\n--b--\r\n"
    page = json.dumps([study_row(1), study_row(2)]).encode()
    return {
        "studies": response(page, "application/dicom+json", 'Warning: 299 x "more"'),
        "images": response(json.dumps([object_row(1)]).encode(), "application/dicom+json"),
        "object": response(part, 'multipart/related; type="application/dicom"; boundary=b'),
    }


def test_a_value_that_is_not_valid_is_read_without_a_warning_that_quotes_it() -> None:
    answer, tag = Dataset(), Tag("StudyInstanceUID")
    answer[tag] = RawDataElement(tag, "UI", 6, b"1.2.1.", 0, False, True)
    assert dimse._text(answer, "StudyInstanceUID") == "1.2.1."


def test_a_tag_of_more_than_32_bits_is_no_attribute() -> None:
    """Found by ``python -m tests.safety.fuzz answers``; the search ended as a defect of the program."""
    answer = {"4010000201208": {"vr": "IS", "Value": [4]}, "00100020": {"vr": "LO", "Value": ["P"]}}
    assert rows([answer]) == [{"PatientID": "P"}]


def web_client_stands(folder: Path, seeds: list[int]) -> Counter[str]:
    path, outcomes = image(folder), Counter[str]()
    pages, waiting = good_pages(path), [b""]

    def answer(call: socket.socket) -> None:
        with suppress(OSError):
            call.recv(1 << 16)
            call.sendall(waiting[-1])

    wanted = FoundImage(study_uid="1.2.3", series_uid="1.2.3.4", sop_uid="1.2.3.4.5")
    with answering(answer) as port:
        profile = DicomwebProfile(name="web", url=f"http://127.0.0.1:{port}/d", timeout_s=1.0)
        for seed in seeds:
            random = np.random.default_rng([23, seed])
            kind = sorted(pages)[seed % 3]
            good = pages[kind]
            head = good.index(b"\r\n\r\n") + 4
            # half of the mutations in the head, where an answer is understood
            bad = mutated(good[:head], random) + good[head:] if random.random() < 0.5 else mutated(good, random)
            waiting.append(bad)
            try:
                with connect(profile) as pacs:
                    if kind == "studies":
                        pacs.studies(SEARCH)
                    elif kind == "images":
                        pacs.images("1.2.3", "MG")
                    else:
                        list(pacs.fetch([wanted], lambda uid: folder / "got.dcm"))
                outcomes[f"{kind} taken"] += 1
            except PacsError:
                outcomes[f"{kind} refused"] += 1
    assert not list(folder.glob("*.part")) and not list(folder.glob("*.body"))
    return outcomes


def test_mutated_answers_of_a_web_server_are_answers_or_a_sentence(tmp_path: Path) -> None:
    assert web_client_stands(tmp_path, list(range(45))).total() == 45


@pytest.mark.safety_full
@pytest.mark.timeout(0)
def test_thousands_of_mutated_messages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def step(start: int) -> Counter[str]:
        folder = tmp_path / str(start)
        folder.mkdir()
        seeds = list(range(1000 + start, 1100 + start))
        counted = receiver_stands(folder, seeds, monkeypatch)
        return counted + client_stands(seeds, monkeypatch) + web_client_stands(folder, seeds)

    assert go_on("B-09-messages", 2000, step, at_once=100)["calls"] == 2000
