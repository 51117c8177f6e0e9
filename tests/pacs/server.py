"""A PACS of the tests as a program of its own, on loopback and, where it can be had, in a network namespace."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from core.pacs.profile import DicomwebProfile, DimseProfile, Tls

USER, PASSWORD = "reader", "a secret of the tests"
AE_TITLE = "ORTHANC"
_START_S = 120.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(kw_only=True)
class PacsServer(ABC):
    """``start``, ``kill`` and ``start`` again keep what it stores."""

    folder: Path
    tls: Path | None = None
    """Folder with ca.pem, server.pem and server.key."""
    http_port: int = field(default_factory=free_port)
    dicom_port: int = field(default_factory=free_port)
    receive_port: int = field(default_factory=free_port)
    """Port at which it sends objects to us."""
    https_port: int = 0
    """Port of a front server with TLS: Debian's Orthanc itself dies of its first encrypted call by HTTP."""
    patience_s: int = 90
    """Seconds that it waits for us to acknowledge an object that it sends; Orthanc's own choice is 10."""

    _process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> list[str]:
        """Return the program and its arguments; writes its configuration below ``folder``."""

    def start(self) -> None:
        self.folder.mkdir(exist_ok=True)
        command = self.command()
        log = (self.folder / "log").open("ab")
        self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder, start_new_session=True)
        log.close()
        deadline = time.monotonic() + _START_S
        while not (_answers(self.http_port) and _answers(self.dicom_port)):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                pytest.fail(f"the PACS did not start: {(self.folder / 'log').read_text()[-2000:]}")
            time.sleep(0.05)

    def kill(self) -> None:
        """End it as a power failure does."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def web(self, name: str = "archive", **more: object) -> DicomwebProfile:
        scheme = "http" if self.tls is None else "https"
        given = {"name": name, "login": "password", "user": USER, "timeout_s": 90.0} | more
        given.setdefault("tls", self._client_tls())
        port = self.http_port if self.tls is None else self.https_port
        url = given.pop("url", f"{scheme}://localhost:{port}/dicom-web")
        return DicomwebProfile(url=url, **given)  # type: ignore[arg-type]

    def dimse(self, name: str = "ward", **more: object) -> DimseProfile:
        given = {
            "name": name,
            "host": "localhost",
            "port": self.dicom_port,
            "called": AE_TITLE,
            "listen_port": self.receive_port,
            "timeout_s": 90.0,
            "tls": self._client_tls(),
        }
        return DimseProfile(**given | more)  # type: ignore[arg-type]

    def _client_tls(self) -> Tls:
        if self.tls is None:
            return Tls()
        own = {"certificate": str(self.tls / "server.pem"), "key": str(self.tls / "server.key")}
        return Tls(on=True, ca_file=str(self.tls / "ca.pem"), **own)


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
