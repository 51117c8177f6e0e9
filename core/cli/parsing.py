"""Parsers that explain themselves: help wrapped to the terminal, one sentence for each mistake, near names
offered."""

from __future__ import annotations

import argparse
import re
import sys
import textwrap
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any, NoReturn

from core.cli.output import add_output
from core.domain.vocabulary import DISCLAIMER

PROGRAM = "marginalia"
USAGE = 2
"""Exit code for a command line that cannot be understood."""
LEAF = "leaf_parser"
"""Attribute of the parsed arguments that holds the parser of the command that was named last."""

_TYPES = {"int": "a whole number", "float": "a number"}
_REWORDED = (
    (re.compile(r"argument (?P<name>.+?): invalid (?P<type>int|float) value: (?P<value>.*)"), None),
    (re.compile(r"argument (?P<name>.+?): expected one argument"), "{name} needs a value."),
    (re.compile(r"argument (?P<name>.+?): expected at least one argument"), "{name} needs at least one value."),
    (re.compile(r"argument (?P<name>.+?): expected (?P<n>\d+) arguments"), "{name} needs {n} values."),
    (
        re.compile(r"argument (?P<name>.+?): not allowed with argument (?P<other>.+)"),
        "{name} and {other} cannot be used together.",
    ),
    (re.compile(r"ambiguous option: (?P<name>\S+) could match (?P<other>.+)"), "{name} may mean {other}."),
    (re.compile(r"argument (?P<name>.+?): ignored explicit argument (?P<v>.+)"), "{name} takes no value."),
)


class Formatter(argparse.HelpFormatter):
    """Wraps paragraphs to the terminal; indented lines (examples, lists) stay as they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        blocks = re.split(r"\n\s*\n", text.strip())
        return "\n\n".join(_filled(block, width, indent) for block in blocks)


def _filled(block: str, width: int, indent: str) -> str:
    """Runs of plain lines as one wrapped paragraph; each indented line on its own, wrapped below itself."""
    done: list[str] = []
    plain: list[str] = []

    def wrap_plain() -> None:
        if plain:
            done.append(textwrap.fill(" ".join(plain), width, initial_indent=indent, subsequent_indent=indent))
            plain.clear()

    for line in block.splitlines():
        if line.startswith("  "):
            wrap_plain()
            done += textwrap.wrap(
                line, width, subsequent_indent="      ", break_long_words=False, break_on_hyphens=False
            )
        else:
            plain.append(line.strip())
            if line.rstrip().endswith(":") and len(plain) == 1 and len(line) < 20:
                wrap_plain()
    wrap_plain()
    return "\n".join(done)


class Parser(argparse.ArgumentParser):
    """An ``ArgumentParser`` whose mistakes are one sentence, with exit code 2."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("formatter_class", Formatter)
        super().__init__(*args, **kwargs)

    def error(self, message: str) -> NoReturn:
        sys.stderr.write(f"Error: {reworded(message)} See: {self.prog} --help\n")
        raise SystemExit(USAGE)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        names = [str(name) for name in action.choices]
        what = "command" if isinstance(action, argparse._SubParsersAction) else _name_of(action)
        self.error(f"{value!r} is not a known {what}{near(str(value), names)}")


def _name_of(action: argparse.Action) -> str:
    name = action.option_strings[-1].lstrip("-") if action.option_strings else action.dest
    return name.replace("_", " ")


def near(name: str, known: Iterable[str]) -> str:
    """ "; did you mean 'train'?" where a known name is close, else the known names; ends the sentence."""
    names = list(known)
    lower = {one.lower(): one for one in names}
    found = get_close_matches(name.lower(), lower, n=1, cutoff=0.6)
    if found:
        return f"; did you mean {lower[found[0]]!r}?"
    return f"; use one of {', '.join(names)}." if names else "."


def reworded(message: str) -> str:
    """A message of argparse as one sentence for people."""
    missing = re.fullmatch(r"the following arguments are required: (.+)", message)
    if missing:
        names = missing.group(1).split(", ")
        return f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'} missing."
    either = re.fullmatch(r"one of the arguments (.+) is required", message)
    if either:
        return f"One of {either.group(1).replace(' ', ', ')} is needed."
    for pattern, sentence in _REWORDED:
        found = pattern.fullmatch(message)
        if found and sentence is None:
            parts = found.groupdict()
            return f"{parts['name']} must be {_TYPES[parts['type']]}, not {parts['value']}."
        if found and sentence is not None:
            return sentence.format(**found.groupdict())
    return message if message.endswith((".", "?")) else f"{message}."


def unexpected(parser: argparse.ArgumentParser, extras: Sequence[str]) -> NoReturn:
    """Refuse what no option and no position of the command takes."""
    first = extras[0]
    options = [name for action in parser._actions for name in action.option_strings]
    if first.startswith("-"):
        name = first.partition("=")[0]
        lower = get_close_matches(name, [one for one in options if one.startswith("--")], n=1, cutoff=0.6)
        hint = f"; did you mean {lower[0]}?" if lower else "."
        parser.error(f"{name} is not an option of this command{hint}")
    parser.error(f"{first!r} is one argument too many.")


def add_leaf(
    commands: argparse._SubParsersAction[Any], name: str, *, text: str, description: str = "", hidden: bool = False
) -> argparse.ArgumentParser:
    """A command with its own help page. ``hidden`` leaves it out of the list of commands."""
    shown: dict[str, Any] = {} if hidden else {"help": text.replace("%", "%%")}
    body = description or f"{text[0].upper()}{text[1:]}."
    parser: argparse.ArgumentParser = commands.add_parser(
        name, description=body.replace("%", "%%"), epilog=DISCLAIMER, **shown
    )
    parser.set_defaults(**{LEAF: parser})
    return parser


def add_actions(parser: argparse.ArgumentParser) -> argparse._SubParsersAction[Any]:
    """The sub-commands of a group such as ``study``."""
    return parser.add_subparsers(dest="action", metavar="action", required=True, parser_class=Parser)


def add_action(
    actions: argparse._SubParsersAction[Any], name: str, text: str, description: str = "", *, hidden: bool = False
) -> argparse.ArgumentParser:
    """One sub-command of a group, with the options that every command takes."""
    parser = add_leaf(actions, name, text=text, description=description, hidden=hidden)
    add_output(parser, inner=True)
    return parser


def add_named_actions(
    parser: argparse.ArgumentParser, texts: dict[str, str]
) -> dict[str, argparse.ArgumentParser]:
    """Add the sub-commands of a group of named things by their help; each but ``list`` takes the name of one."""
    actions = add_actions(parser)
    made = {name: add_action(actions, name, text) for name, text in texts.items()}
    for name, action in made.items():
        if name != "list":
            action.add_argument("name")
    return made
