"""A short set of tests of the program's guarantees on the user's own machine.

Everything happens in a temporary folder of the given place, whose file system is the one that is tested. Nothing
of a study is touched.
"""

from __future__ import annotations

import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec
import numpy as np

from core.domain.errors import Cancelled, MarginaliaError, StudyError
from core.domain.events import Emit, Failed, IsCancelled, Progress, Started, Succeeded, never, silent
from core.domain.geometry import Box
from core.domain.messages import verbatim
from core.domain.shapes import Rectangle, circle
from core.domain.study import Finding, Image, Lesion, Patient
from core.domain.vocabulary import DISCLAIMER
from core.imaging.decoded import RefusedImageError
from core.imaging.worker import DecodeWorker
from core.jobs.catalogue import JobRequest
from core.jobs.supervisor import supervise
from core.platform.atomic import atomic_write, make_folder, storage_error
from core.platform.system import free_bytes, process_alive
from core.platform.version import code_version
from core.store.archive import write_archive
from core.store.check import check_study
from core.store.filesystem import file_system_kind
from core.store.restore import restore_archive
from core.store.study import Study

_ROOT = Path(__file__).resolve().parents[3]
PARTS = _ROOT / "resources" / "safety" / "parts.json"
"""The third-party parts with their use, licence, known anomalies and what is done about them."""


