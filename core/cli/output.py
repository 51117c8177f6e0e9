"""The options that every command and every command of a group takes."""

from __future__ import annotations

import argparse


def add_output(parser: argparse.ArgumentParser, *, inner: bool = False) -> None:
    """``inner``: of a command within a group, where an option may also stand before it."""
    default = argparse.SUPPRESS if inner else False
    shared = parser.add_argument_group("output")
    for option, what in (
        ("--json", "print one JSON document on standard output"),
        ("--quiet", "show no progress"),
        ("--debug", "show the traceback of an error"),
    ):
        shared.add_argument(option, action="store_true", default=default, help=what)
