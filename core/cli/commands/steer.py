"""Have a prototype look at another place: a patch of a training lesion of its class that you name becomes the
prototype, and the last layers are fitted again. The run stays as it is; the outcome is a new run with its parent
named, and undo archives it. Without --reason nothing is made: the figures before and after on the validation part
are shown, with the paired differences and their 95% intervals.

--not-this marks the prototype as not medically relevant: the next update of the run forgets its patch.

examples:
  marginalia steer breast-margins compact-1 3 --look-at 1f0c9a2e --place 812 1460           # what would it do?
  marginalia steer breast-margins compact-1 3 --look-at 1f0c9a2e --place 812 1460 --reason "the spicules"
  marginalia steer breast-margins compact-1 3 --not-this
  marginalia steer breast-margins compact-1-steered1 --undo
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from core.cli import lookup
from core.cli.console import Console
from core.cli.text import shell_word
from core.domain.errors import MarginaliaError
from core.domain.messages import as_text, message

if TYPE_CHECKING:
    from core.domain.study import Run
    from core.store.study import Study

HELP = "have a prototype look at another place, as a new run"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", type=Path, help="folder of the study")
    parser.add_argument("run", help="name of the run")
    parser.add_argument("number", nargs="?", type=int, help="prototype, numbered as `prototypes` lists them")
    parser.add_argument("--look-at", default="", metavar="LESION", help="training lesion that it looks at instead")
    parser.add_argument(
        "--place", nargs=2, type=float, metavar=("X", "Y"), help="place in that lesion's mammogram, in pixels"
    )
    parser.add_argument("--reason", default="", help="why; with a reason the new run is made")
    parser.add_argument("--name", default="", help="name of the new run (default: RUN-steered and a number)")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--not-this", action="store_true", help="forget its patch in the next update")
    what.add_argument("--undo", action="store_true", help="archive the steered run; its parent is used again")
    what.add_argument("--redo", action="store_true", help="take back the run that was steered from this one")


def look_up(arguments: argparse.Namespace) -> None:
    lookup.check_study(arguments.study)
    lookup.check_run(arguments.study, arguments.run, finished=True)
    if arguments.undo or arguments.redo:
        return
    if arguments.number is None:
        raise MarginaliaError(message("Name the prototype, or add --undo or --redo."))
    if not arguments.not_this and (not arguments.look_at or arguments.place is None):
        raise MarginaliaError(message("Give the place with --look-at LESION --place X Y, or add --not-this."))


def run(arguments: argparse.Namespace, console: Console) -> int:
    from core.store.study import Study
    from core.tasks.runs.lifecycle import finished_run
    from core.tasks.runs.steering import redo_steering, undo_steering

    changes = bool(arguments.undo or arguments.redo or arguments.not_this or arguments.reason)
    with Study.open(arguments.study, writable=changes) as study:
        run_ = finished_run(study, arguments.run)
        if arguments.undo or arguments.redo:
            now = (undo_steering if arguments.undo else redo_steering)(study, run_)
            console.result({"run": now.name}, f"{now.name} is in use again.")
            return 0
        if arguments.not_this:
            return _forget(study, run_, arguments.number, console)
        return _steer(study, run_, arguments, console)


def _forget(study: Study, run_: Run, number: int, console: Console) -> int:
    from core.tasks.readers.opinions import Mark, mark_prototype
    from core.tasks.runs.lifecycle import trained_model

    count = len(trained_model(study, run_).card.prototypes)
    if not 1 <= number <= count:
        raise MarginaliaError(
            message("Prototype {number} is not in the model; it has {count}.", number=number, count=count)
        )
    mark_prototype(study, run_, number - 1, Mark.NOT_RELEVANT)
    text = f"Prototype {number} of {run_.name} is marked as not medically relevant; the next update forgets it."
    console.result({"run": run_.name, "prototype": number, "mark": Mark.NOT_RELEVANT.value}, text)
    return 0


def _steer(study: Study, run_: Run, arguments: argparse.Namespace, console: Console) -> int:
    import msgspec

    from core.domain.vocabulary import Part
    from core.tasks.review.model_in_study import open_model
    from core.tasks.review.prototypes import Pruning, outcome_document, outcome_text
    from core.tasks.review.steering_preview import SteeringPreview
    from core.tasks.runs.dispatch import Told, carry_out_runs
    from core.tasks.runs.steering import plan_steering
    from core.training.steering import SteeredPlace

    opened = open_model(study, run_, cancelled=console.cancelled)
    lesion = opened.rois.lesion_ids[opened.row_of(arguments.look_at)]
    place = SteeredPlace(
        number=arguments.number, lesion_id=lesion, place=tuple(arguments.place), reason=arguments.reason
    )
    found = SteeringPreview(study, opened, Pruning(study, run_)).outcome([place], console.cancelled)
    changes = found.differences(console.cancelled)
    document = outcome_document(found.outcome, (Part.VALIDATION,))
    document = {key: document[key] for key in ("before", "after", "flips")}
    document["differences"] = {
        one.key: msgspec.to_builtins(one.comparison.difference, enc_hook=as_text) for one in changes
    }
    lines = [outcome_text(found.outcome, (Part.VALIDATION,))]
    for one in changes:
        estimate = one.comparison.difference
        if estimate.value is not None and estimate.low is not None and estimate.high is not None:
            said = f"{estimate.value:+.3f} ({estimate.low:+.3f} to {estimate.high:+.3f})"
            lines.append(f"{one.key:<24}{said}")
    if not arguments.reason:
        lines.append("Nothing was changed; give --reason to make the run.")
        console.result(document, "\n".join(lines))
        return 0
    planned = plan_steering(study, run_, [place], name=arguments.name)
    done = carry_out_runs(study, [planned], "", Told(emit=console.emit, cancelled=console.cancelled))[0]
    document |= {"run": done.name, "id": done.id, "metrics": done.metrics}
    lines.append(f"Made {done.name}. Undo with: marginalia steer {shell_word(arguments.study)} {done.name} --undo")
    console.result(document, "\n".join(lines))
    return 0
