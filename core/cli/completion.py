"""Completion scripts for shells, made from the parser: commands, sub-commands, options and their values."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

from core.cli.parsing import PROGRAM


@dataclass(frozen=True, kw_only=True)
class CompletionPage:
    """The completions that can follow one command."""

    path: tuple[str, ...]
    """() for the program itself, ("study", "create") for a sub-command."""
    words: tuple[str, ...]
    """Sub-commands, options and values of positions."""
    values: dict[str, tuple[str, ...]]
    """Option to the values that it takes."""


def pages(parser: argparse.ArgumentParser, path: tuple[str, ...] = ()) -> Iterator[CompletionPage]:
    """The page of the parser and of every command below it."""
    words: list[str] = []
    values: dict[str, tuple[str, ...]] = {}
    below: list[tuple[str, argparse.ArgumentParser]] = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            listed = [choice.dest for choice in action._choices_actions]
            words += listed
            below += [(name, action.choices[name]) for name in listed]
            continue
        words += action.option_strings
        if action.choices is not None:
            names = tuple(str(choice) for choice in action.choices)
            if action.option_strings:
                values |= dict.fromkeys(action.option_strings, names)
            else:
                words += names
    yield CompletionPage(path=path, words=tuple(words), values=values)
    for name, sub in below:
        yield from pages(sub, (*path, name))


def script(shell: str, parser: argparse.ArgumentParser) -> str:
    """The completion script of bash, zsh or fish; where nothing is known, file names are completed."""
    found = list(pages(parser))
    if shell == "fish":
        return _fish(found)
    return _bash(found) if shell == "bash" else _zsh(found)


def _cases(found: list[CompletionPage], *, indent: str) -> str:
    """Shell cases that set ``choices`` for the path of commands and the word before."""
    lines = []
    for page in found:
        for option, names in page.values.items():
            lines.append(f'{indent}"{" ".join(page.path)}|{option}") choices="{" ".join(names)}" ;;')
    for page in found:
        lines.append(f'{indent}"{" ".join(page.path)}|"*) choices="{" ".join(page.words)}" ;;')
    return "\n".join(lines)


def _walk(found: list[CompletionPage]) -> str:
    known = " ".join(f'"{" ".join(page.path)}"' for page in found if page.path)
    return f"known=({known})"


_BASH = """# completion of {program} for bash
_{program}() {{
  local place="" choices word candidate known
  local current="${{COMP_WORDS[COMP_CWORD]}}" before="${{COMP_WORDS[COMP_CWORD-1]}}"
  {walk}
  for word in "${{COMP_WORDS[@]:1:$((COMP_CWORD-1))}}"; do
    for candidate in "${{known[@]}}"; do
      if [[ "$candidate" == "${{place:+$place }}$word" ]]; then place="$candidate"; break; fi
    done
  done
  [[ "$before" == -* ]] || before=""
  case "$place|$before" in
{cases}
  esac
  COMPREPLY=($(compgen -W "$choices" -- "$current"))
  if [[ ${{#COMPREPLY[@]}} -eq 0 ]]; then COMPREPLY=($(compgen -f -- "$current")); fi
}}
complete -o filenames -F _{program} {program}"""
"""Avoids names that are special in zsh (path, words)."""


def _bash(found: list[CompletionPage]) -> str:
    return _BASH.format(program=PROGRAM, walk=_walk(found), cases=_cases(found, indent="    "))


def _zsh(found: list[CompletionPage]) -> str:
    """zsh runs the bash script by its own emulation."""
    return f"#compdef {PROGRAM}\nautoload -Uz bashcompinit && bashcompinit\n{_bash(found)}"


def _fish(found: list[CompletionPage]) -> str:
    lines = [f"# completion of {PROGRAM} for fish"]
    for page in found:
        seen = " and ".join(f"__fish_seen_subcommand_from {name}" for name in page.path)
        deeper = [other.path[-1] for other in found if other.path[:-1] == page.path and other.path]
        condition = seen.replace(" and ", "; and ") or "__fish_use_subcommand"
        if page.path and deeper:
            condition += f"; and not __fish_seen_subcommand_from {' '.join(deeper)}"
        for word in page.words:
            if word.startswith("--"):
                names = page.values.get(word)
                extra = f" -x -a '{' '.join(names)}'" if names else ""
                lines.append(f"complete -c {PROGRAM} -n '{condition}' -l {word[2:]}{extra}")
            elif not word.startswith("-"):
                lines.append(f"complete -c {PROGRAM} -n '{condition}' -a {word}")
    return "\n".join(lines)
