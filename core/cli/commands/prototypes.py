"""List a model's prototypes: their class, the lesion each is a patch of, its weights, how many of its nearest
training patches are of its class, what its removal would cost, and why it might be pruned.

example:
  marginalia prototypes breast-margins compact-1
"""

from __future__ import annotations

import argparse
from pathlib import Path

from core.cli import lookup
from core.cli.console import Console
from core.domain.messages import as_text

HELP = "list a model's prototypes, with weights, purity and cost of removal"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", type=Path, help="folder of the study")
    parser.add_argument("run", help="name of the run")


def look_up(arguments: argparse.Namespace) -> None:
    lookup.check_study(arguments.study)
    lookup.check_run(arguments.study, arguments.run, finished=True)


def run(arguments: argparse.Namespace, console: Console) -> int:
    import msgspec

    from core.store.study import Study
    from core.tasks.review.prototypes import describe, facts_text
    from core.tasks.runs.lifecycle import finished_run

    with Study.open(arguments.study, writable=False) as study:
        facts, together = describe(study, finished_run(study, arguments.run), cancelled=console.cancelled)
    document = {"prototypes": msgspec.to_builtins(facts, enc_hook=as_text), "removable_together": together}
    console.result(document, facts_text(facts, together))
    return 0
