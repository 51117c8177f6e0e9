"""Coverage-guided fuzzing of one target: ``python -m tests.safety.fuzz NAME [options]``.

With the package atheris (``-max_total_time=900``: 15 minutes; a corpus is kept in ``.benchmarks/fuzz/NAME``, and
the next run goes on from it); without it by ``tests.safety.fuzz.guided`` (``SECONDS`` of the processor, ``SEED``).
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

from core.platform.atomic import make_folder

ROOT = Path(__file__).parents[3]


def main() -> None:
    from tests.safety.fuzz.targets import TARGETS

    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(f"give one of: {', '.join(TARGETS)}")
    if find_spec("atheris") is None:
        _guided(*sys.argv[1:])
    else:
        _atheris(sys.argv.pop(1))


def _guided(name: str, seconds: str = "900", seed: str = "1") -> None:
    from tests.core.imaging.test_worker import mutated
    from tests.safety.fuzz.guided import fuzz
    from tests.safety.fuzz.targets import TARGETS, seeds

    run = fuzz(TARGETS[name], seeds()[name], mutated, seed=int(seed), cpu_s=float(seconds))
    sys.stdout.write(f"{name}: {run.tries:,} tries, {len(run.lines):,} lines, corpus of {len(run.corpus)}\n")


def _atheris(name: str) -> None:
    import atheris

    with atheris.instrument_imports(include=["core", "pydicom", "zipfile"]):
        from tests.safety.fuzz.targets import TARGETS, seeds
    corpus = ROOT / ".benchmarks" / "fuzz" / name
    make_folder(corpus)
    for number, seed in enumerate(seeds()[name]):
        (corpus / f"seed{number}").write_bytes(seed)
    atheris.Setup([*sys.argv, str(corpus)], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
