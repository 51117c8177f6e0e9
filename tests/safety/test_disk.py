"""B-02, B-05 and B-06: power that fails, disks that are full and places that may not be written."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from core.platform.atomic import atomic_write
from core.platform.system import sync_folder

ROOT = Path(__file__).parents[2]


class Recorder:
    """What a disk was asked to do, as far as durability goes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.steps: list[tuple[str, object]] = []
        fsync, replace = os.fsync, Path.replace

        def note_sync(descriptor: int) -> None:
            fsync(descriptor)
            target = Path(f"/proc/self/fd/{descriptor}").readlink()
            if target == folder:
                self.steps.append(("sync folder", None))
            else:
                self.steps.append(("sync file", (target.name, target.read_bytes())))

        def note_replace(source: Path, target: Path) -> Path:
            self.steps.append(("rename", (source.name, Path(target).name)))
            return replace(source, target)

        monkeypatch.setattr("os.fsync", note_sync)
        monkeypatch.setattr(Path, "replace", note_replace)


def worlds(steps: list[tuple[str, object]], before: dict[str, bytes]) -> list[dict[str, bytes]]:
    """Every state of the folder that a power cut between two steps may leave.

    Bytes that were not synced are lost (the file is empty). A rename before the folder's sync may have happened
    or not; after it, it has.
    """
    found, durable, synced, renames = [], dict(before), {}, []
    for kind, what in [*steps, ("end", None)]:
        for happened in (True, False):
            state = dict(durable)
            for source, target in renames if happened else ():
                state[target] = synced.get(source, b"")
            found.append(state)
        if kind == "sync file":
            synced[what[0]] = what[1]
        elif kind == "rename":
            renames.append(what)
        elif kind == "sync folder":
            for source, target in renames:
                durable[target] = synced.get(source, b"")
            renames.clear()
    return found


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="tells files by /proc")
@pytest.mark.parametrize("by_function", [False, True])
def test_whenever_the_power_fails_a_file_is_the_old_one_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_function: bool
) -> None:
    path = tmp_path / "a.json"
    versions = [f"version {number}".encode() * 100 for number in range(4)]
    path.write_bytes(versions[0])
    recorder = Recorder(monkeypatch, tmp_path)
    acknowledged: list[int] = []
    for content in versions[1:]:
        atomic_write(path, (lambda p, c=content: p.write_bytes(c)) if by_function else content)
        acknowledged.append(len(recorder.steps))
    states = worlds(recorder.steps, {"a.json": versions[0]})
    assert len(states) >= 2 * len(recorder.steps)
    for number, state in enumerate(states):
        step = number // 2
        assert state["a.json"] in versions
        # what was acknowledged by then is there
        done = sum(at <= step for at in acknowledged)
        assert versions.index(state["a.json"]) >= done


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="tells files by /proc")
def test_the_model_of_a_power_cut_finds_a_writer_that_does_not_sync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test above would fail for a writer that renames first or leaves the folder out."""
    recorder = Recorder(monkeypatch, tmp_path)
    (tmp_path / "b.part").write_bytes(b"new")
    (tmp_path / "b.part").replace(tmp_path / "b")
    sync_folder(tmp_path)
    assert {"b": b""} in worlds(recorder.steps, {"b": b"old"})


_SCRIPT = """
import io, os, shutil, subprocess, sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from core.cli.main import run_command_line

place, source, original, how = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), sys.argv[4]
study = place / "study"
size = sum(p.stat().st_size for p in original.rglob("*") if p.is_file()) // 1024 + 600
options = f"size={size}k"
if how == "no inodes":
    options = f"size={20 * size}k,nr_inodes={sum(1 for _ in original.rglob('*')) + 20}"
subprocess.run(["mount", "-t", "tmpfs", "-o", options, "marginalia", str(place)], check=True)
shutil.copytree(original, study, ignore=shutil.ignore_patterns("derived"))

def run(*arguments):
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run_command_line([*map(str, arguments), "--quiet"])
    lines = err.getvalue().strip().splitlines()
    print(code, arguments[0], arguments[-1] if arguments[0] == "export" else "", "|", lines[-1] if lines else "")
    return code

ballast = place / "ballast"
def use_up_names():
    # all but two: there are bytes enough, and no file can be made
    ballast.mkdir()
    made = []
    try:
        while True:
            made.append(ballast / str(len(made)))
            made[-1].touch()
    except OSError:
        for path in made[-3:-1]:
            path.unlink()

def fill():
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            # room to begin, not to end
            file.truncate(file.tell() - 64 * 1024)

WRITERS = [
    ("study", "create", place / "new"), ("import", study, source), ("split", study, "--name", "s2"),
    ("train", study, "--name", "t2", "--set", "epochs.joint=1"),
    ("explain", study, "tiny", "--out", place / "pages"),
    ("prune", study, "tiny", "1", "--reason", "r"), ("phantom", place / "ph", "--patients", "3"),
    ("backup", study, place / "b.zip"), ("forget", study, sys.argv[5], "--yes"),
    *(("export", study, "--out", place / ("x" + f), "--preset", "compact", "--format", f)
      for f in ("png", "coco", "authors")),
    ("export", study, "--out", place / "xm", "--run", "tiny", "--format", "model"),
]
if how == "nearly full":
    fill()
elif how == "no inodes":
    use_up_names()
else:
    subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
for arguments in WRITERS:
    code = run(*arguments)
    assert code in (0, 1), arguments
    if how == "read-only":
        assert code == 1, arguments
if how == "nearly full":
    ballast.unlink()
elif how == "no inodes":
    shutil.rmtree(ballast)
else:
    assert run("study", "show", study) == 0
    subprocess.run(["mount", "-o", "remount,rw", str(place)], check=True)
left = [p.name for p in place.rglob("*") if p.name.endswith(".part")]
assert not left, left
assert run("check", study) == 0
assert run("split", study, "--name", "after") == 0
"""


def _can_mount() -> bool:
    if not hasattr(os, "geteuid") or os.geteuid() != 0 or shutil.which("unshare") is None:
        return False
    return subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not _can_mount(), reason="needs root and a mount namespace; RLIMIT_FSIZE stands in elsewhere")
@pytest.mark.parametrize(
    "how", ["read-only", *(pytest.param(how, marks=pytest.mark.slow) for how in ("nearly full", "no inodes"))]
)
def test_every_writer_says_in_a_sentence_that_it_cannot_write(
    trained_study: Path, synthetic_source: Path, tmp_path: Path, how: str
) -> None:
    """Each command of the command line that writes, on a disk of its own; afterwards the study is sound."""
    from core.store.study import Study

    with Study.open(trained_study, writable=False) as study:
        pseudonym = study.patients.all()[0].pseudonym
    place = tmp_path / "disk"
    place.mkdir()
    command = [
        "unshare",
        "-m",
        sys.executable,
        "-c",
        _SCRIPT,
        place,
        synthetic_source,
        trained_study,
        how,
        pseudonym,
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [str(part) for part in command], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    lines = [line for line in done.stdout.splitlines() if line.startswith("1 ")]
    assert lines and all("Error: " in line and "Traceback" not in line for line in lines), done.stdout
    word = "read-only" if how == "read-only" else "full"
    assert sum(word in line for line in lines) >= len(lines) - 2, done.stdout
