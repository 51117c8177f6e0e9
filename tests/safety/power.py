"""What a disk may hold after the power failed in the middle of a piece of work (safety.md, B-02).

``recorded`` runs a program under strace and keeps every change of one folder: bytes, names, and what was synced.
``worlds`` gives every state that a cut between two of these steps may leave; ``write_world`` makes one real.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[2]
_CALLS = (
    "openat,open,creat,write,pwrite64,writev,pwritev,lseek,ftruncate,fsync,fdatasync,rename,renameat,renameat2,"
    "unlink,unlinkat,mkdir,mkdirat,rmdir,copy_file_range,sendfile,fallocate,link,linkat,symlink,symlinkat"
)
_LINE = re.compile(r"(?:\[pid +)?(\d+)?\]? *(\w+)\((.*)\) += (-?\d+|0x[0-9a-f]+)(.*)")
_FD = re.compile(r"(\d+|AT_FDCWD)<((?:\\x[0-9a-f]{2})*)>")
_TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
SAID = b"acknowledged: "
SAY = """
import os
def say(what):
    os.write(1, f"acknowledged: {what}".encode())
"""
"""Begins a program that is recorded: it calls ``say`` for what it will have kept from then on."""
NOT_DURABLE = ("-shm",)
"""Memory that processes share; it is made anew at the next opening."""


@dataclass
class File:
    content: bytearray = field(default_factory=bytearray)
    synced: bytes = b""


@dataclass
class Tree:
    """A folder: what programs see (``names``) and what is on the disk for certain (``durable``)."""

    names: dict[str, File | None]
    """Path below the folder to file; None for a folder."""
    durable: dict[str, File | None]

    @classmethod
    def of(cls, folder: Path) -> Tree:
        names: dict[str, File | None] = {}
        for path in sorted(folder.rglob("*")):
            content = None if path.is_dir() else path.read_bytes()
            name = path.relative_to(folder).as_posix()
            names[name] = None if content is None else File(bytearray(content), content)
        return cls(names, dict(names))


World = dict[str, bytes | None]


def write_world(world: World, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, content in sorted(world.items(), key=lambda item: item[0].count("/")):
        if content is None:
            (folder / name).mkdir(exist_ok=True)
        else:
            (folder / name).write_bytes(content)


@dataclass(frozen=True)
class Step:
    call: str
    path: str = ""
    other: str = ""
    at: int = 0
    data: bytes = b""


class StepsUnknownError(Exception):
    """The program changed the folder in a way that is not modelled."""


def recorded(folder: Path, arguments: list[str], log: Path) -> list[Step]:
    """Run ``python arguments`` under strace; the steps that changed ``folder``, and its output (``say``)."""
    command = ["strace", "-f", "-qq", "-y", "-xx", "-s", "50000000", "-e", "signal=none"]
    command += ["-e", f"trace={_CALLS}", "--seccomp-bpf", "-o", str(log), sys.executable, *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise StepsUnknownError(done.stderr[-2000:])
    return list(_steps(log, folder.resolve()))


def _text(hexed: str) -> bytes:
    return bytes.fromhex(hexed.replace("\\x", ""))


def _whole_lines(log: Path) -> Iterator[str]:
    """Calls that another thread interrupted, put together."""
    waiting: dict[str, str] = {}
    with log.open() as file:
        for line in file:
            line = line.rstrip("\n")
            pid = line.split(" ", 1)[0]
            if line.endswith("<unfinished ...>"):
                waiting[pid] = line.removesuffix("<unfinished ...>")
                continue
            resumed = re.match(r"\d+ +<\.\.\. \w+ resumed>", line)
            yield waiting.pop(pid) + line[resumed.end() :] if resumed else line


def _steps(log: Path, folder: Path) -> Iterator[Step]:
    positions: dict[tuple[str, str], int] = {}
    append: set[tuple[str, str]] = set()

    def inside(path: str) -> str | None:
        place = PurePosixPath(path)
        if not place.is_relative_to(folder):
            return None
        name = place.relative_to(folder).as_posix()
        return None if name.endswith(NOT_DURABLE) else name

    for line in _whole_lines(log):
        found = re.match(r"(\d+) +(\w+)\((.*)\) += (-?\d+|0x[0-9a-f]+)", line)
        if found is None or found[4].startswith("-"):
            continue
        call, body = found[2], found[3]
        fds = [(number, _text(path).decode()) for number, path in _FD.findall(body)]
        texts = [_text(one) for one in _TEXT.findall(body)]
        if call in ("open", "openat", "creat"):
            path = _placed(texts[0], fds)
            name = inside(path)
            after = re.search(r"= (\d+)<", line)
            if name is None or after is None:
                continue
            key = (after[1], name)
            positions[key] = 0
            (append.add if "O_APPEND" in body else append.discard)(key)
            if "O_CREAT" in body or call == "creat":
                yield Step("create", name)
            if "O_TRUNC" in body:
                yield Step("truncate", name, at=0)
            continue
        if call == "write" and texts[:1] and texts[0].startswith(SAID):
            yield Step("say", data=texts[0])
            continue
        if call in ("rename", "renameat", "renameat2", "link", "linkat"):
            places = [_placed(text, fds[n : n + 1]) for n, text in enumerate(texts)]
            source, target = inside(places[0]), inside(places[1])
            if (source is None) != (target is None) or (call.startswith("link") and source is not None):
                raise StepsUnknownError(line[:200])
            if source is not None and target is not None:
                yield Step("rename", source, target)
            continue
        if call in ("unlink", "unlinkat", "rmdir", "mkdir", "mkdirat"):
            name = inside(_placed(texts[0], fds))
            if name is not None:
                yield Step("mkdir" if call.startswith("mkdir") else "unlink", name)
            continue
        if not fds:
            continue
        number, path = fds[0]
        name = "" if PurePosixPath(path) == folder else inside(path)
        if name is None:
            continue
        key = (number, name)
        if call == "lseek":
            positions[key] = int(found[4], 0)
        elif call == "write":
            at = -1 if key in append else positions.get(key, 0)
            positions[key] = max(at, 0) + len(texts[0])
            yield Step("write", name, at=at, data=texts[0][: int(found[4])])
        elif call == "pwrite64":
            yield Step("write", name, at=int(body.rsplit(",", 1)[1]), data=texts[0][: int(found[4])])
        elif call == "ftruncate":
            yield Step("truncate", name, at=int(body.rsplit(",", 1)[1]))
        elif call in ("fsync", "fdatasync"):
            yield Step("sync", name)
        else:
            raise StepsUnknownError(line[:200])


def _placed(text: bytes, fds: list[tuple[str, str]]) -> str:
    path = PurePosixPath(text.decode())
    return str(path if path.is_absolute() or not fds else PurePosixPath(fds[0][1]) / path)


def _apply(tree: Tree, step: Step) -> None:
    names = tree.names
    if step.call == "create":
        names.setdefault(step.path, File())
    elif step.call == "mkdir":
        names[step.path] = None
    elif step.call == "unlink":
        names.pop(step.path, None)
    elif step.call == "rename":
        for name in [n for n in names if n == step.path or n.startswith(step.path + "/")]:
            names[step.other + name[len(step.path) :]] = names.pop(name)
    elif step.call == "sync":
        _sync(tree, step.path)
    elif step.call in ("write", "truncate"):
        file = names.get(step.path)
        if file is None:
            return  # a file that has no name any more
        if step.call == "truncate":
            del file.content[step.at :]
            file.content.extend(bytes(step.at - len(file.content)))
        else:
            at = len(file.content) if step.at < 0 else step.at
            file.content.extend(bytes(max(0, at - len(file.content))))
            file.content[at : at + len(step.data)] = step.data


def _sync(tree: Tree, name: str) -> None:
    """Of a file its bytes; of a folder the names in it, and nothing that lies deeper."""
    file = tree.names.get(name)
    if isinstance(file, File):
        file.synced = bytes(file.content)
        return
    parent = lambda one: one.rpartition("/")[0]  # noqa: E731
    for one in [n for n in tree.durable if parent(n) == name]:
        if tree.names.get(one, 0) is not tree.durable[one]:
            for below in [n for n in tree.durable if n == one or n.startswith(one + "/")]:
                del tree.durable[below]
    for one, file in tree.names.items():
        if parent(one) == name:
            tree.durable[one] = file


def _world(names: dict[str, File | None], *, synced: bool) -> World:
    found: World = {}
    for name, file in names.items():
        above = name.rpartition("/")[0]
        while above and above in names:
            above = above.rpartition("/")[0]
        if above:
            continue  # in a folder whose own name is lost
        found[name] = None if file is None else bytes(file.synced if synced else file.content)
    return found


def worlds(before: Tree, steps: list[Step]) -> Iterator[tuple[int, str, World]]:
    """Number of steps done, which kind of loss, and the folder. Equal folders come once for each number of lines
    that were said by then.

    - ``in order``: all that was asked for by then (a kill does the same);
    - ``torn``: and half of the next write;
    - ``synced``: only what was synced: bytes of files by their own sync, names by that of their folder;
    - ``names first``: all names, and of the bytes those that were synced.
    """
    tree, said, seen = deepcopy(before), 0, set()
    for number, step in enumerate([*steps, Step("end")]):
        half = deepcopy(tree)
        if step.call == "write" and len(step.data) > 1:
            _apply(half, Step("write", step.path, at=step.at, data=step.data[: len(step.data) // 2]))
        kinds = {
            "in order": _world(tree.names, synced=False),
            "torn": _world(half.names, synced=False),
            "synced": _world(tree.durable, synced=True),
            "names first": _world(tree.names, synced=True),
        }
        for kind, world in kinds.items():
            parts = repr(sorted(world.items())).encode()
            key = (said, hashlib.sha256(parts).hexdigest())
            if key not in seen:
                seen.add(key)
                yield number, kind, world
        said += step.call == "say"
        _apply(tree, step)


def said_before(steps: list[Step], number: int) -> list[str]:
    """The lines that the program had written by then."""
    return [step.data[len(SAID) :].decode().strip() for step in steps[:number] if step.call == "say"]
