"""Remove prototypes from a model and refit its two last layers from the cached similarities. The model before
stays: each pruning is a revision, and undo and redo go between them. Without --reason nothing is changed and the
figures before and after on the validation part are shown. The test part is left out while prototypes are chosen,
because a choice made with its figures in view would make them too good; --test shows it.

examples:
  marginalia prune breast-margins compact-1 3 7                       # what would it do?
  marginalia prune breast-margins compact-1 3 7 --reason "on the nipple"
  marginalia prune breast-margins compact-1 --undo
  marginalia prune breast-margins compact-1 --history
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from core.cli import lookup
from core.cli.console import Console
from core.domain.errors import MarginaliaError
from core.domain.messages import message

if TYPE_CHECKING:
    from core.domain.study import ModelRevision

HELP = "remove prototypes and refit, or undo that"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", type=Path, help="folder of the study")
    parser.add_argument("run", help="name of the run")
    parser.add_argument("numbers", nargs="*", type=int, help="prototypes, numbered as `prototypes` lists them")
    parser.add_argument("--reason", default="", help="why; with a reason the pruning is done")
    parser.add_argument("--test", action="store_true", help="show the figures of the test part too")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--undo", action="store_true", help="go back to the revision before")
    what.add_argument("--redo", action="store_true", help="go forward again")
    what.add_argument("--history", action="store_true", help="list the revisions")


def look_up(arguments: argparse.Namespace) -> None:
    lookup.check_study(arguments.study)
    lookup.check_run(arguments.study, arguments.run, finished=True)
    if not (arguments.numbers or arguments.undo or arguments.redo or arguments.history):
        raise MarginaliaError(message("Name the prototypes to remove, or add --undo, --redo or --history."))


def run(arguments: argparse.Namespace, console: Console) -> int:
    from core.domain.vocabulary import Part
    from core.store.study import Study
    from core.tasks.review.prototypes import Pruning, outcome_document, outcome_text, redo, undo
    from core.tasks.runs.lifecycle import finished_run

    changes = bool(arguments.undo or arguments.redo or (arguments.numbers and arguments.reason))
    with Study.open(arguments.study, writable=changes) as study:
        run_ = finished_run(study, arguments.run)
        if arguments.history:
            revisions = study.models.of_run(run_.id)
            active = study.models.active(run_.id)
            return _show_history(revisions, active, console)
        if arguments.undo or arguments.redo:
            revision = (undo if arguments.undo else redo)(study, run_)
            text = f"{run_.name} is now: {revision.reason} ({len(revision.prototype_indices)} prototypes)."
            console.result({"revision": revision.id, "reason": revision.reason}, text)
            return 0
        pruning = Pruning(study, run_)
        outcome = pruning.outcome({number - 1 for number in arguments.numbers})
        parts = (Part.VALIDATION, Part.TEST) if arguments.test else (Part.VALIDATION,)
        document, text = outcome_document(outcome, parts), outcome_text(outcome, parts)
        if arguments.reason:
            revision = pruning.commit(outcome, reason=arguments.reason)
            document["revision"] = revision.id
            text += f"\nDone: {len(outcome.after.kept)} prototypes are left. Undo with: prune ... --undo"
        else:
            text += "\nNothing was changed; give --reason to prune."
    console.result(document, text)
    return 0


def _show_history(revisions: tuple[ModelRevision, ...], active: ModelRevision | None, console: Console) -> int:
    chosen = active.id if active is not None else ""
    lines = [
        f"{'*' if one.id == chosen else ' '} {one.id[:8]}  {one.created_utc[:16].replace('T', ' ')}  "
        f"{len(one.prototype_indices):>3} prototypes  {one.reason}"
        for one in revisions
    ]
    document = [
        {
            "id": one.id,
            "parent": one.parent_id,
            "created_utc": one.created_utc,
            "prototypes": [index + 1 for index in one.prototype_indices],
            "reason": one.reason,
            "active": one.id == chosen,
        }
        for one in revisions
    ]
    console.result({"revisions": document}, "\n".join(lines))
    return 0
