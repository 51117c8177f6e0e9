"""C-05: whoever calls the receiver takes little memory, little time and no other caller's place."""

from __future__ import annotations

import resource
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pynetdicom import AE, build_context
from pynetdicom.association import Association

from core.domain.vocabulary import Laterality, ViewPosition
from core.imaging.write_dicom import MammogramHeader, write_mammogram
from core.pacs.guard import Budget, Limits
from core.pacs.listener import Listener
from core.pacs.profile import DimseProfile, Tls
from core.pacs.sockets import MOST_CONNECTIONS, Sockets
from tests.pacs.certificates import write_certificates
from tests.pacs.server import free_port

HEADER = MammogramHeader(
    patient_id="P1", laterality=Laterality.LEFT, view=ViewPosition.CC, spacing_mm=0.1, synthetic=True
)
PLAIN = Tls()
MAMMOGRAPHY = "1.2.840.10008.5.1.4.1.1.1.2"


class Receiver:
    """A listener with small limits, and what arrived."""

    def __init__(self, folder: Path, *, tls: Tls = PLAIN, timeout_s: float = 2.0) -> None:
        port = free_port()
        self.profile = DimseProfile(
            name="pacs", host="127.0.0.1", port=1, called="PACS", listen_port=port, timeout_s=timeout_s, tls=tls
        )
        self.files: dict[str, bytes] = {}
        self.folder = folder
        self.callers = Sockets(Limits(object_bytes=1_000_000, wait_s=5.0))
        self.listener = Listener(self.profile, folder, self._take)

    def _take(self, association: int, uid: str, file: Path) -> bool:
        self.files[uid] = file.read_bytes()
        return True

    def call(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.profile.listen_port), timeout=10)

    def associate(self) -> Association:
        entity = AE(ae_title="PACS")
        return entity.associate(
            "127.0.0.1",
            self.profile.listen_port,
            contexts=[build_context(MAMMOGRAPHY), build_context("1.2.840.10008.1.1")],
            ae_title=self.profile.calling,
            evt_handlers=[self.callers.handler],
        )


@pytest.fixture
def receiver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """Objects of at most 1 MB, and a second to be slow in."""

    def limits(**asked: float) -> Limits:
        return Limits(object_bytes=1_000_000, wait_s=asked["wait_s"], slow_s=1.0)

    monkeypatch.setattr("core.pacs.listener.Limits", limits)
    made = Receiver(tmp_path / "inbox")
    with made.listener:
        yield made
    made.callers.close()


def is_closed(call: socket.socket) -> bool:
    with suppress(OSError):
        while call.recv(1 << 16):
            pass
    return True


def image(folder: Path) -> Path:
    path = folder / "image.dcm"
    pixels = np.random.default_rng(0).integers(0, 4000, (200, 150), dtype=np.uint16)
    write_mammogram(path, pixels, HEADER)
    return path


def test_an_object_arrives_whole_and_leaves_no_file_behind(receiver: Receiver, tmp_path: Path) -> None:
    sent = pydicom.dcmread(image(tmp_path))
    association = receiver.associate()
    assert association.send_c_store(sent).Status == 0
    association.release()
    [content] = receiver.files.values()
    (tmp_path / "back.dcm").write_bytes(content)
    back = pydicom.dcmread(tmp_path / "back.dcm")
    assert back.SOPInstanceUID == sent.SOPInstanceUID and back.PixelData == sent.PixelData
    assert [path for path in receiver.folder.rglob("*") if path.is_file()] == []


def test_a_header_that_announces_four_gigabytes(receiver: Receiver) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with receiver.call() as call:
        call.sendall(struct.pack(">BBL", 1, 0, 0xFFFFFFF0))
        with suppress(OSError):
            for _ in range(64):
                call.sendall(b"\0" * (1 << 20))
        assert is_closed(call)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


def p_data(context: int, control: int, fragment: bytes) -> bytes:
    item = struct.pack(">LBB", len(fragment) + 2, context, control) + fragment
    return struct.pack(">BBL", 4, 0, len(item)) + item


