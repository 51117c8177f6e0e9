"""Run the built-in checks on this machine, in less than a minute: acknowledged strokes survive a kill, a backup is
restored, hostile files are refused, crashing worker processes are handled, tampering is found, training repeats to
the bit. Works in a temporary folder and writes a report (JSON and text) that names versions and no study and no
patient.

example:
  marginalia self-test --out self-test
"""

from __future__ import annotations

import argparse
from pathlib import Path

from core.cli.console import Console
from core.domain.messages import as_text

HELP = "run the built-in checks on this machine, and write a report"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, default=Path("self-test"), help="folder of the report (self-test)")
    parser.add_argument("--place", type=Path, help="folder whose disk is tested (default: that of the report)")


def run(arguments: argparse.Namespace, console: Console) -> int:
    import msgspec

    from core.platform.atomic import atomic_write, make_folder
    from core.tasks.studies.self_test import self_test, self_test_text

    make_folder(arguments.out)
    report = self_test(arguments.place or arguments.out, emit=console.emit, cancelled=console.cancelled)
    text = self_test_text(report)
    document = {**msgspec.to_builtins(report, enc_hook=as_text), "passed": report.passed}
    atomic_write(
        arguments.out / "report.json",
        msgspec.json.format(msgspec.json.encode(document, enc_hook=as_text), indent=1),
    )
    atomic_write(arguments.out / "report.txt", (text + "\n").encode())
    console.result(document, f"{text}\nThe report is in {arguments.out}.")
    return 0 if report.passed else 1
