"""Record of a defect: its place in the program, its kind and the versions. It holds nothing of a patient.

An error's own message may name a patient, a file or a value, so that it is left out. Only the names of its classes
and places in the program are kept. Paths outside the program and its parts are not kept either.
"""

from __future__ import annotations

import platform
import re
import sysconfig
from pathlib import Path
from types import FrameType, TracebackType

import msgspec

from core.platform.version import code_version

_ROOT = Path(__file__).resolve().parents[2]
_MOST_FRAMES = 60
_PARTS = tuple(Path(sysconfig.get_paths()[name]) for name in ("purelib", "platlib", "stdlib", "platstdlib"))
_TRACE_LINE = re.compile(r'^\s*File "(?P<file>[^"\n]+)", line (?P<line>\d{1,7}) in (?P<function>[\w.<>]{1,80})$')
_TRACE_HEAD = re.compile(r"^(?:Fatal Python error|Windows fatal exception): (?P<what>[A-Za-z0-9 _]{1,60})")
_TRACE_THREAD = re.compile(r"^(?P<whose>Current thread|Thread) 0x[0-9a-f]+")
ELSEWHERE = "<elsewhere>"


class StackFrame(msgspec.Struct, frozen=True, kw_only=True):
    """A place in the code, the innermost last."""

    file: str
    line: int
    function: str


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    at_utc: str
    where: str
    """Which part met it: "window", "thread import", "crash" for the end of the process itself."""
    kinds: tuple[str, ...]
    """Names of the error's classes, the first cause first; of a crash, what the interpreter calls it."""
    frames: tuple[StackFrame, ...] = ()


class CrashReport(msgspec.Struct, frozen=True, kw_only=True):
    started_utc: str
    version: str
    python: str
    system: str
    qt: str = ""
    incidents: tuple[Incident, ...] = ()
    ended: bool = False
    """True if the program ended by itself."""


def new_report(started_utc: str, *, qt: str = "") -> CrashReport:
    return CrashReport(
        started_utc=started_utc,
        version=code_version(),
        python=platform.python_version(),
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        qt=qt,
    )


def incident_of(error: BaseException, *, where: str, at_utc: str) -> Incident:
    """Return the incident of an error with its causes; the frames are those of the last one."""
    chain: list[BaseException] = []
    one: BaseException | None = error
    while one is not None and one not in chain:
        chain.append(one)
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)
    kinds = tuple(_kind(each) for each in reversed(chain))
    return Incident(at_utc=at_utc, where=where, kinds=kinds, frames=_frames(error.__traceback__))


def incident_of_trace(text: str, *, at_utc: str) -> Incident | None:
    """Return the incident in an interpreter's crash output (only lines of its own form); None without one."""
    head = [found["what"].strip() for line in text.splitlines() if (found := _TRACE_HEAD.match(line))]
    frames: list[StackFrame] = []
    other_thread = False
    for line in text.splitlines():
        if thread := _TRACE_THREAD.match(line):
            # The interpreter lists the newest thread first; only the one that died is "current"
            other_thread = thread["whose"] != "Current thread"
        found = _TRACE_LINE.match(line)
        if found and not other_thread:
            place = place_of(found["file"])
            frames.append(StackFrame(file=place, line=int(found["line"]), function=found["function"]))
    if not head and not frames:
        return None
    return Incident(at_utc=at_utc, where="crash", kinds=tuple(head), frames=tuple(frames[:_MOST_FRAMES][::-1]))


def place_of(file: str) -> str:
    """A source file relative to the program, or to where its parts are installed; of any other, that it is one."""
    path = Path(file)
    if path.is_relative_to(_ROOT):
        relative = path.relative_to(_ROOT)
        if relative.parts[0] in ("app", "core", "main.py", "tests"):
            return relative.as_posix()
    for folder in _PARTS:
        if path.is_relative_to(folder):
            return path.relative_to(folder).as_posix()
    return file if file.startswith("<frozen ") and len(file) < 60 else ELSEWHERE


def report_text(report: CrashReport) -> str:
    """All that is in the report, for a person."""
    lines = [f"Marginalia {report.version}, Python {report.python}"]
    lines[0] += f", Qt {report.qt}" if report.qt else ""
    lines += [report.system, f"Started {report.started_utc} UTC", ""]
    for incident in report.incidents:
        lines.append(f"{incident.at_utc} UTC, {incident.where}: {', then '.join(incident.kinds) or 'unknown'}")
        lines += [f"    {frame.file}:{frame.line} {frame.function}" for frame in incident.frames]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _kind(error: BaseException) -> str:
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    # a number of the operating system says much and names nobody
    return f"{name} {error.errno}" if isinstance(error, OSError) and isinstance(error.errno, int) else name


def _frames(traceback: TracebackType | None) -> tuple[StackFrame, ...]:
    frames: list[StackFrame] = []
    while traceback is not None:
        frames.append(_frame(traceback.tb_frame, traceback.tb_lineno))
        traceback = traceback.tb_next
    return tuple(frames[-_MOST_FRAMES:])


def _frame(frame: FrameType, line: int) -> StackFrame:
    return StackFrame(file=place_of(frame.f_code.co_filename), line=line, function=frame.f_code.co_name)
