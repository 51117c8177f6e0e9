"""Make a study, or see what is in one. A study is a folder: what people made lies in its database, pixels and
other arrays in files beside it.

A study of several workstations has its database on a server; its folder then lies where all of them see it.

examples:
  marginalia study create breast-margins --name "Breast margins 2026"
  marginalia study create /shared/margins --database postgresql://db.hospital.example/marginalia
  marginalia study move breast-margins --database postgresql://db.hospital.example/marginalia
  marginalia study move breast-margins --to-folder
  marginalia study login breast-margins --user anna
  marginalia study grant breast-margins anna --role reader --reader "Dr Anna"
  marginalia study show breast-margins
  marginalia study lesions breast-margins
  marginalia study annotators breast-margins     # time and proposals of each reader
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.cli import lookup
from core.cli.console import Console
from core.cli.parsing import add_action, add_actions
from core.cli.text import shell_word
from core.domain.messages import as_text

if TYPE_CHECKING:
    from core.store.study import Study

HELP = "create a study, show what is in it, list its lesions, or show how readers annotate"


_ADDRESS = "address of the database server, without a password: postgresql://HOST/DATABASE"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = add_actions(parser)
    create = add_action(actions, "create", "make a study in a new folder")
    create.add_argument("study", type=Path, help="new folder")
    create.add_argument("--name", default="", help="name of the study (default: the folder's name)")
    create.add_argument("--database", metavar="ADDRESS", default="", help=_ADDRESS)
    move = add_action(
        actions,
        "move",
        "move the database of a study to a server, or back",
        "Move the database of a study to a server, or back into its folder. Every row is copied and compared "
        "before the study changes its place; nobody can write meanwhile.",
    )
    move.add_argument("study", type=Path, help="folder of the study")
    where = move.add_mutually_exclusive_group(required=True)
    where.add_argument("--database", metavar="ADDRESS", default="", help=_ADDRESS)
    where.add_argument("--to-folder", action="store_true", help="into the folder of the study")
    login = add_action(
        actions,
        "login",
        "keep the name and password for the server of a study",
        "Keep the name with which this computer logs in at the server of a study, and its password in the key "
        "store of the system. Without a password, .pgpass or a certificate counts.",
    )
    login.add_argument("study", type=Path, help="folder of the study")
    login.add_argument("--user", required=True, help="name of the login at the server")
    login.add_argument("--no-password", action="store_true", help="ask for none and keep none")
    grant = add_action(
        actions,
        "grant",
        "give a login of the server a role in a study",
        "Give a login of the server a role in a study: a reader draws and labels as one reader of the study, a "
        "trainer keeps runs and splits, an auditor reads, a lead changes all but the audit trail. The database "
        "keeps to it, whatever program the login uses.",
    )
    grant.add_argument("study", type=Path, help="folder of the study")
    grant.add_argument("login", help="name of the login at the server")
    grant.add_argument(
        "--role", required=True, choices=("reader", "lead", "trainer", "auditor"), help="what the login may do"
    )
    grant.add_argument("--reader", default="", metavar="NAME", help="the reader of the study that the login is")
    revoke = add_action(actions, "revoke", "take all rights in a study from a login")
    revoke.add_argument("study", type=Path, help="folder of the study")
    revoke.add_argument("login", help="name of the login at the server")
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
    _add_annotators(actions)


def _add_annotators(actions: Any) -> None:
    annotators = add_action(
        actions,
        "annotators",
        "show how each reader annotates: time for each case and shape, proposals accepted",
        "Show how each reader annotates. The time of a case is that between the strokes on it, without pauses of "
        "more than two minutes and without the time before the first stroke.",
    )
    annotators.add_argument("study", type=Path, help="folder of the study")
    learned = add_action(
        actions,
        "learn-margins",
        "fit the proposed margin to each reader's own margins",
        "Fit the proposed margin to each reader's own margins of this study. The parameters are used where they "
        "are better than the default ones on patients that they were not fitted to.",
    )
    learned.add_argument("study", type=Path, help="folder of the study")


def look_up(arguments: argparse.Namespace) -> None:
    if arguments.action != "create":
        lookup.check_study(arguments.study)


def run(arguments: argparse.Namespace, console: Console) -> int:
    if arguments.action == "create":
        return _create(arguments, console)
    if arguments.action == "move":
        return _move(arguments, console)
    if arguments.action == "login":
        return _login(arguments, console)
    if arguments.action in ("grant", "revoke"):
        return _rights(arguments, console)
    from core.store.study import Study
    from core.tasks.studies.overview import lesion_lines, lesions_text, overview, overview_text

    with Study.open(arguments.study, writable=arguments.action == "learn-margins") as study:
        if arguments.action == "learn-margins":
            return _learn_margins(study, console)
        if arguments.action == "annotators":
            return _annotators(study, console)
        if arguments.action == "lesions":
            lines = lesion_lines(study)
            console.result({"lesions": lines}, lesions_text(lines))
            return 0
        found = overview(study)
    console.result(found, overview_text(found))
    return 0


def _annotators(study: Study, console: Console) -> int:
    import msgspec

    from core.tasks.readers.annotation_figures import annotator_figures, figures_text

    figures = annotator_figures(study)
    rows = [msgspec.structs.asdict(one) | {"accepted_share": one.accepted_share} for one in figures]
    console.result({"annotators": rows}, figures_text(figures))
    return 0


def _learn_margins(study: Study, console: Console) -> int:
    import msgspec

    from core.tasks.studies.learned_margin import keep_learned, learn_of_reader, learned_text

    found, lines = [], []
    for reader in study.readers.all():
        learned = learn_of_reader(study, reader.id, cancelled=console.cancelled)
        if learned.lesions == 0:
            continue
        if learned.change_mm is not None:
            keep_learned(study, reader.id, learned)
        found.append({"reader": reader.name} | msgspec.structs.asdict(learned))
        lines.append(f"{reader.name}: {learned_text(learned)}")
    text = "\n".join(lines) or "Nobody has drawn a margin in this study that can be learned from."
    console.result({"readers": found}, text)
    return 0


def _create(arguments: argparse.Namespace, console: Console) -> int:
    from core.store.study import Study
    from core.store.trusted_studies import mark_trusted

    name = arguments.name or arguments.study.resolve().name
    with Study.create(arguments.study, name=name, server=arguments.database):
        mark_trusted(arguments.study)
    console.result(
        {"study": str(arguments.study), "name": name},
        f"Created the study {name} in {arguments.study}. "
        f"Next: marginalia import {shell_word(arguments.study)} SOURCE",
    )
    return 0


def _move(arguments: argparse.Namespace, console: Console) -> int:
    import msgspec

    from core.store.move import move_study
    from core.store.trusted_studies import mark_trusted

    report = move_study(arguments.study, arguments.database)
    mark_trusted(arguments.study)
    console.result(
        msgspec.to_builtins(report, enc_hook=as_text),
        f"Moved {report.rows:,} rows of {report.tables} tables to {report.place} and compared each of them. "
        f"Head of the audit trail: {report.head}. The former database is kept: delete it when nobody needs it.",
    )
    return 0


def _login(arguments: argparse.Namespace, console: Console) -> int:
    from getpass import getpass

    from core.store.location import keep_login

    password = "" if arguments.no_password else getpass(f"Password of {arguments.user}: ")
    place = keep_login(arguments.study, arguments.user, password)
    console.result(
        {"study": str(arguments.study), "user": arguments.user},
        f"This computer logs in as {arguments.user} at {place}.",
    )
    return 0


def _rights(arguments: argparse.Namespace, console: Console) -> int:
    from core.store.study import Study

    login = arguments.login
    with Study.open(arguments.study) as study:
        if arguments.action == "grant":
            study.members.grant(login, arguments.role, reader=arguments.reader)
        else:
            study.members.revoke(login)
        found = [{"login": one.login, "role": one.role} for one in study.members.all()]
    done = f"{login} is {arguments.role}" if arguments.action == "grant" else f"{login} has no rights any more"
    console.result({"members": found}, f"{done} in {arguments.study}.")
    return 0
