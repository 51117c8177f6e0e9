"""Print the completion of commands, options and their values for a shell.

examples:
  marginalia completion bash > ~/.local/share/bash-completion/completions/marginalia
  marginalia completion zsh > ~/.zfunc/_marginalia      # a folder of $fpath
  marginalia completion fish > ~/.config/fish/completions/marginalia.fish
"""

from __future__ import annotations

import argparse

from core.cli.console import Console

HELP = "print the completion script of a shell"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), help="which shell")


def run(arguments: argparse.Namespace, console: Console) -> int:
    from core.cli.completion import script
    from core.cli.main import build_parser

    text = script(arguments.shell, build_parser())
    console.result({"shell": arguments.shell, "script": text}, text)
    return 0
