"""Assignments: which reader labels and draws which lesion, by hand or by rule, once or twice; and how the work
stands.

A reader who has a lesion to label sees nothing of others at it until `finish`. The labels and the drawing of that
moment are the first labels, from which agreement is computed; they can be corrected later without changing that.

examples:
  marginalia assign add breast-margins --to "Dr A" --to "Dr B" --each 2 --adjudicator "Dr C"
  marginalia assign add breast-margins --to "Dr A" 3f2a 77c1     # these lesions, by hand
  marginalia assign queue breast-margins --reader "Dr A"
  marginalia assign finish breast-margins 3f2a --reader "Dr A"
  marginalia assign status breast-margins                        # progress, agreement, what differs
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.cli import lookup
from core.cli.console import Console
from core.cli.parsing import add_action, add_actions
from core.cli.text import count, table
from core.domain.messages import as_text

if TYPE_CHECKING:
    from core.store.study import Study
    from core.tasks.readers.group_work import GroupState

HELP = "give lesions to readers, by hand or by rule, and show how the work stands"
_WRITING = ("add", "remove", "finish", "reopen")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = add_actions(parser)
    add = add_action(
        actions,
        "add",
        "give lesions to readers",
        "Give lesions to readers. Whole patients go to the same readers, and each reader gets about the same "
        "number of lesions; earlier assignments count. Without lesions, all of the study.",
    )
    _study(add)
    add.add_argument("lesions", nargs="*", metavar="LESION", help="lesion, or the beginning of its id")
    add.add_argument("--to", action="append", required=True, metavar="READER", help="reader; repeat it for more")
    add.add_argument(
        "--each", type=int, default=1, metavar="N", help="readers who label each lesion; 2 for double reading"
    )
    add.add_argument("--adjudicator", default="", metavar="READER", help="further reader who decides differences")
    add.add_argument("--seed", type=int, default=1, help="random seed of the order of patients (default: 1)")
    queue = add_action(actions, "queue", "list the lesions that wait for a reader")
    _study(queue)
    _reader(queue)
    for name, what in (
        ("finish", "keep a reader's labels and drawing of now as the first ones"),
        ("reopen", "undo finish, where no other reader has begun"),
        ("remove", "take a lesion that is not finished from a reader"),
    ):
        one = add_action(actions, name, what)
        _study(one)
        one.add_argument("lesion", help="lesion, or the beginning of its id")
        _reader(one)
    _study(add_action(actions, "status", "show progress, agreement of first labels, and lesions that differ"))


def _study(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", type=Path, help="folder of the study")


def _reader(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--reader", required=True, metavar="NAME", help="name of the reader")


def look_up(arguments: argparse.Namespace) -> None:
    lookup.check_study(arguments.study)
    for lesion in getattr(arguments, "lesions", ()) or [getattr(arguments, "lesion", None)]:
        if lesion is not None:
            lookup.check_lesion(arguments.study, lesion)


def run(arguments: argparse.Namespace, console: Console) -> int:
    from core.store.study import Study
    from core.tasks.readers.group_work import group_state

    writing = arguments.action in _WRITING
    with Study.open(arguments.study, writable=writing, holder=getattr(arguments, "reader", "")) as study:
        match arguments.action:
            case "add":
                _add(study, arguments, console)
            case "queue":
                _queue(study, arguments.reader, console)
            case "status":
                state = group_state(study)
                console.result(_document(state), _text(state))
            case _:
                _change(study, arguments, console)
    return 0


def _add(study: Study, arguments: argparse.Namespace, console: Console) -> None:
    from core.domain.group import Purpose
    from core.tasks.readers.assigning import plan_assignments
    from core.tasks.readers.group_work import lesion_of

    with study.batch():
        made = plan_assignments(
            study,
            [study.readers.ensure(name) for name in arguments.to],
            each=arguments.each,
            adjudicator=study.readers.ensure(arguments.adjudicator) if arguments.adjudicator else None,
            lesion_ids=[lesion_of(study, begin) for begin in arguments.lesions] or None,
            seed=arguments.seed,
        )
        study.assignments.add_many(made)
    names = {reader.id: reader.name for reader in study.readers.all()}
    numbers: dict[str, dict[str, int]] = {}
    for one in made:
        own = numbers.setdefault(names[one.reader_id], {purpose.value: 0 for purpose in Purpose})
        own[one.purpose.value] += 1
    lines = [
        f"{name}: {count(own['label'], 'lesion')} to label"
        + (f", {own['adjudicate']:,} to adjudicate where readers differ" if own["adjudicate"] else "")
        for name, own in numbers.items()
    ]
    console.result(
        {"assigned": numbers}, "\n".join(lines) or "Every lesion has its readers; nothing was assigned."
    )


def _queue(study: Study, name: str, console: Console) -> None:
    from core.tasks.readers.group_work import named_reader, queue_of

    lines = queue_of(study, named_reader(study, name))
    rows = [(one.lesion_id, one.pseudonym, one.purpose.value) for one in lines]
    document = [{"lesion": lesion, "patient": patient, "purpose": purpose} for lesion, patient, purpose in rows]
    console.result({"reader": name, "queue": document}, "\n".join(table(rows)) or "Nothing waits for this reader.")


def _change(study: Study, arguments: argparse.Namespace, console: Console) -> None:
    from core.tasks.readers.group_work import lesion_of, named_reader

    lesion_id, reader = lesion_of(study, arguments.lesion), named_reader(study, arguments.reader)
    match arguments.action:
        case "finish":
            study.assignments.finish(lesion_id, reader.id)
            done = f"{reader.name} has finished lesion {lesion_id}; the labels and the drawing of now are kept."
        case "reopen":
            study.assignments.reopen(lesion_id, reader.id)
            done = f"Lesion {lesion_id} waits for {reader.name} again."
        case _:
            study.assignments.remove(lesion_id, reader.id)
            done = f"Lesion {lesion_id} is no longer {reader.name}'s."
    console.result({"lesion": lesion_id, "reader": reader.name, "done": arguments.action}, done)


def _document(state: GroupState) -> dict[str, Any]:
    import msgspec

    return dict(msgspec.to_builtins(state, enc_hook=as_text))


def _text(state: GroupState) -> str:
    if not state.progress:
        return "No lesion is assigned yet; give some to readers with: marginalia assign add"
    rows = [("reader", "finished", "of", "to adjudicate")]
    rows += [(one.reader, str(one.finished), str(one.assigned), str(one.to_adjudicate)) for one in state.progress]
    lines = table(rows, right=frozenset({1, 2, 3}))
    for pair in state.agreement:
        lines.append(
            f"{pair.label}, {pair.first} and {pair.second}: {pair.same} of {pair.lesions} alike, "
            f"kappa {pair.kappa.text(2)}"
        )
    for one in state.disputes:
        calls = ", ".join(f"{name}: {_words(labels, one.differ)}" for name, labels, _ in one.calls)
        lines.append(f"Lesion {one.lesion_id} of {one.pseudonym} differs on {', '.join(one.differ)} ({calls})")
    if state.agreed:
        lines.append(f"{count(len(state.agreed), 'lesion')} can have a consensus: marginalia consensus agree")
    lines += [f"Consensus {how}: {number}" for how, number in state.consensus.items()]
    return "\n".join(lines)


def _words(labels: Any, names: tuple[str, ...]) -> str:
    return ", ".join(str(getattr(labels, name) or "-") for name in names)
