"""Make a study, or see what is in one. A study is a folder: what people made lies in its database, pixels and
other arrays in files beside it.

examples:
  marginalia study create breast-margins --name "Breast margins 2026"
  marginalia study show breast-margins
  marginalia study lesions breast-margins
"""

from __future__ import annotations

import argparse
from pathlib import Path

from core.cli import lookup
from core.cli.console import Console
from core.cli.parsing import add_action, add_actions

HELP = "create a study, show what is in it, or list its lesions"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = add_actions(parser)
    create = add_action(actions, "create", "make a study in a new folder")
    create.add_argument("study", type=Path, help="new folder")
    create.add_argument("--name", default="", help="name of the study (default: the folder's name)")
    show = add_action(actions, "show", "show what is in a study: data sets, splits, runs")
    show.add_argument("study", type=Path, help="folder of the study")
    lesions = add_action(
        actions,
        "lesions",
        "list the lesions of a study",
        "List the lesions of a study, with the pseudonym of the patient and, where the study keeps them "
        "(import --keep-file-names), your own file names.",
    )
    lesions.add_argument("study", type=Path, help="folder of the study")


def look_up(arguments: argparse.Namespace) -> None:
    if arguments.action != "create":
        lookup.check_study(arguments.study)


def run(arguments: argparse.Namespace, console: Console) -> int:
    if arguments.action == "create":
        return _create(arguments, console)
    from core.store.study import Study
    from core.tasks.studies.overview import lesion_lines, lesions_text, overview, overview_text

    with Study.open(arguments.study, writable=False) as study:
        if arguments.action == "lesions":
            lines = lesion_lines(study)
            console.result({"lesions": lines}, lesions_text(lines))
            return 0
        found = overview(study)
    console.result(found, overview_text(found))
    return 0


def _create(arguments: argparse.Namespace, console: Console) -> int:
    from core.store.study import Study
    from core.store.trusted_studies import mark_trusted

    name = arguments.name or arguments.study.resolve().name
    with Study.create(arguments.study, name=name):
        mark_trusted(arguments.study)
    console.result(
        {"study": str(arguments.study), "name": name},
        f"Created the study {name} in {arguments.study}. Next: marginalia import {arguments.study} SOURCE",
    )
    return 0
