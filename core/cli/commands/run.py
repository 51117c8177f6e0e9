"""Runs of a study: list, show, rename, delete and compare them.

examples:
  marginalia run list breast-margins
  marginalia run show breast-margins compact-1
  marginalia run rename breast-margins compact-1 baseline
  marginalia run compare breast-margins compact-1 protopnet-compact-1
  marginalia run delete breast-margins compact-1          # what would be deleted?
  marginalia run delete breast-margins compact-1 --yes
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from core.cli import lookup
from core.cli.console import Console
from core.cli.parsing import add_action, add_actions
from core.cli.text import count, table

if TYPE_CHECKING:
    from core.domain.study import Run
    from core.jobs.run_records import RunLine
    from core.store.study import Study
    from core.tasks.review.run_description import RunDescription

HELP = "list, show, rename, delete and compare trained runs"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = add_actions(parser)
    listed = add_action(actions, "list", "list the runs of a study")
    listed.add_argument("study", type=Path, help="folder of the study")
    listed.add_argument("--all", action="store_true", help="archived runs too")
    _of_run(add_action(actions, "show", "show what is recorded of a run: data, code, configuration, model"))
    rename = add_action(actions, "rename", "give a run another name")
    _of_run(rename)
    rename.add_argument("name", help="new name: letters, digits, dot, - and _")
    delete = add_action(
        actions,
        "delete",
        "delete the files of a run",
        "Delete the model, checkpoints and tables of a run. Its record stays in the study, archived. Without "
        "--yes nothing is changed, and what would be deleted is shown.",
    )
    _of_run(delete)
    delete.add_argument("--yes", action="store_true", help="really do it; it cannot be undone")
    compare = add_action(
        actions, "compare", "compare the first run with each of the others: paired tests on shared test patients"
    )
    compare.add_argument("study", type=Path, help="folder of the study")
    compare.add_argument("runs", nargs="+", help="names of at least two runs")


def _of_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", type=Path, help="folder of the study")
    parser.add_argument("run", help="name of the run")


def look_up(arguments: argparse.Namespace) -> None:
    lookup.check_study(arguments.study)
    if arguments.action in ("show", "rename", "delete"):
        lookup.check_run(arguments.study, arguments.run)
    if arguments.action == "compare":
        lookup.check_runs_to_compare(arguments.study, arguments.runs)


def run(arguments: argparse.Namespace, console: Console) -> int:
    if arguments.action == "compare":
        return compare(arguments.study, arguments.runs, console)
    from core.jobs.run_records import find_run, rename_run, run_lines
    from core.store.study import Study

    changes = arguments.action == "rename" or (arguments.action == "delete" and arguments.yes)
    with Study.open(arguments.study, writable=changes) as study:
        if arguments.action == "list":
            lines = run_lines(study, archived=arguments.all)
            console.result({"runs": lines}, _list_text(lines))
            return 0
        found = find_run(study, arguments.run)
        if arguments.action == "show":
            from core.tasks.review.run_description import describe_run

            described = describe_run(study, found)
            console.result(described, _text(described))
        elif arguments.action == "rename":
            renamed = rename_run(study, found, arguments.name)
            console.result({"run": renamed.name, "was": found.name}, f"Renamed {found.name} to {renamed.name}.")
        else:
            _delete(study, found, console, really=arguments.yes)
    return 0


def compare(folder: Path, names: list[str], console: Console) -> int:
    """Shared with the former command ``experiment compare``."""
    import msgspec

    from core.experiment.compare import compare_runs, comparison_text
    from core.store.study import Study

    with Study.open(folder, writable=False) as study:
        found = compare_runs(study, names, cancelled=console.cancelled)
    console.result({"comparisons": msgspec.to_builtins(found)}, comparison_text(found))
    return 0


def _delete(study: Study, run: Run, console: Console, *, really: bool) -> None:
    from core.jobs.run_records import check_deletable, delete_run
    from core.tasks.readers.opinions import marks_of

    check_deletable(study, run)
    files = [path for path in study.run_folder(run.id).rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    marks = len(marks_of(study, run))
    if really:
        delete_run(study, run)
    verb = "Deleted" if really else "Would delete"
    lines = [
        f"{verb} {count(len(files), 'file')} ({size / 1e6:,.1f} MB) of run {run.name}. Its record stays, archived."
    ]
    if marks:
        lines.append(
            f"Readers marked {count(marks, 'prototype')} of it; new trainings no longer take account of them."
        )
    if not really:
        lines.append("Nothing was changed; repeat with --yes.")
    document = {"run": run.name, "files": len(files), "bytes": size, "marked_prototypes": marks, "done": really}
    console.result(document, "\n".join(lines))


def _list_text(lines: list[RunLine]) -> str:
    if not lines:
        return "No runs yet: train one with marginalia train STUDY."
    head = ("run", "status", "made", "preset", "prototypes", "")
    rows = [
        (
            line.name,
            line.status,
            line.created_utc[:10],
            line.preset or "-",
            "-" if line.prototypes is None else str(line.prototypes),
            ", ".join(word for word, true in (("imported", line.imported), ("pruned", line.pruned)) if true),
        )
        for line in lines
    ]
    return "\n".join(table([head, *rows], right=frozenset({4})))


def _text(found: RunDescription) -> str:
    line = found.line
    patients = ", ".join(f"{number:,} {part}" for part, number in found.patients.items())
    rows = [
        ("Run", line.name),
        ("Status", line.status + (", imported" if line.imported else "")),
        ("Made", line.created_utc[:19].replace("T", " ") + " UTC"),
        ("Preset", line.preset or "none"),
        ("Label", line.label),
        ("Patients", patients),
        ("Prototypes", "none yet" if line.prototypes is None else str(line.prototypes)),
        ("Revision", found.revision or "none yet"),
        ("Model", found.model_sha256 or "none yet"),
        ("Data", found.data_fingerprint or "not recorded"),
        ("Code", found.code_version or "not recorded"),
        ("Folder", found.folder),
    ]
    if line.notes:
        rows.append(("Notes", line.notes))
    return "\n".join([*table(rows), "Configuration and record: add --json."])