def raw(association: Association) -> tuple[socket.socket, int]:
    assert association.is_established
    call = association.dul.socket.socket
    assert call is not None
    return call, association.accepted_contexts[0].context_id


def store_command() -> bytes:
    def element(number: int, value: bytes) -> bytes:
        return struct.pack("<HHL", 0, number, len(value)) + value

    uid = b"1.2.3\0"
    return b"".join(
        (element(2, MAMMOGRAPHY.encode() + b"\0" * (len(MAMMOGRAPHY) % 2)), element(0x100, b"\x01\0"),
         element(0x110, b"\x01\0"), element(0x700, b"\0\0"), element(0x800, b"\0\0"), element(0x1000, uid))
    )  # fmt: skip


@pytest.mark.parametrize("control", [0, 1])
def test_a_message_without_an_end(receiver: Receiver, control: int) -> None:
    """Fragments of a data set after its command, or of a command that never ends."""
    association = receiver.associate()
    call, context = raw(association)
    sent = 0
    with suppress(OSError):
        if control == 0:
            call.sendall(p_data(context, 3, store_command()))
        for _ in range(2000):
            call.sendall(p_data(context, control, b"\0" * 50_000))
            sent += 50_000
    association.abort()
    assert sent < 60_000_000  # what fits into the buffers of the system, and not all
    assert receiver.files == {}
    deadline = time.monotonic() + 10
    while left := list(receiver.folder.rglob("object-*")):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def test_a_message_that_trickles(receiver: Receiver) -> None:
    association = receiver.associate()
    call, context = raw(association)
    call.sendall(p_data(context, 3, store_command()))
    with pytest.raises(OSError):
        for _ in range(400):
            call.sendall(p_data(context, 0, b"\0" * 10))
            time.sleep(0.02)
    association.abort()


def test_a_request_that_trickles(receiver: Receiver) -> None:
    with receiver.call() as call:
        call.sendall(struct.pack(">BBL", 1, 0, 500))
        with pytest.raises(OSError):
            for _ in range(500):
                call.sendall(b"\0")
                time.sleep(0.02)
            assert not is_closed(call)


@pytest.mark.parametrize("silent", [10, MOST_CONNECTIONS + 6])
def test_silent_callers_keep_nobody_out(receiver: Receiver, tmp_path: Path, silent: int) -> None:
    with ExitStack() as calls:
        for _ in range(silent):
            calls.enter_context(receiver.call())
        association = receiver.associate()
        assert association.send_c_store(pydicom.dcmread(image(tmp_path))).Status == 0
        association.release()
    assert len(receiver.files) == 1


def test_callers_who_went_leave_no_thread(tmp_path: Path) -> None:
    """A thread that waited for a request would wait for ten minutes."""
    receiver = Receiver(tmp_path / "inbox", timeout_s=600.0)
    with receiver.listener:
        for _ in range(20):
            receiver.call().close()
        # one who sends is served after them, so that by then each of them has had its thread
        receiver.associate().release()
        for thread in threading.enumerate():
            if thread.name.startswith("AcceptorThread"):
                thread.join(120)
                assert not thread.is_alive()
    receiver.callers.close()


def test_silent_callers_keep_nobody_out_who_encrypts(tmp_path: Path) -> None:
    certificates = tmp_path / "tls"
    write_certificates(certificates)
    tls = Tls(on=True, certificate=str(certificates / "server.pem"), key=str(certificates / "server.key"))
    receiver = Receiver(tmp_path / "inbox", tls=tls)
    context = ssl.create_default_context(cafile=certificates / "ca.pem")
    with receiver.listener, ExitStack() as calls:
        for _ in range(10):
            calls.enter_context(receiver.call())
        with receiver.call() as call, context.wrap_socket(call, server_hostname="localhost") as encrypted:
            assert encrypted.version() is not None


def test_a_budget_is_shared_and_given_back() -> None:
    budget = Budget(100)
    assert budget.take(60) and not budget.take(60)
    budget.give_back(60)
    assert budget.take(40) and threading.active_count() >= 1
