"""Keeps what the program knows of its own defects on this computer, until its user has seen it at the next start.

A running program has a report and a trace file. It holds the trace locked; the interpreter writes into it while it
dies. The lock goes with the process: a trace that can be locked was left by one that is gone. Nothing is sent.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import msgspec

from core.domain.errors import Cancelled, MarginaliaError, StorageFullError
from core.platform.atomic import atomic_write, make_folder
from core.platform.crash import CrashReport, Incident, incident_of, incident_of_trace, new_report, report_text
from core.platform.places import state_folder
from core.platform.system import try_lock, unlock

_MOST_INCIDENTS = 20
_MOST_REPORTS = 10
_TRACE, _REPORT = ".trace", ".json"
_LARGEST_TRACE = 1 << 20


class CrashLog:
    """The crash log of the running program. ``close`` at its end; otherwise the next start finds the report."""

    def __init__(self, folder: Path, *, qt: str = "") -> None:
        """Begin to watch; StorageFullError where the folder cannot be written."""
        make_folder(folder)
        started = _now()
        name = f"{started.replace(':', '')[:17]}-{os.getpid()}"
        self._report_path = folder / f"{name}{_REPORT}"
        self._trace_path = folder / f"{name}{_TRACE}"
        self._lock = threading.Lock()
        self._report = new_report(started, qt=qt)
        atomic_write(self._report_path, msgspec.json.encode(self._report))
        atomic_write(self._trace_path, b"")
        self._trace: IO[bytes] | None = self._trace_path.open("r+b")
        try_lock(self._trace)
        faulthandler.enable(self._trace, all_threads=True)

    def note(self, error: BaseException, *, where: str) -> Incident | None:
        """Keep a defect, from any thread; None for what is none: a sentence for the user, a wish to stop."""
        if isinstance(error, MarginaliaError | Cancelled | KeyboardInterrupt | SystemExit):
            return None
        incident = incident_of(error, where=where, at_utc=_now())
        with self._lock:
            incidents = (*self._report.incidents, incident)[-_MOST_INCIDENTS:]
            self._report = msgspec.structs.replace(self._report, incidents=incidents)
            # a full disk must not turn one defect into two
            with contextlib.suppress(StorageFullError, OSError):
                atomic_write(self._report_path, msgspec.json.encode(self._report))
        return incident

    @property
    def report(self) -> CrashReport:
        return self._report

    def close(self) -> None:
        """The program came to its end by itself. A report without incidents goes; another waits to be seen."""
        with self._lock:
            trace, self._trace = self._trace, None
            if trace is None:
                return
            faulthandler.disable()
            unlock(trace)
            trace.close()
            self._report = msgspec.structs.replace(self._report, ended=True)
            with contextlib.suppress(StorageFullError, OSError):
                self._trace_path.unlink()
                if self._report.incidents:
                    atomic_write(self._report_path, msgspec.json.encode(self._report))
                else:
                    self._report_path.unlink()


class LeftReport(msgspec.Struct, frozen=True, kw_only=True):
    path: Path
    report: CrashReport

    @property
    def text(self) -> str:
        text = report_text(self.report)
        return text if self.report.ended else f"{text}The program ended without being closed.\n"

    def delete(self) -> None:
        for path in (self.path, self.path.with_suffix(_TRACE)):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)


def crash_folder() -> Path:
    return state_folder() / "crashes"


def left_reports(folder: Path) -> tuple[LeftReport, ...]:
    """Return the reports of ended programs, the oldest first; of more than ten the oldest are deleted."""
    found = list(_left(folder))
    for old in found[:-_MOST_REPORTS]:
        old.delete()
    return tuple(found[-_MOST_REPORTS:])


def _left(folder: Path) -> Iterator[LeftReport]:
    for path in sorted(folder.glob(f"*{_REPORT}")):
        try:
            report = msgspec.json.decode(path.read_bytes(), type=CrashReport)
        except (OSError, msgspec.MsgspecError):
            continue
        if report.ended:
            yield LeftReport(path=path, report=report)
            continue
        trace = _trace_of_the_dead(path.with_suffix(_TRACE))
        if trace is None:
            continue
        incident = incident_of_trace(trace, at_utc=_changed(path.with_suffix(_TRACE)))
        incidents = report.incidents if incident is None else (*report.incidents, incident)
        yield LeftReport(path=path, report=msgspec.structs.replace(report, incidents=incidents))


def _trace_of_the_dead(path: Path) -> str | None:
    """Return the trace that an ended process wrote at its end; None if the process is alive."""
    try:
        with path.open("r+b") as file:
            if not try_lock(file):
                return None
            unlock(file)
            return file.read(_LARGEST_TRACE).decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
    except OSError:
        return None


def _changed(path: Path) -> str:
    try:
        return _text(datetime.fromtimestamp(path.stat().st_mtime, UTC))
    except OSError:
        return "unknown"


def _now() -> str:
    return _text(datetime.now(UTC))


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S")
