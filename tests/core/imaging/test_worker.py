"""The decoding process: same pixels, and nothing that a file does reaches the parent."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest

from core.imaging import worker as worker_module
from core.imaging.decode_child import Reply, _answer, shut_doors
from core.imaging.decoded import DecodedImage, Refusal, RefusedImageError
from core.imaging.reader import read_image
from core.imaging.worker import DecodeWorker, read_many
from core.imaging.write_dicom import Encoding
from core.platform.system import process_alive
from tests.core.imaging import samples
from tests.core.imaging.samples import mammogram, texture

ROOT = Path(__file__).resolve().parents[3]


def same(a: DecodedImage, b: DecodedImage) -> bool:
    fields = [f for f in a.__struct_fields__ if f != "pixels"]
    return all(getattr(a, f) == getattr(b, f) for f in fields) and np.array_equal(a.pixels, b.pixels)


def test_what_the_child_reads_is_what_reading_here_gives(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(samples.png(texture()))
    (tmp_path / "b \udcff.pgm").write_bytes(samples.pgm(texture(top=256).astype(np.uint8)))
    paths = [mammogram(tmp_path, encoding=e) for e in Encoding] + sorted(tmp_path.glob("[ab]*"))
    with DecodeWorker() as worker:
        for path in paths:
            image = worker.read(path)
            assert same(image, read_image(path))
            assert image.pixels.flags.writeable
        assert "hidden" in repr(image)


def test_pixels_come_the_same_through_the_pipe_as_through_shared_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small, large = mammogram(tmp_path), tmp_path / "large.png"
    large.write_bytes(samples.png(texture(300, 200)))
    monkeypatch.setattr(worker_module, "SHARED_BYTES", read_image(small).pixels.nbytes)
    with DecodeWorker() as worker:
        for path in (small, large, small):
            assert same(worker.read(path), read_image(path))
    monkeypatch.setattr(worker_module, "fixed_memory", lambda size: None)  # as where the system has none
    with DecodeWorker() as worker:
        assert same(worker.read(large), read_image(large))


def test_a_picture_stays_what_it_was_when_the_child_reads_the_next(tmp_path: Path) -> None:
    for seed in (1, 2):
        (tmp_path / f"{seed}.png").write_bytes(samples.png(texture(seed=seed)))
    with DecodeWorker() as worker:
        first = worker.read(tmp_path / "1.png")
        worker.read(tmp_path / "2.png")
    np.testing.assert_array_equal(first.pixels, texture(seed=1))


def test_a_refusal_keeps_its_reason_and_the_child_stays(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello")
    with DecodeWorker() as worker:
        worker.read(mammogram(tmp_path))
        pid = worker.pid
        with pytest.raises(RefusedImageError, match=r"a\.txt is not an image") as caught:
            worker.read(tmp_path / "a.txt")
        assert caught.value.reason is Refusal.NOT_AN_IMAGE
        assert worker.pid == pid


def test_a_child_that_was_killed_is_replaced(tmp_path: Path) -> None:
    path = mammogram(tmp_path)
    with DecodeWorker() as worker:
        worker.read(path)
        first = worker.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        image: DecodedImage | None = None
        for _ in range(2):  # the first request may meet the child while it dies
            try:
                image = worker.read(path)
                break
            except RefusedImageError as error:
                assert error.reason is Refusal.CRASHED
        assert image is not None and worker.pid != first


def claim(side: int) -> str:
    """A reply that says that its pixels lie in the shared memory."""
    pixels = {"dtype": "uint8", "shape": [side, side]}
    return json.dumps({"image": {"pixels": pixels, "bits_stored": 8, "format": "PNG"}, "shared": True})


@pytest.mark.parametrize(
    ("doing", "reason"),
    [
        ("import os; os.abort()", Refusal.CRASHED),
        ("import time; time.sleep(60)", Refusal.TIMED_OUT),
        ("import os; os.write(3, b'garbage' * 100); os._exit(0)", Refusal.CRASHED),
        ("print('{\"image\": 7}', flush=True); import time; time.sleep(60)", Refusal.CRASHED),
        ('print(\'{"image":{"pixels":{"dtype":"object","shape":[1,1]}}}\', flush=True)', Refusal.CRASHED),
        ("raise SystemExit(0)", Refusal.CRASHED),
        # more than the shared memory holds, and memory that is made smaller under the parent's eyes
        (f"print({claim(16_000)!r}, flush=True)", Refusal.CRASHED),
        (f"import os; os.ftruncate(int(sys.argv[2]), 1); print({claim(9)!r}, flush=True)", Refusal.CRASHED),
    ],
)
def test_whatever_the_child_does_is_a_refusal_of_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, doing: str, reason: Refusal
) -> None:
    path = mammogram(tmp_path)
    good = worker_module._START
    with DecodeWorker(wall_s=0.7) as worker:
        monkeypatch.setattr(worker_module, "_START", f"import sys; sys.stdin.readline(); {doing}")
        with pytest.raises(RefusedImageError, match="could not be read") as caught:
            worker.read(path)
        assert caught.value.reason is reason
        assert worker.pid is None
    monkeypatch.setattr(worker_module, "_START", good)
    with DecodeWorker() as worker:
        np.testing.assert_array_equal(worker.read(path).pixels, texture())


def test_a_child_that_has_worked_long_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "RETIRE_AFTER_CPU_S", 0.0)
    with DecodeWorker() as worker:
        np.testing.assert_array_equal(worker.read(mammogram(tmp_path)).pixels, texture())
        assert worker.pid is None


def test_what_an_extension_module_raises_is_a_refusal(tmp_path: Path) -> None:
    class Panic(BaseException):
        pass

    def panics(path: Path, *, frame: int) -> DecodedImage:
        raise Panic(f"{path}, {frame}: secret")

    reply = _answer(panics, tmp_path / "a.dcm", 0)
    assert reply.refusal is Refusal.DAMAGED and reply.sentence.endswith("(Panic).")


def test_closing_ends_the_child_and_later_reads_are_refused(tmp_path: Path) -> None:
    worker = DecodeWorker()
    worker.read(mammogram(tmp_path))
    pid = worker.pid
    assert pid is not None
    worker.close()
    assert not process_alive(pid)
    with pytest.raises(RefusedImageError, match="stopped"):
        worker.read(mammogram(tmp_path))


def test_many_files_come_in_order_with_their_refusals(tmp_path: Path) -> None:
    paths = []
    for k in range(12):
        path = tmp_path / f"{k:02}.png"
        path.write_bytes(samples.png(texture(seed=k)) if k % 4 else b"no image")
        paths.append(path)
    outcomes = list(read_many(iter(paths), workers=2))
    assert [path for path, _ in outcomes] == paths
    for k, (_, outcome) in enumerate(outcomes):
        if k % 4:
            assert isinstance(outcome, DecodedImage)
            np.testing.assert_array_equal(outcome.pixels, texture(seed=k))
        else:
            assert isinstance(outcome, RefusedImageError)


def test_stopping_early_ends_the_children_and_does_not_read_ahead_without_end(tmp_path: Path) -> None:
    path, asked = mammogram(tmp_path), []

    def endless() -> Iterator[Path]:
        while True:
            asked.append(1)
            yield path

    outcomes = read_many(endless(), workers=2)
    next(outcomes)
    outcomes.close()
    assert len(asked) <= 5


class TestDoors:
    def test_sockets_programs_and_writing_are_shut_in_the_child(self) -> None:
        code = (
            "import sys, os, subprocess, socket; from core.imaging.decode_child import shut_doors\n"
            "sys.addaudithook(shut_doors)\n"
            "shut = 0\n"
            "for act in (lambda: socket.create_connection(('127.0.0.1', 9)), lambda: subprocess.run(['true']),\n"
            "            lambda: os.system('true'), lambda: open(os.devnull, 'wb'),\n"
            "            lambda: os.open(os.devnull, os.O_RDWR)):\n"
            "    try: act()\n"
            "    except PermissionError: shut += 1\n"
            "open(os.devnull, 'rb').close()\n"
            "sys.exit(shut)\n"
        )
        assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 5

    def test_the_rule_names_what_it_refuses(self) -> None:
        with pytest.raises(PermissionError, match=r"socket\.connect"):
            shut_doors("socket.connect", ())
        shut_doors("open", ("a", "r", os.O_RDONLY))
        shut_doors("import", ("numpy",))


def test_reading_needs_neither_resource_nor_fcntl() -> None:
    code = (
        "import sys\n"
        "for name in ('resource', 'fcntl'): sys.modules[name] = None\n"
        "import core.imaging.worker, core.imaging.decode_child, core.imaging.reader, core.imaging.display\n"
        "import core.imaging.raster, core.imaging.write_dicom\n"
        "heavy = {'torch', 'cv2', 'scipy', 'skimage', 'matplotlib', 'sqlalchemy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_a_reply_never_carries_two_things() -> None:
    assert Reply().image is None and Reply().refusal is None


def bundled() -> list[Path]:
    folder = Path(pydicom.__file__).parent / "data" / "test_files"
    return sorted(p for p in folder.rglob("*") if p.is_file())


def test_every_bundled_file_is_an_image_or_a_listed_refusal() -> None:
    outcomes: dict[str, str] = {}
    with DecodeWorker() as worker:
        pid = None
        for path in bundled():
            try:
                image = worker.read(path)
                outcomes[path.name] = f"image of {image.bits_stored} bits, {image.pixels.dtype}"
                assert image.pixels.size > 0
            except RefusedImageError as error:
                outcomes[path.name] = error.reason.value
            assert pid in (None, worker.pid), f"{path.name} ended the decoder"
            pid = worker.pid
    assert not {Refusal.CRASHED.value, Refusal.TIMED_OUT.value} & set(outcomes.values())
    # what another release of pydicom adds or drops is not compared
    known = {name: outcome for name, outcome in expected_outcomes().items() if name in outcomes}
    assert len(known) >= 70
    assert {name: outcomes[name] for name in known} == known


def expected_outcomes() -> dict[str, str]:
    table: dict[str, str] = json.loads((Path(__file__).parent / "bundled_outcomes.json").read_text("utf-8"))
    return table


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """Bits turned, bytes lost, gained or overwritten, the end cut, or a number in the header made large."""
    out = bytearray(data)
    for _ in range(int(rng.integers(1, 6))):
        if not out:
            break
        at = int(rng.integers(len(out)))
        match int(rng.integers(6)):
            case 0:
                out[at] ^= 1 << int(rng.integers(8))
            case 1:
                del out[at : at + int(rng.integers(1, 64))]
            case 2:
                out[at:at] = rng.integers(0, 256, int(rng.integers(1, 64)), dtype=np.uint8).tobytes()
            case 3:
                out = out[: max(at, 1)]
            case 4:
                head = int(rng.integers(min(len(out), 1200)))
                out[head : head + 4] = b"\xff\xff\xff\x7f"
            case _:
                out[at : at + 2] = rng.integers(0, 256, 2, dtype=np.uint8).tobytes()
    return bytes(out)


def mutation_run(tmp_path: Path, count: int, *, seed: int) -> Counter[str]:
    rng = np.random.default_rng(seed)
    pixels = texture()
    seeds = [mammogram(tmp_path, encoding=e).read_bytes() for e in Encoding]
    seeds += [samples.png(pixels), samples.pgm(pixels), samples.tiff(pixels, compression="tiff_lzw")]
    seeds.append(samples.jpeg_baseline(texture(top=256).astype(np.uint8)))
    outcomes: Counter[str] = Counter()
    with DecodeWorker(wall_s=5) as worker:
        for k in range(count):
            path = tmp_path / "mutant"
            path.write_bytes(mutated(seeds[k % len(seeds)], rng))
            try:
                worker.read(path)
                outcomes["image"] += 1
            except RefusedImageError as error:
                outcomes[error.reason.name] += 1
    return outcomes


def test_mutants_never_reach_the_parent(tmp_path: Path) -> None:
    outcomes = mutation_run(tmp_path, 200, seed=7)
    assert outcomes.total() == 200 and len(outcomes) >= 3
    assert outcomes["CRASHED"] + outcomes["TIMED_OUT"] <= 4


@pytest.mark.safety_full
def test_five_thousand_mutants_never_reach_the_parent(tmp_path: Path) -> None:
    assert mutation_run(tmp_path, 5000, seed=8).total() == 5000


@pytest.mark.benchmark
def test_what_the_child_adds_to_a_1024_by_800_image(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = mammogram(tmp_path, texture(1024, 800))

    def best(read: Callable[[Path], DecodedImage]) -> float:
        times = []
        for _ in range(20):
            start = time.perf_counter()
            read(path)
            times.append(time.perf_counter() - start)
        return 1e3 * min(times)

    with DecodeWorker() as worker:
        worker.read(path)
        here, there = best(read_image), best(worker.read)
    with capsys.disabled():
        print(f"\nread here {here:.1f} ms, through the child {there:.1f} ms")  # noqa: T201
