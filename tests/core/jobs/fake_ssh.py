"""An ssh that carries the command out on this machine, in a home folder of its own, and can break."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

_SSH = """#!{python}
import json, os, subprocess, sys, threading
here = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(here, "asked.jsonl"), "a") as file:
    file.write(json.dumps(sys.argv[1:]) + "\\n")
if os.environ.get("SSH_REFUSES"):
    sys.stderr.write("me@gpu: Permission denied (publickey).\\n")
    sys.exit(255)
there = dict(os.environ, HOME=os.path.join(here, "home"))
child = subprocess.Popen(["sh", "-c", sys.argv[-1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=there)
with open(os.path.join(here, "pid"), "w") as file:
    file.write(str(child.pid))
def copy():
    while block := os.read(0, 1 << 16):
        try:
            child.stdin.write(block)
            child.stdin.flush()
        except BrokenPipeError:
            return
    child.stdin.close()
threading.Thread(target=copy, daemon=True).start()
breaks = os.environ.get("SSH_BREAKS_AT", "")
while block := child.stdout.read1(1 << 16):
    sys.stdout.buffer.write(block)
    sys.stdout.buffer.flush()
    if breaks and breaks.encode() in block:
        child.stdin.close()
        child.wait()
        sys.stderr.write("client_loop: send disconnect: Broken pipe\\n")
        sys.stderr.flush()
        os._exit(255)
sys.stdout.flush()
os._exit(child.wait())
"""


def put_fake_ssh(folder: Path) -> Path:
    """Make ``folder`` with the script ``ssh`` and the home folder ``home`` of the machine there."""
    (folder / "home").mkdir(parents=True)
    path = folder / "ssh"
    path.write_text(_SSH.replace("{python}", sys.executable))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return folder


def path_with(folder: Path) -> str:
    return f"{folder}{os.pathsep}{os.environ['PATH']}"
