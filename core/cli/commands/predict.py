"""Apply a trained model to every lesion of a study, labelled or not, and whenever it was imported. One row a
lesion: your own file name (where `import --keep-file-names` kept it), pseudonym, probabilities of the classes,
probability of malignancy, evidence (the largest similarity to a prototype of the predicted class), whether the
model abstains, and the three most similar prototypes with what each contributes to the score of the predicted
class.

Without --out the table is printed as CSV. A Parquet file needs the package pyarrow.

examples:
  marginalia predict breast-margins compact-1 --out predictions.csv
  marginalia predict breast-margins compact-1 --part test --out test.json
  marginalia predict breast-margins compact-1 3f2a91
  marginalia evaluate --predictions predictions.csv --part test
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from core.cli import lookup
from core.cli.console import Console
from core.cli.outputs import add_overwrite, check_output
from core.cli.text import count

if TYPE_CHECKING:
    from core.tasks.review.predict_lesions import PredictionList

HELP = "apply a model to the lesions of a study: one row a lesion"
PARTS = ("all", "training", "validation", "test", "none")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", type=Path, help="folder of the study")
    parser.add_argument("run", help="name of the run")
    parser.add_argument("lesions", nargs="*", help="identifiers of lesions, or their beginnings (default: all)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="file to write: .csv, .json or .parquet")
    parser.add_argument(
        "--part",
        choices=PARTS,
        default="all",
        help="part of the run's split; none: patients that it does not name (default: all)",
    )
    add_overwrite(parser)


def look_up(arguments: argparse.Namespace) -> None:
    lookup.check_study(arguments.study)
    lookup.check_run(arguments.study, arguments.run, finished=True)
    for lesion in arguments.lesions:
        lookup.check_lesion(arguments.study, lesion)
    if arguments.out is not None:
        lookup.check_suffix(arguments.out, (".csv", ".json", ".parquet"))
        check_output(arguments.out, overwrite=arguments.overwrite)


def run(arguments: argparse.Namespace, console: Console) -> int:
    from core.store.study import Study
    from core.tasks.review.predict_lesions import check_format, csv_of, document_of, predict, write_predictions
    from core.tasks.runs.lifecycle import finished_run

    if arguments.out is not None:
        check_format(arguments.out)
    with Study.open(arguments.study, writable=False) as study:
        run_ = finished_run(study, arguments.run)
        found = predict(study, run_, emit=console.emit, cancelled=console.cancelled)
    found = _chosen(found, arguments.part, arguments.lesions)
    if arguments.out is None:
        console.result(document_of(found), csv_of(found).decode().replace("\r\n", "\n"))
        return 0
    write_predictions(arguments.out, found)
    missing = sum(bool(row.note) for row in found.rows)
    abstained = sum(bool(row.abstained) for row in found.rows)
    lines = [
        f"Wrote predictions for {count(len(found.rows) - missing, 'lesion')} to {arguments.out}; the model "
        f"abstains for {abstained:,} of them."
    ]
    if missing:
        lines.append(f"{count(missing, 'lesion')} without a prediction; the column note gives the reason.")
    if found.synthetic:
        lines.append("SYNTHETIC DATA.")
    document = {
        "file": str(arguments.out),
        "run": found.run,
        "lesions": len(found.rows) - missing,
        "without_prediction": missing,
        "abstained": abstained,
        "synthetic": found.synthetic,
    }
    console.result(document, "\n".join(lines))
    return 0


def _chosen(found: PredictionList, part: str, lesions: list[str]) -> PredictionList:
    from dataclasses import replace

    wanted = {"all": None, "none": ""}.get(part, part)
    rows = [row for row in found.rows if wanted is None or row.part == wanted]
    if lesions:
        rows = [row for row in rows if any(row.lesion.startswith(name) for name in lesions)]
    return replace(found, rows=tuple(rows))
