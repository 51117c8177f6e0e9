"""The figures of the safety battery as a table: ``python -m tests.safety.figures``.

Each row is what a full form kept when it ran (tests.safety.kept), with the command that makes it again. What was
not run, or was interrupted, says so; ``--run`` runs those, and goes on with them (hours).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass

from tests.safety.kept import ROOT, state_folder


@dataclass(frozen=True, kw_only=True)
class Form:
    row: str
    what: str
    states: tuple[str, ...]
    """Names under which the form keeps its figures."""
    file: str
    choose: str
    """For ``pytest -k``."""

    @property
    def command(self) -> str:
        return f"pytest -m safety_full {self.file} -k {self.choose}"


_SAFETY, _WINDOW = "tests/safety", "tests/safety/window"
_FUZZ = ("audit", "manifest", "shapes", "table", "tags", "tensors")
FORMS = (
    Form(
        row="B-01", what="kills while annotating", states=("B-01",),
        file="tests/core/store/test_crash.py", choose="two_thousand_kills",
    ),
    Form(
        row="B-03", what="kills while training", states=("B-03",),
        file=f"{_SAFETY}/test_long_runs.py", choose="two_hundred_kills",
    ),
    Form(
        row="B-08", what="mutants of image files, in the decoder", states=("B-08",),
        file=f"{_SAFETY}/test_mutants.py", choose="two_hundred_thousand",
    ),
    Form(
        row="B-08", what="mutants imported by the window", states=("B-08-window",),
        file=f"{_WINDOW}/test_foreign.py", choose="five_thousand",
    ),
    Form(
        row="B-09", what="mutants in each of six parsers", states=tuple(f"B-09-{name}" for name in _FUZZ),
        file=f"{_SAFETY}/test_mutants.py", choose="hundred_thousand_tries",
    ),
    Form(
        row="B-11", what="bombs", states=("B-11",), file=f"{_SAFETY}/test_mutants.py", choose="bombs_are_measured"
    ),
    Form(
        row="B-13", what="damaged array files", states=("B-13",),
        file=f"{_SAFETY}/test_hostile_arrays.py", choose="two_thousand_damaged",
    ),
    Form(
        row="B-23", what="two programs on one study", states=("B-23",),
        file=f"{_SAFETY}/test_two_programs.py", choose="thousand_writes",
    ),
    Form(
        row="B-26", what="deaths of workers, in the engine", states=("B-26",),
        file=f"{_SAFETY}/test_workers.py", choose="hundred_deaths",
    ),
    Form(
        row="B-26", what="deaths of workers, under the window", states=("B-26-window",),
        file=f"{_WINDOW}/test_deaths.py", choose="hundred_of_a_hundred",
    ),
    Form(
        row="B-27", what="cases and explanations, in the engine", states=("B-27",),
        file=f"{_SAFETY}/test_long_runs.py", choose="memory_is_flat_over_a_thousand",
    ),
    Form(
        row="B-27", what="cases opened and closed in the window", states=("B-27-window",),
        file=f"{_WINDOW}/test_day.py", choose="thousand_cases",
    ),
    Form(
        row="B-28", what="twenty minutes of a reader in the window", states=("B-28",),
        file=f"{_WINDOW}/test_day.py", choose="twenty_minutes",
    ),
    Form(
        row="B-29", what="100,000 cases", states=("B-29",),
        file=f"{_SAFETY}/test_long_runs.py", choose="hundred_thousand_cases",
    ),
)  # fmt: skip


def figure_of(form: Form) -> tuple[bool, str]:
    """Whether the form came to its end, and what it found."""
    found = []
    whole = True
    for state in form.states:
        path = state_folder() / f"{state}.json"
        if not path.is_file():
            return False, "not run here"
        kept = json.loads(path.read_bytes())
        whole &= kept["done"] >= kept["total"]
        share = "" if kept["done"] >= kept["total"] else f"interrupted at {kept['done']:,} of {kept['total']:,}: "
        name = f"{state.rpartition('-')[2]} " if len(form.states) > 1 else ""
        found.append(share + name + ", ".join(f"{key} {_number(value)}" for key, value in kept["counted"].items()))
    return whole, "; ".join(found)


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def table(forms: tuple[Form, ...] = FORMS) -> str:
    lines = ["| row | what | figure | command |", "| --- | --- | --- | --- |"]
    lines += [f"| {form.row} | {form.what} | {figure_of(form)[1]} | `{form.command}` |" for form in forms]
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.safety.figures", description=__doc__)
    parser.add_argument("--run", action="store_true", help="run the forms that are missing or were interrupted")
    if parser.parse_args(arguments).run:
        for form in FORMS:
            if not figure_of(form)[0]:
                command = [sys.executable, "-m", "pytest", "-q", "-m", "safety_full", form.file, "-k", form.choose]
                subprocess.run(command, cwd=ROOT, check=False)
    sys.stdout.write(table() + "\n")
    return 0 if all(figure_of(form)[0] for form in FORMS) else 1


def exists(form: Form) -> bool:
    """Whether the file has a full form that the command chooses."""
    path = ROOT / form.file
    return path.is_file() and any(
        line.startswith("def test_") and form.choose in line for line in path.read_text("utf-8").splitlines()
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
