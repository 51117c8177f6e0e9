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

from tests.safety.fuzz.targets import TARGETS
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
    def arguments(self) -> tuple[str, ...]:
        """Of pytest."""
        return "-m", "safety_full", self.file, "-k", self.choose

    @property
    def command(self) -> str:
        return " ".join(("pytest", *self.arguments))


def _form(row: str, what: str, file: str, choose: str, *states: str) -> Form:
    """Figures are kept under the row's name where ``states`` names no other."""
    return Form(row=row, what=what, states=states or (row,), file=file, choose=choose)


_HERE = "tests/safety"
_CRASH = "tests/core/store/test_crash.py"
_MUTANTS, _LONG = f"{_HERE}/test_mutants.py", f"{_HERE}/test_long_runs.py"
_FOREIGN, _DAY = f"{_HERE}/window/test_foreign.py", f"{_HERE}/window/test_day.py"
_DIALOGS = f"{_HERE}/window/test_dialogs.py"
_PARSERS = tuple(f"B-09-{name}" for name in sorted(TARGETS))
FORMS = (
    _form("B-01", "kills while annotating", _CRASH, "two_thousand_kills"),
    _form("B-03", "kills while training", _LONG, "two_hundred_kills"),
    _form("B-08", "mutants of image files, in the decoder", _MUTANTS, "two_hundred_thousand"),
    _form("B-08", "mutants imported by the window", _FOREIGN, "five_thousand", "B-08-window"),
    _form("B-09", f"mutants in each of {len(TARGETS)} parsers", _MUTANTS, "hundred_thousand_tries", *_PARSERS),
    _form("B-09", "mutated PDUs and answers", "tests/pacs/test_fuzz.py", "thousands_of_mutated", "B-09-messages"),
    _form("B-11", "bombs", _MUTANTS, "bombs_are_measured"),
    _form("B-13", "damaged array files", f"{_HERE}/test_hostile_arrays.py", "two_thousand_damaged"),
    _form("B-23", "two programs on one study", f"{_HERE}/test_two_programs.py", "thousand_writes"),
    _form("B-26", "deaths of workers, in the engine", f"{_HERE}/test_workers.py", "hundred_deaths"),
    _form(
        "B-26", "deaths of workers, under the window", f"{_HERE}/window/test_deaths.py", "hundred_of_a_hundred",
        "B-26-window",
    ),
    _form("B-27", "cases and explanations, in the engine", _LONG, "memory_is_flat_over_a_thousand"),
    _form("B-27", "cases opened and closed in the window", _DAY, "thousand_cases", "B-27-window"),
    _form("B-27", "dialogs opened and closed", _DIALOGS, "two_hundred_of_each", "B-27-dialogs"),
    _form("B-28", "twenty minutes of a reader in the window", _DAY, "twenty_minutes"),
    _form("B-29", "100,000 cases", _LONG, "hundred_thousand_cases"),
)  # fmt: skip


def figure_of(form: Form) -> tuple[bool, str]:
    """Whether the form came to its end, and what it found."""
    found, whole = [], True
    for state in form.states:
        path = state_folder() / f"{state}.json"
        if not path.is_file():
            return False, "not run here"
        kept = json.loads(path.read_bytes())
        done, total = kept["done"], kept["total"]
        share = "" if done >= total else f"interrupted at {done:,} of {total:,}: "
        name = f"{state.rpartition('-')[2]} " if len(form.states) > 1 else ""
        found.append(share + name + ", ".join(f"{key} {_number(value)}" for key, value in kept["counted"].items()))
        whole &= done >= total
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
                subprocess.run([sys.executable, "-m", "pytest", "-q", *form.arguments], cwd=ROOT, check=False)
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
