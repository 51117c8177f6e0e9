"""Reader studies: lesions read without and then with the model. They are read in the window, on Review, or
elsewhere and imported as a CSV.

Columns of the CSV for `import`, one row for each reading: reader, lesion, condition (alone, or with the model),
margin, probability_of_malignancy (0 to 1) and seconds (that the reading took); optional are trust (1 to 5, with
the model) and at_utc. `export` writes these columns, among others.

examples:
  marginalia reader-study list breast-margins
  marginalia reader-study make breast-margins --run compact-1 --name pilot --most 40 --seed 7
  marginalia reader-study import breast-margins readings.csv --name pilot
  marginalia reader-study export breast-margins --name pilot --out pilot.csv
  marginalia reader-study evaluate breast-margins --name pilot    # reader, model, both: paired tests
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from core.cli import lookup
from core.cli.console import Console
from core.cli.outputs import add_overwrite, check_output
from core.cli.parsing import add_action, add_actions
from core.cli.text import count
from core.domain.messages import as_text, message

if TYPE_CHECKING:
    from core.domain.reading import ReaderStudy
    from core.store.study import Study

HELP = "make, list, fill, export and evaluate reader studies"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = add_actions(parser)
    listed = add_action(actions, "list", "list the reader studies of a study")
    listed.add_argument("study", type=Path, help="folder of the study")
    make = add_action(actions, "make", "make a reader study on the lesions of one part of a split")
    _named(make)
    make.add_argument("--run", required=True, help="run whose model is shown")
    make.add_argument(
        "--part",
        choices=("validation", "test"),
        default="test",
        help="which part to draw lesions from (default: test)",
    )
    make.add_argument("--most", type=int, default=0, metavar="N", help="maximum number of lesions (default: all)")
    make.add_argument("--seed", type=int, default=1, help="random seed of the choice and the order (default: 1)")
    taken = add_action(
        actions,
        "import",
        "add readings that were made elsewhere, from a CSV",
        "Add readings that were made elsewhere, from a CSV with the columns reader, lesion, condition, margin, "
        "probability_of_malignancy and seconds; trust and at_utc are optional. All rows are added, or none.",
    )
    taken.add_argument("study", type=Path, help="folder of the study")
    taken.add_argument("file", type=Path, help="CSV of the readings")
    taken.add_argument("--name", required=True, help="name of the reader study")
    export = add_action(actions, "export", "write the readings to a CSV")
    _named(export)
    export.add_argument("--out", type=Path, required=True, metavar="CSV", help="file for the readings")
    add_overwrite(export)
    _named(add_action(actions, "evaluate", "compare readers, model and readers with the model: paired tests"))


def _named(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", type=Path, help="folder of the study")
    parser.add_argument("--name", required=True, help="name of the reader study")


def look_up(arguments: argparse.Namespace) -> None:
    lookup.check_study(arguments.study)
    match arguments.action:
        case "make":
            lookup.check_run(arguments.study, arguments.run, finished=True)
        case "import":
            lookup.check_input(arguments.file)
            lookup.check_reader_study(arguments.study, arguments.name)
        case "export":
            lookup.check_reader_study(arguments.study, arguments.name)
            check_output(arguments.out, overwrite=arguments.overwrite)
        case "evaluate":
            lookup.check_reader_study(arguments.study, arguments.name)


def run(arguments: argparse.Namespace, console: Console) -> int:
    from core.store.study import Study
    from core.tasks.readers.reader_study import find_reader_study

    with Study.open(arguments.study, writable=arguments.action in ("make", "import", "export")) as study:
        match arguments.action:
            case "list":
                _list(study, console)
            case "make":
                _make(study, arguments, console)
            case "import":
                _import(study, find_reader_study(study, arguments.name), arguments.file, console)
            case "export":
                _export(study, find_reader_study(study, arguments.name), arguments.out, console)
            case _:
                _evaluate(study, find_reader_study(study, arguments.name), console)
    return 0


def _list(study: Study, console: Console) -> None:
    import msgspec

    found = study.reader_studies.all()
    lines = [f"{one.name}: {count(len(one.lesion_ids), 'lesion')}, made {one.created_utc[:10]}" for one in found]
    console.result(
        {"reader_studies": msgspec.to_builtins(found, enc_hook=as_text)},
        "\n".join(lines) or "No reader studies yet.",
    )


def _import(study: Study, made: ReaderStudy, file: Path, console: Console) -> None:
    from core.tasks.readers.readings_table import import_readings

    added = import_readings(study, made, file)
    readers = ", ".join(added.readers)
    console.result(
        {"reader_study": made.name, "readings": added.readings, "readers": list(added.readers)},
        f"Added {count(added.readings, 'reading')} of {readers} to {made.name}. Next: marginalia reader-study "
        f"evaluate {study.folder} --name {made.name}",
    )


def _export(study: Study, made: ReaderStudy, out: Path, console: Console) -> None:
    from core.platform.atomic import atomic_write
    from core.tasks.readers.reader_study import export_readings

    content = export_readings(study, made)
    atomic_write(out, content)
    number = content.count(b"\r\n") - 1
    console.result({"file": str(out), "readings": number}, f"Wrote {count(number, 'reading')} to {out}.")


def _evaluate(study: Study, made: ReaderStudy, console: Console) -> None:
    import msgspec

    from core.domain.errors import StudyError
    from core.tasks.review.reader_study_figures import evaluate_reader_study, figures_text

    if not study.reader_studies.readings(made.id):
        raise StudyError(
            message(
                "Nobody has read {reader_study} yet; read it in the window, on Review, or import readings with: "
                "marginalia reader-study import {folder} FILE.csv --name {reader_study}",
                reader_study=made.name,
                folder=study.folder,
            )
        )
    figures = evaluate_reader_study(study, made, cancelled=console.cancelled)
    console.result(msgspec.to_builtins(figures, enc_hook=as_text), figures_text(figures))


def _make(study: Study, arguments: argparse.Namespace, console: Console) -> None:
    import msgspec

    from core.domain.vocabulary import Part
    from core.tasks.readers.reader_study import make_reader_study
    from core.tasks.runs.lifecycle import finished_run, request_of

    run = finished_run(study, arguments.run)
    made = make_reader_study(
        study,
        run,
        request_of(study, run).parts,
        name=arguments.name,
        part=Part(arguments.part),
        most=arguments.most,
        seed=arguments.seed,
    )
    console.result(
        msgspec.to_builtins(made, enc_hook=as_text),
        f"Made the reader study {made.name} of {count(len(made.lesion_ids), 'lesion')}. Read it in the window, on "
        "Review.",
    )