class SelfTestOutcome(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    passed: bool
    seconds: float
    figure: str
    """The measured value, or the error."""


class SelfTestReport(msgspec.Struct, frozen=True, kw_only=True):
    disclaimer: str = DISCLAIMER
    version: str
    python: str
    system: str
    file_system: str
    free_bytes: int
    parts: dict[str, str]
    """Versions of the third-party parts."""
    outcomes: tuple[SelfTestOutcome, ...]

    @property
    def passed(self) -> bool:
        return all(outcome.passed for outcome in self.outcomes)


class _NotAsPromisedError(Exception):
    """A guarantee that does not hold on this machine; the text names it."""


def _expect(holds: bool, words: str) -> None:
    if not holds:
        raise _NotAsPromisedError(words)


def self_test(place: Path, *, emit: Emit = silent, cancelled: IsCancelled = never) -> SelfTestReport:
    """Run every test in a temporary folder inside ``place``; a test that fails stops no other."""
    place = place.resolve()  # child processes start in the program's own folder
    make_folder(place)
    outcomes = []
    try:
        with tempfile.TemporaryDirectory(prefix=".self-test.", dir=place) as name:
            for done, (words, test) in enumerate(TESTS.items(), start=1):
                if cancelled():
                    raise Cancelled
                folder = Path(name) / str(done)
                make_folder(folder)
                outcomes.append(_outcome(words, test, folder))
                emit(Progress(stage="self-test", done=done, total=len(TESTS), detail=verbatim(words)))
    except OSError as error:
        raise storage_error(error, place) or error from error
    return SelfTestReport(
        version=code_version(),
        python=platform.python_version(),
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        file_system=file_system_kind(place),
        free_bytes=free_bytes(place),
        parts=versions(tuple(part["name"] for part in msgspec.json.decode(PARTS.read_bytes()))),
        outcomes=tuple(outcomes),
    )


def _outcome(name: str, test: Callable[[Path], str], folder: Path) -> SelfTestOutcome:
    began = time.monotonic()
    try:
        passed, figure = True, test(folder)
    except (_NotAsPromisedError, MarginaliaError) as error:
        passed, figure = False, str(error)
    except Exception as error:  # noqa: BLE001 (a defect is what is looked for)
        passed, figure = False, f"{type(error).__name__}: {error}"
    return SelfTestOutcome(name=name, passed=passed, seconds=round(time.monotonic() - began, 2), figure=figure)


def versions(names: tuple[str, ...]) -> dict[str, str]:
    """Installed version of each, "missing" where it is not installed."""
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "missing"
    return found


_ANNOTATE = """
import os, sys
from pathlib import Path
from core.domain.shapes import circle
from core.store.study import Study
with Study.open(Path(sys.argv[1])) as study:
    reader = study.readers.ensure("self-test").id
    while True:
        done = study.annotations.commit("lesion", reader, (circle((1.0, 2.0), 3.0),))
        os.write(1, b"%d\\n" % done.revision)
"""


def _small_study(folder: Path) -> Path:
    pixels = np.arange(12_000, dtype=np.uint16).reshape(120, 100)
    with Study.create(folder / "study", name="self-test", synthetic=True) as study:
        sha256 = study.arrays.write_pixels("image", pixels)
        study.patients.add(Patient(id="patient", pseudonym="P1", source="self-test"))
        image = Image(
            id="image",
            patient_id="patient",
            content_sha256=sha256,
            width=100,
            height=120,
            bits_stored=14,
            synthetic=True,
        )
        study.images.add(image)
        study.lesions.add_finding(Finding(id="finding", patient_id="patient"))
        outline = Rectangle(box=Box(x0=10, y0=10, x1=40, y1=40))
        study.lesions.add(Lesion(id="lesion", finding_id="finding", image_id="image", outline=outline))
    return folder / "study"


def strokes_survive_kills(folder: Path) -> str:
    """B-01, three times: a program that draws is killed; what it had acknowledged is there."""
    study_folder, last, times = _small_study(folder), 0, 3
    for number in range(times):
        with subprocess.Popen(
            [sys.executable, "-c", _ANNOTATE, str(study_folder)],
            cwd=_ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as child:
            assert child.stdout is not None and child.stderr is not None
            lines = [child.stdout.readline() for _ in range(5 + 3 * number)]
            child.kill()
            lines += child.stdout.read().splitlines(keepends=True)
            errors = child.stderr.read().decode(errors="replace").strip().splitlines()
        whole = [int(line) for line in lines if line.endswith(b"\n")]
        _expect(bool(whole), f"the program that draws did not start ({errors[-1] if errors else 'no reason'})")
        last = whole[-1]
        with Study.open(study_folder) as study:
            reader = study.readers.ensure("self-test").id
            revisions = {one.revision for one in study.annotations.history("lesion", reader)}
            _expect(set(range(1, last + 1)) <= revisions, "an acknowledged stroke was lost")
            _expect(study.audit.verify().good, "the audit trail broke")
    return f"{times} kills, {last} acknowledged strokes, none lost"


def backups_come_back(folder: Path) -> str:
    study_folder = _small_study(folder)
    with Study.open(study_folder) as study:
        reader = study.readers.ensure("self-test").id
        study.annotations.commit("lesion", reader, (circle((5.0, 6.0), 7.0),))
        write_archive(study, folder / "backup.zip")
    restore_archive(folder / "backup.zip", folder / "restored")
    with Study.open(folder / "restored", writable=False) as study:
        report = check_study(study)
        _expect(report.good, "the restored study has problems")
        _expect(len(study.annotations.all_current()) == 1, "an annotation is missing from the backup")
    return f"{report.images} image, {report.audit.records} audit records, all verified"


def hostile_images_are_refused(folder: Path) -> str:
    """Nothing that is read ends the process that reads it, and a good file is still read afterwards."""
    good = b"P5\n64 64\n255\n" + bytes(range(256)) * 16
    png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\1\0\0\0\1\0\0\x10\0\0\0\0"
    dicom = bytes(128) + b"DICM" + bytes(range(256)) * 8
    files = {"cut.pgm": good[:999], "bomb.png": png, "noise.dcm": dicom, "text.dcm": b"=cmd|'/C calc'!A0"}
    with DecodeWorker() as worker:
        for name, content in files.items():
            atomic_write(folder / name, content)
            try:
                worker.read(folder / name)
            except RefusedImageError:
                continue
            raise _NotAsPromisedError(f"{name} was read")
        atomic_write(folder / "good.pgm", good)
        _expect(worker.read(folder / "good.pgm").pixels.shape == (64, 64), "a good file was not read")
    return f"{len(files)} hostile files refused, a good one read"


def workers_may_die(folder: Path) -> str:
    """B-26: a failed job is one event, and no process is left."""
    del folder
    pids: list[int] = []
    for end in ("fail", "defect", "exit", "garbage"):
        final = supervise(
            JobRequest(job="rehearsal", arguments={"end": end}),
            emit=lambda event: pids.append(event.pid) if isinstance(event, Started) else None,
        )
        _expect(
            isinstance(final, Succeeded if end == "garbage" else Failed),
            f"the job with the end {end} ended otherwise",
        )
    _expect(not any(map(process_alive, pids)), "a worker process is still running")
    return f"{len(pids)} ways to fail, no process left"


def tampering_is_found(folder: Path) -> str:
    """B-21: the trail refuses changes, and finds those made behind its back."""
    study_folder = _small_study(folder)
    with Study.open(study_folder) as study:
        try:
            study.tamper("UPDATE audit SET who = 'x'")
            raise _NotAsPromisedError("the audit trail could be changed")
        except StudyError:
            study.tamper("UPDATE audit SET who = 'x' WHERE counter = 2", unguarded=True)
        _expect(study.audit.verify().first_bad == 2, "a changed audit record was not found")
    return "a change is refused, and found where it was forced"


def training_repeats(folder: Path) -> str:
    """The arithmetic that every figure rests on: the same step twice gives the same bits, and is finite."""
    del folder
    import torch

    from core.model.architecture import Architecture
    from core.model.network import PrototypeNetwork

    results = []
    for _ in range(2):
        torch.manual_seed(3)
        architecture = Architecture(backbone="compact", weights="random", latent_channels=8, top_k=2)
        classes = ("a", "b", "c")
        network = PrototypeNetwork(architecture, class_names=classes, prototype_class=[0, 1, 2], input_size=64)
        optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
        for _ in range(2):
            optimiser.zero_grad()
            output = network(torch.rand(4, 3, 64, 64))
            output.logits.square().sum().backward()
            optimiser.step()
        results.append(torch.cat([value.detach().reshape(-1) for value in network.parameters()]))
    _expect(bool(torch.isfinite(results[0]).all()), "the weights are not finite")
    _expect(torch.equal(*results), "the same training gave other weights")
    return f"{len(results[0]):,} weights equal to the bit"


TESTS: dict[str, Callable[[Path], str]] = {
    "Acknowledged strokes survive kills": strokes_survive_kills,
    "A backup is restored completely": backups_come_back,
    "Hostile images are refused": hostile_images_are_refused,
    "Crashing worker processes are handled": workers_may_die,
    "Tampering with the audit trail is found": tampering_is_found,
    "Training repeats to the bit": training_repeats,
}


def _verdict(outcomes: tuple[SelfTestOutcome, ...]) -> str:
    failed = sum(not outcome.passed for outcome in outcomes)
    if not failed:
        return "All checks passed."
    return f"{failed} of {len(outcomes)} checks failed (see above)."


def self_test_text(report: SelfTestReport) -> str:
    lines = [f"Marginalia {report.version} on {report.system}, Python {report.python}"]
    lines.append(f"File system {report.file_system or 'unknown'}, {report.free_bytes / 1e9:.1f} GB free")
    for outcome in report.outcomes:
        verdict = "passed" if outcome.passed else "FAILED"
        lines.append(f"{verdict}  {outcome.name}: {outcome.figure} ({outcome.seconds:.1f} s)")
    lines.append("Parts: " + ", ".join(f"{name} {number}" for name, number in report.parts.items()))
    lines.append(_verdict(report.outcomes))
    lines.append(DISCLAIMER)
    return "\n".join(lines)
