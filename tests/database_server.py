"""A real database server: Debian's PostgreSQL, on loopback, as an ordinary user, in a folder of its own."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

USER = "owner"
_NOBODY = 65534
_START_S = 120.0


def server_programs() -> Path:
    """Their folder; skips the test with the reason where they are not installed."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    found = [folder for folder in folders if (folder / "initdb").is_file() and (folder / "postgres").is_file()]
    if not found:
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
    pytest.importorskip("psycopg", reason="psycopg is not installed (pip install 'marginalia[postgresql]')")
    return found[-1]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(kw_only=True)
class DatabaseServer:
    """``start``, ``kill`` and ``start`` again keep what it stores. It trusts everybody on loopback."""

    folder: Path
    port: int = field(default_factory=free_port)
    settings: tuple[str, ...] = ()
    _process: subprocess.Popen[bytes] | None = None

    def prepare(self) -> None:
        """Make the empty cluster."""
        programs = server_programs()
        if os.geteuid() == 0:
            os.chown(self.folder, *_ordinary_user())
        command = [programs / "initdb", "-D", self.data, "-U", USER, "--auth=trust", "--locale=C.UTF-8", "-N"]
        done = subprocess.run(_ordinarily(*command), capture_output=True, text=True, check=False, cwd=self.folder)
        assert done.returncode == 0, done.stderr

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def start(self) -> None:
        settings = [
            f"port={self.port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={self.folder}",
            "max_connections=120", "shared_buffers=32MB", *self.settings,
        ]  # fmt: skip
        command = [server_programs() / "postgres", "-D", self.data, *(f"--{one}" for one in settings)]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                _ordinarily(*command), stdout=log, stderr=log, cwd=self.folder, start_new_session=True
            )
        deadline = time.monotonic() + _START_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                pytest.fail(f"PostgreSQL did not start: {(self.folder / 'log').read_text()[-2000:]}")
            time.sleep(0.05)

    def kill(self) -> None:
        """As a power failure does, but for what the system still writes."""
        if self._process is not None:
            parts = _children(self._process.pid)
            for pid in (self._process.pid, *parts):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """At once, without waiting for clients."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait()
            self._process = None

    def processor_s(self) -> float:
        """Processor time of the server and of its connections that have ended."""
        assert self._process is not None
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(") ")[2].split()
        return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")

    def address(self, *, user: str = USER, schema: str = "") -> str:
        more = f"&schema={schema}" if schema else ""
        return f"postgresql://{user}@127.0.0.1:{self.port}/postgres?tls=off{more}"

    def run_sql(self, *statements: str, user: str = USER) -> list[tuple[object, ...]]:
        """Run statements, each by itself; the rows of the last one."""
        import psycopg

        with psycopg.connect(
            host="127.0.0.1", port=self.port, dbname="postgres", user=user, autocommit=True
        ) as connection:
            rows: list[tuple[object, ...]] = []
            for statement in statements:
                cursor = connection.execute(statement.encode())
                rows = cursor.fetchall() if cursor.description else []
        return rows

    def _answers(self) -> bool:
        import psycopg

        try:
            self.run_sql("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True


@contextlib.contextmanager
def database_server(**options: object) -> Iterator[DatabaseServer]:
    """A started server; nothing of it is left afterwards. Not below pytest's folder, which is its user's alone."""
    server_programs()
    folder = Path(tempfile.mkdtemp(prefix="marginalia-pg-"))
    server = DatabaseServer(folder=folder, **options)  # type: ignore[arg-type]
    try:
        server.prepare()
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def shared_server() -> Iterator[DatabaseServer]:
    """One server for all tests of a process, which keeps nothing over a failure of the power."""
    with database_server(settings=("fsync=off", "full_page_writes=off")) as server:
        yield server


def _children(pid: int) -> list[int]:
    """Processes that it started: the server has one for each connection, in a session of its own."""
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(word) for word in listed.read_text().split()] if listed.exists() else []


def _ordinary_user() -> tuple[int, int]:
    try:
        found = pwd.getpwnam("postgres")
        return found.pw_uid, found.pw_gid
    except KeyError:
        return _NOBODY, _NOBODY


def _ordinarily(*command: object) -> list[str]:
    """The same command, not as root, which the server refuses to run as."""
    words = [str(word) for word in command]
    if os.geteuid() != 0:
        return words
    user, group = _ordinary_user()
    return ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", *words]
