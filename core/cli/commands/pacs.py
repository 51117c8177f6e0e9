"""Search a PACS, bring examinations into a study, receive what it pushes, and send results or de-identified files.

A profile says how a PACS is reached: by DICOMweb (a URL) or by DIMSE (host, port and AE titles). Profiles are
kept for you on this computer; a password or token is kept in the system's key store or asked for each time (from
the terminal, or the first line of standard input), and never written in clear. Nothing is sent before you have
confirmed the profile as a destination. What comes from a PACS waits in an inbox until an examination is whole;
then it is imported like every other file.

examples:
  marginalia pacs profile add archive --url https://pacs.example.org/dicom-web --user reader --ca hospital-ca.pem
  marginalia pacs profile add ward --host 10.0.0.7 --port 104 --called WARDPACS --listen 10.0.0.9:11112
  marginalia pacs echo archive
  marginalia pacs find archive --since 2024-01-01 --side L --view MLO
  marginalia pacs get archive 1.2.840.1.2.3 --study breast-margins
  marginalia pacs inbox
  marginalia pacs resume 3f2a90 --study breast-margins
  marginalia pacs profile confirm archive
  marginalia pacs send archive results/*.dcm --as result
  marginalia pacs receive ward --study breast-margins
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from core.cli.console import Console
from core.cli.parsing import Parser, add_action, add_actions, add_leaf

HELP = "search a PACS, retrieve from it, receive, and send to it"

Action = Callable[[argparse.Namespace, Console], int]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = add_actions(parser)
    profile = add_leaf(actions, "profile", text="set up, list, confirm and remove profiles")
    profiles = profile.add_subparsers(dest="profile_action", metavar="action", required=True, parser_class=Parser)
    _add_profile(add_action(profiles, "add", "set up a profile, or change the one of the same name"))
    add_action(profiles, "list", "list the profiles")
    remove = add_action(profiles, "remove", "remove a profile and its password")
    remove.add_argument("name")
    confirm = add_action(profiles, "confirm", "confirm a profile as a destination to which may be sent")
    confirm.add_argument("name")
    confirm.add_argument("--yes", action="store_true", help="do not ask on the terminal")
    add_action(actions, "echo", "test a profile").add_argument("profile")
    find = add_action(actions, "find", "search for examinations")
    find.add_argument("profile")
    _add_person(find)
    _add_images(find)
    _add_get(actions)
    inbox = add_action(actions, "inbox", "list transfers that wait or are unfinished")
    inbox.add_argument("--discard", default="", metavar="ID", help="delete a transfer")
    send = add_action(actions, "send", "send files to a confirmed destination")
    send.add_argument("profile")
    send.add_argument("files", nargs="+", type=Path)
    send.add_argument(
        "--as",
        dest="origin",
        choices=("de-identified", "synthetic", "result"),
        required=True,
        help="why they may be sent; every file is held against it. A result goes only to the PACS that has the "
        "examination of the same patient",
    )


def _add_profile(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name")
    parser.add_argument("--source", default="", help="institution whose patient identifiers it uses")
    parser.add_argument("--timeout", type=float, default=30.0, help="seconds to wait for an answer (default: 30)")
    web = parser.add_argument_group("DICOMweb")
    web.add_argument("--url", default="", help="of the service; https for an encrypted connection")
    web.add_argument("--user", default="", help="user name of a login by password, which is asked for")
    web.add_argument("--token", action="store_true", help="login by token, which is asked for")
    web.add_argument("--ask-each-time", action="store_true", help="do not keep it in the system's key store")
    dimse = parser.add_argument_group("DIMSE")
    dimse.add_argument("--host", default="", help="address of the PACS")
    dimse.add_argument("--port", type=int, default=104, help="port of the PACS (default: 104)")
    dimse.add_argument("--called", default="", help="AE title of the PACS")
    dimse.add_argument("--calling", default="MARGINALIA", help="AE title of this program (default: MARGINALIA)")
    dimse.add_argument(
        "--listen", default="127.0.0.1:11112", help="address:port at which images are received (C-MOVE, pushes)"
    )
    dimse.add_argument("--tls", action="store_true", help="encrypt the connection")
    both = parser.add_argument_group("encryption")
    both.add_argument("--ca", default="", help="PEM file of the authority that signed the server's certificate")
    both.add_argument(
        "--no-verify", action="store_true", help="accept any certificate (anybody can pose as the PACS)"
    )
    both.add_argument("--certificate", default="", help="our own certificate, PEM")
    both.add_argument("--key", default="", help="key of that certificate, PEM")


def _add_person(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--patient-id", default="", help="* and ? stand for anything")
    parser.add_argument("--name", default="", help="beginning of the patient's name")
    parser.add_argument("--since", default="", metavar="YYYY-MM-DD", help="examinations from this day on")
    parser.add_argument("--until", default="", metavar="YYYY-MM-DD", help="examinations up to this day")


def _add_images(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--side", choices=("L", "R"), help="side of the breast")
    parser.add_argument("--view", choices=("CC", "MLO", "other"), help="view")
    parser.add_argument("--modality", default="MG", help='default: MG; "" for any')


def _add_target(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--study", type=Path, help="folder of the study to import into")
    parser.add_argument(
        "--identity",
        choices=("drop", "passphrase", "key-store"),
        default="drop",
        help="whether to keep the link from pseudonyms to patients, so that results can go back (default: drop)",
    )


def _add_get(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    get = add_action(actions, "get", "retrieve examinations and import them into a study")
    get.add_argument("profile")
    get.add_argument("examinations", nargs="+", metavar="UID", help="Study Instance UIDs, as `find` lists them")
    _add_target(get)
    get.add_argument("--out", type=Path, help="folder for the objects as they are, instead of an import")
    _add_images(get)
    resume = add_action(actions, "resume", "get the rest of an unfinished transfer, and import it")
    resume.add_argument("transfer", metavar="ID", help="its beginning, as `inbox` lists it")
    _add_target(resume)
    resume.add_argument(
        "--incomplete", action="store_true", help="import the images that arrived, without the rest"
    )
    receive = add_action(actions, "receive", "receive what a PACS sends and import it, until Ctrl-C")
    receive.add_argument("profile")
    _add_target(receive)
    receive.add_argument("--deliveries", type=int, default=0, metavar="N", help="stop after N (default: go on)")
    receive.add_argument(
        "--seconds", type=float, default=0.0, metavar="S", help="stop after S seconds (default: go on)"
    )


def run(arguments: argparse.Namespace, console: Console) -> int:
    # what opens connections is imported only now
    actions = import_module("core.cli.pacs_actions")
    name = arguments.action if arguments.action != "profile" else f"profile_{arguments.profile_action}"
    action: Action = getattr(actions, name)
    return action(arguments, console)
