"""Explain a model's predictions, as in Fig. 4 of the paper: one self-contained HTML page a lesion, with a row for
each prototype (activation, most relevant part, prototypical lesion, similarity x weight = contribution), why
not the other classes, and the malignancy by prototype. Without lesions: of each class of the test part the one
with most evidence, and the one that the model gets most wrong.

examples:
  marginalia explain breast-margins compact-1
  marginalia explain breast-margins compact-1 3f2a91 77b0c2 --out pages
"""

from __future__ import annotations

import argparse
from pathlib import Path

from core.cli import lookup
from core.cli.console import Console
from core.cli.outputs import add_overwrite, check_output

HELP = "explain a model's predictions by its prototypes"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", type=Path, help="folder of the study")
    parser.add_argument("run", help="name of the run")
    parser.add_argument("lesions", nargs="*", help="identifiers of lesions, or their beginnings")
    parser.add_argument(
        "--out", type=Path, default=Path("explanations"), help="folder for the pages (default: explanations)"
    )
    add_overwrite(parser)


def look_up(arguments: argparse.Namespace) -> None:
    lookup.check_study(arguments.study)
    lookup.check_run(arguments.study, arguments.run, finished=True)
    for lesion in arguments.lesions:
        lookup.check_lesion(arguments.study, lesion)
    check_output(arguments.out, overwrite=arguments.overwrite)


def run(arguments: argparse.Namespace, console: Console) -> int:
    from core.model.accelerator import resolve_device
    from core.store.study import Study
    from core.tasks.readers.voices import case_facts
    from core.tasks.review.model_in_study import open_model, telling_lesions, write_case_pages
    from core.tasks.runs.lifecycle import finished_run

    folder = arguments.out
    with Study.open(arguments.study, writable=False) as study:
        run_ = finished_run(study, arguments.run)
        opened = open_model(
            study, run_, device=resolve_device("auto"), emit=console.emit, cancelled=console.cancelled
        )
        lesions = arguments.lesions or telling_lesions(opened, cancelled=console.cancelled)
        pages = write_case_pages(
            opened,
            lesions,
            folder,
            emit=console.emit,
            cancelled=console.cancelled,
            facts=lambda lesion: case_facts(study, run_, lesion, opened.model.card.label),
        )
    found = [
        {
            "lesion": explanation.roi.lesion_id,
            "predicted": explanation.class_names[explanation.predicted],
            "labelled": explanation.roi.class_name,
            "logits": dict(zip(explanation.class_names, map(float, explanation.logits), strict=True)),
            "has_precedent": explanation.precedent.found,
            "page": str(path),
        }
        for path, explanation in pages
    ]
    text = [
        f"{page['page']}: labelled {page['labelled'] or 'nothing'}, predicted {page['predicted']}"
        for page in found
    ]
    console.result({"explanations": found}, "\n".join(text))
    return 0
