"""Calls that differ between operating systems."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from core.platform.system import fixed_memory, interrupts_held_back

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
def test_the_processes_of_multiprocessing_do_not_hear_it_either() -> None:
    code = (
        "import multiprocessing, os, signal, sys, time\n"
        "from core.platform.system import fixed_memory, interrupts_held_back\n"
        "if __name__ == '__main__':\n"
        "    process = multiprocessing.get_context('spawn').Process(target=time.sleep, args=(0.5,))\n"
        "    with interrupts_held_back():\n"
        "        process.start()\n"
        "    os.kill(process.pid, signal.SIGINT)\n"
        "    process.join()\n"
        "    sys.exit(process.exitcode)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@posix_only
def test_an_interrupt_that_was_held_back_is_heard_afterwards() -> None:
    """In a process of its own: with further threads the system may let one of them hear it at once."""
    code = (
        "import os, signal, sys\n"
        "from core.platform.system import fixed_memory, interrupts_held_back\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "reached = False\n"
        "try:\n"
        "    with interrupts_held_back():\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "        reached = True\n"
        "except KeyboardInterrupt:\n"
        "    sys.exit(0 if reached else 1)\n"
        "sys.exit(2)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_memory_that_is_shared_keeps_its_size_whoever_holds_it() -> None:
    memory = fixed_memory(8192)
    if memory is None:
        pytest.skip("this system has no memory whose size can be sealed; pixels come through the pipe")
    try:
        assert os.fstat(memory).st_size == 8192
        for size in (0, 4096, 16_384):
            with pytest.raises(PermissionError):
                os.ftruncate(memory, size)
    finally:
        os.close(memory)
