"""Models as files: write the model of a run to share it, take a shared one into a study, and see what a file
holds.

`export` writes one file with weights, card, metrics and fingerprint; with --with-pictures also the pictures of the
prototypes, which are patients' images. --onnx writes the network alone, for other programs.

`import` makes a shared model a finished run. Prototypes are linked to lesions of this study where these are the
very images that they were taken from; others are shown without a picture unless the file has it. With --split,
pruning refits the last layers on the training part of that split; without it every patient of this study is a test
patient, and the model can be applied, evaluated and explained, but not pruned.

examples:
  marginalia model export breast-margins compact-1 --out compact.marginalia-model
  marginalia model export breast-margins compact-1 --out compact.onnx --onnx
  marginalia model show compact.marginalia-model
  marginalia model import other-hospital compact.marginalia-model --name theirs --split default
"""

from __future__ import annotations

import argparse
from pathlib import Path

from core.cli import lookup
from core.cli.console import Console
from core.cli.outputs import add_overwrite, check_output
from core.cli.parsing import add_action, add_actions
from core.cli.text import count, table
from core.domain.messages import as_text

HELP = "export, import and show models as files"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = add_actions(parser)
    export = add_action(actions, "export", "write the model of a run to a file")
    export.add_argument("study", type=Path, help="folder of the study")
    export.add_argument("run", help="name of the run")
    export.add_argument("--out", type=Path, required=True, metavar="FILE", help="file to write")
    export.add_argument("--onnx", action="store_true", help="write the network alone, as ONNX")
    export.add_argument(
        "--with-pictures", action="store_true", help="with the pictures of the prototypes, which show patients"
    )
    add_overwrite(export)
    add_import(add_action(actions, "import", "take a shared model into a study as a finished run"))
    show = add_action(actions, "show", "show what a shared model holds, without a study")
    show.add_argument("file", type=Path, help="the shared model")


def add_import(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", type=Path, help="folder of the study")
    parser.add_argument("file", type=Path, help="the shared model")
    parser.add_argument("--name", default="", help="name of the run (default: the name it had)")
    parser.add_argument("--split", default="", help="name of a split of this study; needed for pruning")


def look_up(arguments: argparse.Namespace) -> None:
    if arguments.action == "show":
        lookup.check_input(arguments.file)
    elif arguments.action == "import":
        look_up_import(arguments)
    else:
        lookup.check_study(arguments.study)
        lookup.check_run(arguments.study, arguments.run, finished=True)
        check_output(arguments.out, overwrite=arguments.overwrite)


def look_up_import(arguments: argparse.Namespace) -> None:
    lookup.check_study(arguments.study)
    lookup.check_input(arguments.file)
    if arguments.split:
        lookup.check_split(arguments.study, arguments.split)


def run(arguments: argparse.Namespace, console: Console) -> int:
    match arguments.action:
        case "show":
            return _show(arguments.file, console)
        case "import":
            return run_import(arguments, console)
        case _:
            from core.cli.commands.export import export_and_show

            arguments.format = "onnx" if arguments.onnx else "model"
            arguments.split, arguments.preset = "", "paper"
            arguments.identity = arguments.own_file_names = False
            return export_and_show(arguments, console)


def run_import(arguments: argparse.Namespace, console: Console) -> int:
    """Shared with the former command ``import-model``."""
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
    lines = [
        f"Imported the model as run {done.run}, {pictures} pictures; {done.linked} of its {done.prototypes} "
        "prototypes have their lesion in this study."
    ]
    if not done.pictures and done.linked < done.prototypes:
        lines.append("Explanations show 'picture not shared' in place of the prototypes' lesions.")
    if not arguments.split:
        lines.append("It was imported without --split, so it cannot be pruned here.")
    console.result(msgspec.to_builtins(done, enc_hook=as_text), "\n".join(lines))
    return 0


def _show(path: Path, console: Console) -> int:
    from core.exchange.models.share_model import shared_model

    shared, card = shared_model(path)
    document = {"contents": shared, "card": card}
    rows = [
        ("Model", f"run {shared.run}, {card.method}, {card.label}: {', '.join(card.class_names)}"),
        ("Trained on", f"{count(card.training_lesions, 'lesion')} of {count(card.training_patients, 'patient')}"),
        ("Prototypes", str(shared.latent_prototypes)),
        ("Pictures", "with pictures of patients" if shared.pictures else "without pictures"),
        ("Weights", shared.model_sha256),
        ("Data", card.data_fingerprint or "not recorded"),
        ("Code", card.code_version or "not recorded"),
    ]
    text = "\n".join(table(rows))
    console.result(document, f"SYNTHETIC DATA.\n{text}" if shared.synthetic else text)
    return 0
