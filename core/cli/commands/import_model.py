"""Take a shared model into a study, as a finished run. The former name of `model import`.

example:
  marginalia model import other-hospital theirs.marginalia-model --name theirs --split default
"""

from __future__ import annotations

import argparse

from core.cli.commands import model
from core.cli.console import Console

HELP = "take a shared model into a study (now: model import)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    model.add_import(parser)


def look_up(arguments: argparse.Namespace) -> None:
    model.look_up_import(arguments)


def run(arguments: argparse.Namespace, console: Console) -> int:
    return model.run_import(arguments, console)
