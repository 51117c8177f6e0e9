"""Pruning three of fifteen prototypes on a table of 15,000 rows, both heads refitted at the stored strength.

    python -m tests.benchmarks.bench_prune [--rows 15000] [--json]

Milliseconds of processor time, the median of several rounds, for either way of fitting ``h2``; figures on 150
validation and 150 test rows, before and after, are included. Synthetic numbers. The target is 100 ms.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time

from core.pruning.prune import prepare, prune
from core.training.last_layers import MalignancyFit
from tests.core.pruning.world import random_state, random_table

TARGET_MS = 100.0


def measure(rows: int = 15_000, rounds: int = 9) -> dict[str, float]:
    """Median milliseconds of one pruning, by the way of fitting ``h2``."""
    table = random_table(training=rows, validation=150, test=150)
    prepared, state = prepare(table), random_state(table)
    fits: tuple[MalignancyFit, ...] = ("out-of-fold", "in-sample")
    found = {}
    for fit in fits:
        times = []
        for _ in range(rounds):
            begin = time.process_time()
            prune(prepared, state, {0, 4, 8}, malignancy_fit=fit)
            times.append(1e3 * (time.process_time() - begin))
        found[fit] = statistics.median(times)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, default=15_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = measure(options.rows)
    if options.json:
        sys.stdout.write(json.dumps({"rows": options.rows, "milliseconds": found}) + "\n")
        return
    for fit, value in found.items():
        sys.stdout.write(f"h2 {fit}: {value:.1f} ms (at most {TARGET_MS:.0f})\n")


if __name__ == "__main__":
    main()
