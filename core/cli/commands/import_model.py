"""Take a model that another study shared (`export --format model`) into this one, as a finished run.

Prototypes are linked to lesions of this study where these are the very images that they were taken from. With
--split, pruning refits the last layers on the training part of that split; without it every patient of this study
is a test patient: the model can be evaluated and explained, but not pruned.

examples:
  main.py import-model other-hospital theirs.marginalia-model
  main.py import-model other-hospital theirs.marginalia-model --name theirs --split default
"""

from __future__ import annotations

import argparse
from pathlib import Path

from core.cli.console import Console

HELP = "take a shared model into a study"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", type=Path, help="folder of the study")
    parser.add_argument("file", type=Path, help="the shared model")
    parser.add_argument("--name", default="", help="of the run (default: the name it had)")
    parser.add_argument("--split", default="", help="name of a split of this study")


def run(arguments: argparse.Namespace, console: Console) -> int:
    import msgspec

    from core.exchange.models.share_model import import_model
    from core.store.study import Study
    from core.tasks.runs.splits import find_split

    with Study.open(arguments.study) as study:
        done = import_model(
            study,
            arguments.file,
            name=arguments.name,
            split=find_split(study, arguments.split) if arguments.split else None,
            emit=console.emit,
            cancelled=console.cancelled,
        )
    pictures = "with" if done.pictures else "without"
    console.result(
        msgspec.to_builtins(done),
        f"Imported the model as run {done.run}, {pictures} pictures; {done.linked} of its {done.prototypes} "
        "prototypes have their lesion in this study.",
    )
    return 0
