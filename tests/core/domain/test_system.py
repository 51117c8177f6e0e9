"""Calls that differ between operating systems."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from core.domain.system import interrupts_held_back

posix_only = pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="needs the signals of POSIX")


@posix_only
def test_a_process_started_while_interrupts_are_held_back_never_hears_ctrl_c() -> None:
    code = "import sys; print('up', flush=True); sys.stdin.read(); print('ended well')"
    with interrupts_held_back():
        child = subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
    assert child.stdout is not None
    assert child.stdout.readline() == "up\n"
    os.kill(child.pid, signal.SIGINT)
    said, _ = child.communicate(timeout=30)
    assert (said, child.returncode) == ("ended well\n", 0)


@posix_only
def test_an_interrupt_that_was_held_back_is_heard_afterwards() -> None:
    with pytest.raises(KeyboardInterrupt), interrupts_held_back():
        os.kill(os.getpid(), signal.SIGINT)
        reached = True
    assert reached
