"""Runs of a study: list, show, cancel, rename, delete and compare them.

A run whose job works without the program that began it (train --detach, or a window that was closed) is shown as
waiting or running with the number of its job and Slurm's reason. One that ended meanwhile is recorded by
train --resume.

examples:
  marginalia run list breast-margins
  marginalia run show breast-margins compact-1
  marginalia run cancel breast-margins compact-1
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
from core.cli.job_text import job_words, run_status
from core.cli.parsing import add_action, add_actions
from core.cli.text import count, table
from core.domain.messages import as_text

if TYPE_CHECKING:
    from core.domain.study import Run
    from core.jobs.run_records import RunLine
    from core.store.study import Study
    from core.tasks.review.run_description import RunDescription
    from core.tasks.runs.submitted_runs import JobLine

HELP = "list, show, cancel, rename, delete and compare runs"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = add_actions(parser)
    listed = add_action(actions, "list", "list the runs of a study")
    listed.add_argument("study", type=Path, help="folder of the study")
    listed.add_argument("--all", action="store_true", help="archived runs too")
    _of_run(add_action(actions, "show", "show what is recorded of a run: data, code, configuration, model"))
    cancel = add_action(
        actions,
        "cancel",
        "cancel runs that wait or are trained",
        "Take jobs that wait out of the queue and stop those that run after their current step; what they saved "
        "is kept, and they can be resumed. It works while another program follows them.",
    )
    cancel.add_argument("study", type=Path, help="folder of the study")
    cancel.add_argument("runs", nargs="+", metavar="RUN", help="names of runs, or of a training with its folds")
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
    for name in arguments.runs if arguments.action == "cancel" else ():
        lookup.check_run(arguments.study, name, group=True)
    if arguments.action == "compare":
        lookup.check_runs_to_compare(arguments.study, arguments.runs)


def run(arguments: argparse.Namespace, console: Console) -> int:
    if arguments.action == "compare":
        return compare(arguments.study, arguments.runs, console)
    if arguments.action == "cancel":
        return _cancel(arguments, console)
    from core.jobs.run_records import find_run, rename_run, run_lines
    from core.store.study import Study
    from core.tasks.runs.submitted_runs import job_lines

    changes = arguments.action == "rename" or (arguments.action == "delete" and arguments.yes)
    with Study.open(arguments.study, writable=changes) as study:
        if arguments.action == "list":
            lines = run_lines(study, archived=arguments.all)
            jobs = {one.run: one for one in job_lines(study, study.runs.all(archived=arguments.all))}
            console.result({"runs": lines, "jobs": list(jobs.values())}, _list_text(lines, jobs))
            return 0
        found = find_run(study, arguments.run)
        if arguments.action == "show":
            import msgspec

            from core.tasks.review.run_description import describe_run

            described = describe_run(study, found)
            job = next(iter(job_lines(study, [found])), None)
            document = {
                **msgspec.to_builtins(described, enc_hook=as_text),
                "job": msgspec.to_builtins(job, enc_hook=as_text),
            }
            console.result(document, _text(described, job))
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
    console.result({"comparisons": msgspec.to_builtins(found, enc_hook=as_text)}, comparison_text(found))
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


def _cancel(arguments: argparse.Namespace, console: Console) -> int:
    from core.domain.errors import StudyLockedError
    from core.jobs.run_records import find_runs
    from core.store.study import Study
    from core.tasks.runs.cancelling import ask_to_cancel, cancel_runs

    try:
        with Study.open(arguments.study) as study:
            runs = find_runs(study, arguments.runs)
            cancel_runs(study, runs, emit=console.emit, cancelled=console.cancelled)
            runs = [study.runs.get(one.id) for one in runs]
    except StudyLockedError:
        with Study.open(arguments.study, writable=False) as study:
            runs = find_runs(study, arguments.runs)
            ask_to_cancel(study, runs)
    lines = [
        f"{one.name} {'was asked to stop' if one.status == 'running' else f'is {one.status}'}" for one in runs
    ]
    console.result({"runs": [{"name": one.name, "status": one.status} for one in runs]}, "\n".join(lines))
    return 0


def _list_text(lines: list[RunLine], jobs: dict[str, JobLine]) -> str:
    if not lines:
        return "No runs yet: train one with marginalia train STUDY."
    head = ("run", "status", "made", "preset", "prototypes", "")
    rows = [
        (
            line.name,
            run_status(line, jobs.get(line.name)),
            line.created_utc[:10],
            line.preset or "-",
            "-" if line.prototypes is None else str(line.prototypes),
            ", ".join(word for word, true in (("imported", line.imported), ("pruned", line.pruned)) if true),
        )
        for line in lines
    ]
    return "\n".join(table([head, *rows], right=frozenset({4})))


def _text(found: RunDescription, job: JobLine | None) -> str:
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
    if job is not None:
        rows.insert(2, ("Job", job_words(job)))
    if line.notes:
        rows.append(("Notes", line.notes))
    return "\n".join([*table(rows), "Configuration and record: add --json."])
