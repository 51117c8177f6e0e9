"""The consensus of lesions that several readers labelled: made by the rule where their first labels agree, and by
adjudication, the decision of a further reader, where they differ. It keeps who made it, when, and from which
labels and revisions; training takes it with `--set labels.source="consensus, else readers"`.

examples:
  marginalia consensus agree breast-margins            # every lesion whose readers finished and agree
  marginalia consensus disputes breast-margins --reader "Dr C"
  marginalia consensus decide breast-margins 3f2a --reader "Dr C" --margin spiculated --drawing "Dr A"
  marginalia consensus withdraw breast-margins 3f2a
  marginalia consensus list breast-margins
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.cli import lookup
from core.cli.console import Console
from core.cli.parsing import add_action, add_actions
from core.cli.text import count
from core.domain.messages import as_text
from core.domain.vocabulary import BiradsCategory, MarginType, MassDensity, MassShape, Pathology

if TYPE_CHECKING:
    from core.store.study import Study

HELP = "make, adjudicate, list and withdraw the consensus of readers"
_LABELS = {
    "margin": MarginType,
    "shape": MassShape,
    "density": MassDensity,
    "category": BiradsCategory,
    "pathology": Pathology,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = add_actions(parser)
    _study(add_action(actions, "list", "list every consensus that stands, with its provenance"))
    _study(add_action(actions, "agree", "make the consensus of every lesion whose readers finished and agree"))
    disputes = add_action(actions, "disputes", "list the lesions on which readers differ")
    _study(disputes)
    disputes.add_argument("--reader", default="", metavar="NAME", help="only those that this reader adjudicates")
    decide = add_action(
        actions,
        "decide",
        "adjudicate a lesion",
        "Adjudicate a lesion that is assigned to the reader for that. Labels that are not given are those on "
        "which the readers agree.",
    )
    _study(decide)
    decide.add_argument("lesion", help="lesion, or the beginning of its id")
    decide.add_argument("--reader", required=True, metavar="NAME", help="the adjudicator")
    for name, kind in _LABELS.items():
        words = [str(one.value) for one in kind]
        decide.add_argument(
            f"--{name}", choices=words, metavar="WORD", help=f"the {name} that counts: {', '.join(words)}"
        )
    decide.add_argument(
        "--drawing",
        default="",
        metavar="READER",
        help="reader whose drawing counts; the adjudicator for the own one",
    )
    withdraw = add_action(actions, "withdraw", "take a consensus back; its revisions are kept")
    _study(withdraw)
    withdraw.add_argument("lesion", help="lesion, or the beginning of its id")


def _study(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", type=Path, help="folder of the study")


def look_up(arguments: argparse.Namespace) -> None:
    lookup.check_study(arguments.study)
    if getattr(arguments, "lesion", None) is not None:
        lookup.check_lesion(arguments.study, arguments.lesion)


def run(arguments: argparse.Namespace, console: Console) -> int:
    import msgspec

    from core.store.study import Study
    from core.tasks.readers.group_work import disputes, lesion_of, named_reader, settle_agreed

    writing = arguments.action in ("agree", "decide", "withdraw")
    holder = arguments.reader if arguments.action == "decide" else ""
    with Study.open(arguments.study, writable=writing, holder=holder) as study:
        match arguments.action:
            case "list":
                _list(study, console)
            case "agree":
                made = settle_agreed(study)
                lesions = [one.lesion_id for one in made]
                console.result({"agreed": lesions}, f"Made the consensus of {count(len(made), 'lesion')}.")
            case "disputes":
                own = named_reader(study, arguments.reader).id if arguments.reader else None
                found = disputes(study, own)
                lines = [f"{one.lesion_id}  {one.pseudonym}  {', '.join(one.differ)}" for one in found]
                text = "\n".join(lines) or "No lesion waits for an adjudication."
                console.result({"disputes": msgspec.to_builtins(found, enc_hook=as_text)}, text)
            case "decide":
                _decide(study, arguments, console)
            case _:
                gone = study.consensus.withdraw(lesion_of(study, arguments.lesion))
                done = f"Lesion {gone.lesion_id} has no consensus any more; its revisions are kept."
                console.result({"withdrawn": gone.lesion_id}, done)
    return 0


def _list(study: Study, console: Console) -> None:
    import msgspec

    names = {reader.id: reader.name for reader in study.readers.all()}
    lines, found = [], study.consensus.all()
    for one in found.values():
        of = ", ".join(f"{names[source.reader_id]}: {source.labels.margin}" for source in one.sources)
        lines.append(f"{one.lesion_id}  {one.labels.margin}  {one.how} by {one.who} {one.created_utc[:10]} ({of})")
    document = {"consensus": msgspec.to_builtins(list(found.values()), enc_hook=as_text)}
    console.result(document, "\n".join(lines) or "No lesion has a consensus yet.")


def _decide(study: Study, arguments: argparse.Namespace, console: Console) -> None:
    import msgspec

    from core.domain.group import merged, sources_of
    from core.tasks.readers.group_work import lesion_of, named_reader

    lesion_id, reader = lesion_of(study, arguments.lesion), named_reader(study, arguments.reader)
    sources = sources_of(study.assignments.of_lesion(lesion_id))
    given: dict[str, Any] = {
        name: kind(getattr(arguments, name)) for name, kind in _LABELS.items() if getattr(arguments, name)
    }
    labels = msgspec.structs.replace(merged([source.labels for source in sources]), **given)
    drawn_by = named_reader(study, arguments.drawing).id if arguments.drawing else None
    made = study.consensus.adjudicate(lesion_id, reader.id, labels, drawn_by=drawn_by)
    console.result(
        {"consensus": msgspec.to_builtins(made, enc_hook=as_text)},
        f"{reader.name} decided that lesion {lesion_id} is {labels.margin}.",
    )
