"""Reader studies: lesions read without and then with the model. They are read in the window, on Review.

examples:
  main.py reader-study list breast-margins
  main.py reader-study make breast-margins --run compact-1 --name pilot --most 40 --seed 7
  main.py reader-study export breast-margins --name pilot --out pilot.csv
  main.py reader-study evaluate breast-margins --name pilot    # reader, model, both: paired tests
"""

from __future__ import annotations

import argparse
from pathlib import Path

from core.cli.console import Console

HELP = "make, list, export and evaluate reader studies"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=("list", "make", "export", "evaluate"), help="what to do")
    parser.add_argument("study", type=Path, help="folder of the study")
    parser.add_argument("--name", default="", help="name of the reader study")
    parser.add_argument("--run", default="", help="run whose model is shown (make)")
    parser.add_argument(
        "--part", choices=("validation", "test"), default="test", help="lesions of this part (make)"
    )
    parser.add_argument("--most", type=int, default=0, help="at most so many lesions; 0 for all (make)")
    parser.add_argument("--seed", type=int, default=1, help="of the choice and the order (make, default: 1)")
    parser.add_argument("--out", type=Path, help="file for the readings, CSV (export)")


def run(arguments: argparse.Namespace, console: Console) -> int:
    import msgspec

    from core.domain.errors import StudyError
    from core.platform.atomic import atomic_write
    from core.store.study import Study
    from core.tasks.readers.reader_study import export_readings, find_reader_study

    if arguments.action == "export" and arguments.out is None:
        raise StudyError("Say where the readings are to be written: --out FILE.csv.")
    writes = arguments.action in ("make", "export")
    with Study.open(arguments.study, writable=writes) as study:
        if arguments.action == "list":
            found = study.reader_studies.all()
            lines = [f"{one.name}: {len(one.lesion_ids)} lesions, made {one.created_utc}" for one in found]
            console.result({"reader_studies": msgspec.to_builtins(found)}, "\n".join(lines) or "None yet.")
            return 0
        if arguments.action == "make":
            return _make(study, arguments, console)
        made = find_reader_study(study, arguments.name)
        if arguments.action == "export":
            content = export_readings(study, made)
            atomic_write(arguments.out, content)
            count = content.count(b"\r\n") - 1
            console.result(
                {"file": str(arguments.out), "readings": count}, f"Wrote {count} readings to {arguments.out}."
            )
            return 0
        from core.tasks.review.reader_study_figures import evaluate_reader_study, figures_text

        figures = evaluate_reader_study(study, made, cancelled=console.cancelled)
    console.result(msgspec.to_builtins(figures), figures_text(figures))
    return 0


def _make(study: object, arguments: argparse.Namespace, console: Console) -> int:
    import msgspec

    from core.domain.vocabulary import Part
    from core.store.study import Study
    from core.tasks.readers.reader_study import make_reader_study
    from core.tasks.runs.lifecycle import finished_run, request_of

    assert isinstance(study, Study)
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
        msgspec.to_builtins(made),
        f"Made the reader study {made.name} of {len(made.lesion_ids)} lesions. Read it in the window, on Review.",
    )
    return 0
