"""Every benchmark of the engine as one table, each figure beside its limit, and a JSON record.

    python -m tests.benchmarks [--json FILE] [--quick]

Processor time on one core, so that what else the machine does counts little. ``--quick`` leaves VGG-16 out.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from pathlib import Path

from tests.benchmarks import bench_bootstrap, bench_projection, bench_prune, bench_step

PAPER = bench_step.Case(backbone="vgg16", size=224, batch=10, channels=512, bf16=False, rounds=2)
COMPACT = bench_step.Case(backbone="compact", size=112, batch=42, channels=64, bf16=False, rounds=5)

Row = dict[str, object]


def row(figure: str, value: float, limit: float, unit: str = "") -> Row:
    return {"figure": figure, "value": round(value, 4), "limit": limit, "unit": unit, "met": value <= limit}


def step_rows(case: bench_step.Case) -> list[Row]:
    found = bench_step.measure(case)
    return [
        row(f"forward and backward of a training step / bare backbone ({case})", found.step / found.bare, 1.15),
        row(f"fine-annotation loss / training step ({case})", found.fine / found.step, 0.02),
    ]


def all_rows(*, quick: bool) -> list[Row]:
    forward, projection = bench_projection.measure()
    pruning = bench_prune.measure()
    statistics = bench_bootstrap.main()
    rows = [
        row("projection of 500 ROIs / one forward pass over them", projection / forward, 1.1),
        row("prune 3 of 15 on 15,000 rows and refit h1 and h2", pruning["out-of-fold"], 100, "ms"),
        row("5,000 resamples of every metric, 1,000 images", float(str(statistics["total_s"])), 10, "s"),
        *step_rows(COMPACT),
    ]
    return rows if quick else rows + step_rows(PAPER)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="file for the record")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    rows = all_rows(quick=options.quick)
    machine = f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}"
    sys.stdout.write(f"{machine}\n\n| figure | measured | at most |  |\n| --- | --- | --- | --- |\n")
    for one in rows:
        verdict = "met" if one["met"] else "NOT met"
        sys.stdout.write(
            f"| {one['figure']} | {one['value']} {one['unit']} | {one['limit']} {one['unit']} | {verdict} |\n"
        )
    if options.json is not None:
        options.json.write_text(json.dumps({"machine": machine, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
