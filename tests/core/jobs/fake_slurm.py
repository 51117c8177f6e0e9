"""A Slurm of small scripts, for the default run: sbatch starts the job at once, as the first task of its array."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

_SBATCH = """#!{python}
import json, os, subprocess, sys
here = os.path.dirname(os.path.abspath(__file__))
arguments = sys.argv[1:]
with open(os.path.join(here, "asked.jsonl"), "a") as file:
    file.write(json.dumps(arguments) + "\\n")
if os.environ.get("REFUSED"):
    sys.exit("sbatch: error: invalid partition specified: nope\\nsbatch: error: Batch job submission failed")
output = next(a.split("=", 1)[1] for a in arguments if a.startswith("--output=")).replace("%%", "%")
work = arguments[arguments.index("--wrap") + 1]
if os.environ.get("WAITS"):
    work = "exec sleep 600"
if os.environ.get("LOST"):
    work = "echo no such program; exit 9"
with open(output, "ab") as log:
    job = dict(os.environ, SLURM_JOB_ID="7", SLURM_CPUS_ON_NODE="1")
    child = subprocess.Popen(["sh", "-c", work], stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                             env=job, start_new_session=True)
with open(os.path.join(here, "pid"), "w") as file:
    file.write(str(child.pid))
print(f"{{child.pid}};cluster")
"""
_SQUEUE = """#!{python}
import os, sys
here = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(here, "polls"), "a") as file:
    file.write("x")
if not "--jobs" in sys.argv:
    sys.exit(0)
pid = sys.argv[sys.argv.index("--jobs") + 1]
try:
    with open(f"/proc/{{pid}}/stat") as file:
        running = file.read().rsplit(")", 1)[1].split()[0] != "Z"
except FileNotFoundError:
    running = False
state = "RUNNING" if running else "FAILED"
if running and os.environ.get("WAITS"):
    state = "PENDING"
print(f"{{pid}}|{{state}}|Priority|node1")
"""
_SCANCEL = """#!{python}
import os, signal, sys
if "--state=PENDING" in sys.argv and not os.environ.get("WAITS"):
    sys.exit(0)
try:
    os.kill(int(sys.argv[-1]), signal.SIGTERM)
except ProcessLookupError:
    sys.exit("scancel: error: Kill job error on job id: Invalid job id specified")
"""


def put_fake_slurm(folder: Path) -> Path:
    """Make ``folder`` with the scripts; it goes on the PATH."""
    folder.mkdir()
    for name, text in (("sbatch", _SBATCH), ("squeue", _SQUEUE), ("scancel", _SCANCEL)):
        path = folder / name
        path.write_text(text.format(python=sys.executable))
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return folder


def path_with(folder: Path) -> str:
    return f"{folder}{os.pathsep}{os.environ['PATH']}"
