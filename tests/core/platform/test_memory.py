"""Memory that a process frees stays with it where it computes."""

from __future__ import annotations

import subprocess
import sys

import pytest

from core.platform.memory import keep_freed_memory

COUNT = """
import resource
from core.platform.memory import keep_freed_memory
if {keep}:
    assert keep_freed_memory()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(30):
    b"x" * (64 << 20)  # not numpy, which asks for huge pages
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="page faults are counted as Linux counts them")
def test_what_is_freed_is_used_again_without_asking_the_system() -> None:
    faults = {}
    for keep in (False, True):
        command = [sys.executable, "-c", COUNT.format(keep=keep)]
        faults[keep] = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert faults[True] < faults[False] / 5


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.libc_ver", lambda: ("", ""))
    assert not keep_freed_memory()
