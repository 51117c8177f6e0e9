"""Coverage-guided fuzzing of one target: ``python -m tests.safety.fuzz NAME [options of the fuzzer]``.

Needs the package atheris; 15 minutes are ``-max_total_time=900``. A corpus is kept in ``.benchmarks/fuzz/NAME``:
the next run goes on from it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

from core.platform.atomic import make_folder

with atheris.instrument_imports(include=["core", "pydicom", "zipfile"]):
    from tests.safety.fuzz.targets import TARGETS, seeds

ROOT = Path(__file__).parents[3]


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(f"give one of: {', '.join(TARGETS)}")
    name = sys.argv.pop(1)
    corpus = ROOT / ".benchmarks" / "fuzz" / name
    make_folder(corpus)
    for number, seed in enumerate(seeds()[name]):
        (corpus / f"seed{number}").write_bytes(seed)
    atheris.Setup([*sys.argv, str(corpus)], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
