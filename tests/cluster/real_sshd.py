"""An sshd of this machine on a free port, with keys of its own, and an ``ssh`` that uses them.

``missing`` says what an ordinary machine lacks. A proxy between both can be frozen, as a network that dies.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.cluster.real_slurm import free_port

_SERVER = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/user_key.pub
PidFile {folder}/sshd.pid
StrictModes no
UsePAM no
PasswordAuthentication no
MaxStartups 100
SetEnv PATH={path} MARGINALIA_STATE={folder}/state-there MARGINALIA_DEVICES={folder}/devices OMP_NUM_THREADS=1
"""
_CLIENT = """\
Host *
  IdentityFile {folder}/user_key
  IdentitiesOnly yes
  UserKnownHostsFile {folder}/known_hosts
  GlobalKnownHostsFile /dev/null
Host direct gpu1 gpu2
  HostName 127.0.0.1
  Port {port}
  HostKeyAlias there
Host frozen
  HostName 127.0.0.1
  Port {proxy}
  HostKeyAlias there
Host stranger
  HostName 127.0.0.1
  Port {port}
  HostKeyAlias nobody-knows
Host keyless
  HostName 127.0.0.1
  Port {port}
  HostKeyAlias there
  PubkeyAuthentication no
"""
_PROXY = """
import socket, sys, threading
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
def copy(a, b):
    try:
        while block := a.recv(65536):
            b.sendall(block)
        b.shutdown(socket.SHUT_WR)
    except OSError:
        pass
while True:
    near, _ = server.accept()
    far = socket.create_connection(("127.0.0.1", int(sys.argv[2])))
    for pair in ((near, far), (far, near)):
        threading.Thread(target=copy, args=pair, daemon=True).start()
"""


def missing() -> str:
    """Why no sshd can be started here; "" where it can."""
    path = f"{os.environ['PATH']}:/usr/sbin"
    absent = [name for name in ("sshd", "ssh", "ssh-keygen") if shutil.which(name, path=path) is None]
    return f"no OpenSSH here: {', '.join(absent)} missing (apt-get install openssh-server)" if absent else ""


@dataclass(kw_only=True)
class RealSshd:
    folder: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self) -> None:
        port, proxy = free_port(), free_port()
        for name in ("host_key", "user_key"):
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.folder / name)], check=True
            )
        public = (self.folder / "host_key.pub").read_text()
        (self.folder / "known_hosts").write_text(f"there {public}")
        facts = {"folder": self.folder, "port": port, "proxy": proxy, "path": os.environ["PATH"]}
        (self.folder / "sshd_config").write_text(_SERVER.format(**facts))
        (self.folder / "ssh_config").write_text(_CLIENT.format(**facts))
        own = self.folder / "bin"
        own.mkdir()
        ssh = shutil.which("ssh")
        (own / "ssh").write_text(f'#!/bin/sh\nexec {ssh} -F {self.folder}/ssh_config "$@"\n')
        (own / "ssh").chmod(0o755)
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        sshd = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
        assert sshd is not None
        self._begin(sshd, "-D", "-e", "-f", str(self.folder / "sshd_config"))
        self._begin(sys.executable, "-c", _PROXY, str(proxy), str(port))
        for one in (port, proxy):
            _wait_for(one)

    @property
    def path(self) -> str:
        return f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"

    def freeze(self) -> None:
        """The proxy passes nothing on any more and closes nothing: a network that died without a word."""
        self.processes[1].send_signal(signal.SIGSTOP)

    def stop(self) -> None:
        for process in self.processes:
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()

    def _begin(self, *words: str) -> None:
        with (self.folder / "log").open("ab") as log:
            self.processes.append(
                subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
            )


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
