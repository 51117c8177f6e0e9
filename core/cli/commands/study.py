"""Make a study, or see what is in one. A study is a folder: what people made lies in its database, pixels and
other arrays in files beside it.

examples:
  main.py study create breast-margins --name "Breast margins 2026"
  main.py study show breast-margins
  main.py study lesions breast-margins
"""

from __future__ import annotations

import argparse
from pathlib import Path

from core.cli.console import Console

HELP = "create a study, show what is in it, or list its lesions"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=("create", "show", "lesions"), help="what to do")
    parser.add_argument("study", type=Path, help="folder of the study")
    parser.add_argument("--name", default="", help="name of a new study (default: the folder's)")


def run(arguments: argparse.Namespace, console: Console) -> int:
    from core.store.study import Study
    from core.tasks.studies.overview import lesion_lines, lesions_text, overview, overview_text
    from core.tasks.studies.trusted_studies import mark_trusted

    if arguments.action == "create":
        name = arguments.name or arguments.study.name
        with Study.create(arguments.study, name=name):
            mark_trusted(arguments.study)
        console.result(
            {"study": str(arguments.study), "name": name},
            f"Created the study {name} in {arguments.study}. Next: main.py import {arguments.study} SOURCE",
        )
        return 0
    with Study.open(arguments.study, writable=False) as study:
        if arguments.action == "lesions":
            lines = lesion_lines(study)
            console.result({"lesions": lines}, lesions_text(lines))
            return 0
        found = overview(study)
    console.result(found, overview_text(found))
    return 0
