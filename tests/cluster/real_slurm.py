"""A Slurm of one node on this machine: munged, slurmctld and slurmd on free ports, in a folder of the test.

Debian's packages slurm-wlm and munge. The daemons of Slurm need root. ``missing`` says what an ordinary machine
lacks; tests then skip with that reason.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol")
_CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
SlurmctldPort={controller}
SlurmdPort={node}
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=1,sched_min_interval=100000,default_queue_depth=200,batch_sched_delay=1
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
ReturnToService=2
SlurmdTimeout={timeout}
KillWait=5
InactiveLimit=0
MinJobAge=300
MaxArraySize=1001
OverTimeLimit=0
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO
"""


def missing() -> str:
    """Why no Slurm can be started here; "" where it can."""
    absent = [name for name in PROGRAMS if _path_of(name) is None]
    if absent:
        return f"no Slurm here: {', '.join(absent)} missing (apt-get install slurm-wlm munge)"
    return "" if os.geteuid() == 0 else "Slurm's daemons need root"


def _path_of(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@dataclass(kw_only=True)
class RealSlurm:
    folder: Path
    cpus: int = 2
    timeout: int = 10
    """Seconds after which slurmctld takes a node that does not answer for lost."""
    daemons: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        return {"SLURM_CONF": str(self.folder / "slurm.conf")}

    def start(self) -> None:
        for name in ("state", "spool"):
            (self.folder / name).mkdir()
        self.folder.chmod(0o755)
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        text = _CONFIGURATION.format(
            folder=self.folder, host=socket.gethostname(), controller=free_port(), node=free_port(),
            cpus=self.cpus, timeout=self.timeout,
        )  # fmt: skip
        (self.folder / "slurm.conf").write_text(text)
        (self.folder / "cgroup.conf").write_text("CgroupPlugin=autodetect\n")
        self._begin("munged", "--foreground", f"--key-file={key}", f"--socket={self.folder}/munge.socket",
                    f"--pid-file={self.folder}/munged.pid", f"--log-file={self.folder}/munged.log",
                    f"--seed-file={self.folder}/munged.seed", "--force")  # fmt: skip
        self._wait((self.folder / "munge.socket").exists, "munged")
        self.start_controller()
        self.start_node()
        self._wait(
            lambda: self.call("sinfo", "-h", "-o", "%T").strip() in ("idle", "mixed", "allocated"), "slurmd"
        )

    def start_controller(self) -> None:
        self._begin("slurmctld", "-D")
        self._wait(lambda: "UP" in self.call("scontrol", "ping"), "slurmctld")

    def start_node(self) -> None:
        self._begin("slurmd", "-D")

    def call(self, *words: str) -> str:
        """Return the output of a command of Slurm; "" where it fails."""
        done = subprocess.run(
            words, capture_output=True, text=True, check=False, env={**os.environ, **self.environment}, timeout=30
        )
        return done.stdout if done.returncode == 0 else ""

    def kill(self, name: str) -> None:
        """End a daemon as a loss of power does."""
        process = self.daemons.pop(name)
        process.kill()
        process.wait()

    def stop(self) -> None:
        """Cancel every job and end the daemons."""
        if "slurmctld" in self.daemons:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.call("scancel", "--full", "--signal=KILL", "--user=root")
                self.call("scancel", "--user=root")
        for name in ("slurmd", "slurmctld", "munged"):
            if name in self.daemons:
                process = self.daemons.pop(name)
                process.terminate()
                try:
                    process.wait(timeout=10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    def _begin(self, name: str, *options: str) -> None:
        path = _path_of(name)
        assert path is not None
        with (self.folder / f"{name}.out").open("ab") as out:
            self.daemons[name] = subprocess.Popen(
                [path, *options], stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
                env={**os.environ, **self.environment},
            )  # fmt: skip

    def _wait(self, ready, what: str) -> None:  # type: ignore[no-untyped-def]
        deadline = time.monotonic() + 30
        while not ready():
            if time.monotonic() > deadline or self.daemons[what].poll() is not None:
                raise RuntimeError(f"{what} did not start: {(self.folder / f'{what}.out').read_text()[-2000:]}")
            time.sleep(0.1)
