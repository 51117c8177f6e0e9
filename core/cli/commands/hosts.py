"""Other machines on which `train --on HOST` trains, over the system's ssh.

On the machine there: this program with its packages, the same version, and a key by which ssh logs you in without
asking (ssh-copy-id); log in once by hand, so that ssh knows the machine. An entry names what ssh is given (host,
user@host, or a name of your ssh configuration), the folder of the program there and the python of its environment.
Entries are kept for you on this computer and hold no password and no key.

What is sent: regions of interest, their masks, classes and parts under random identifiers, and the configuration;
no name, no pseudonym and no whole mammogram. Nothing is sent before you have confirmed the machine. What was sent
is deleted there when the results are home.

examples:
  marginalia hosts add gpu --address me@gpu.example.org --program marginalia --python .venv/bin/python
  marginalia hosts confirm gpu
  marginalia hosts test gpu
  marginalia train breast-margins --preset paper --on gpu
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from core.cli.console import Console
from core.cli.parsing import add_named_actions
from core.domain.messages import as_text, message

if TYPE_CHECKING:
    from core.jobs.hosts import Hosts, RemoteHost

HELP = "set up, confirm and test other machines to train on"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    texts = {
        "add": "set up a machine, or change the one of the same name",
        "list": "list the machines",
        "confirm": "confirm a machine, so that regions of interest may be sent to it",
        "test": "log in and show version, device and free space there",
        "stop": "stop your runs there, such as those of a connection that broke",
        "remove": "remove a machine",
    }
    made = add_named_actions(parser, texts)
    add = made["add"]
    add.add_argument("--address", required=True, help="what ssh is given: host, user@host or a name it knows")
    add.add_argument("--program", required=True, help="folder of this program there, from the home folder")
    add.add_argument("--python", default="python3", help="python there, from the folder of the program or in full")
    add.add_argument("--folder", default="marginalia-runs", help="where runs lie there while they are trained")
    made["confirm"].add_argument("--yes", action="store_true", help="do not ask on the terminal")


def run(arguments: argparse.Namespace, console: Console) -> int:
    from core.jobs.hosts import Hosts

    hosts = Hosts()
    match arguments.action:
        case "add":
            _add(hosts, arguments, console)
        case "list":
            lines = [_line(host) for host in hosts.all()]
            text = "\n".join(f"{one['name']}  {one['destination']}, {_standing(one)}" for one in lines)
            console.result({"hosts": lines}, text or "There are no hosts. Next: marginalia hosts add --help")
        case "confirm":
            _confirm(hosts, arguments, console)
        case "test":
            _test(hosts.usable(arguments.name), console)
        case "stop":
            _stop(hosts.usable(arguments.name), console)
        case "remove":
            hosts.remove(arguments.name)
            console.result({"removed": arguments.name}, f"Removed {arguments.name}.")
    return 0


def _line(host: RemoteHost) -> dict[str, object]:
    from core.jobs.hosts import destination, is_confirmed

    stamp = host.confirmed.split(" ")[0] if is_confirmed(host) else None
    return {"name": host.name, "destination": destination(host), "confirmed": stamp}


def _standing(line: dict[str, object]) -> str:
    return f"confirmed {line['confirmed']}" if line["confirmed"] else "not confirmed"


def _add(hosts: Hosts, arguments: argparse.Namespace, console: Console) -> None:
    from core.jobs.hosts import RemoteHost

    known = {host.name: host.confirmed for host in hosts.all()}
    host = RemoteHost(
        name=arguments.name,
        address=arguments.address,
        program=arguments.program,
        python=arguments.python,
        folder=arguments.folder,
        confirmed=known.get(arguments.name, ""),
    )
    hosts.put(host)
    console.result(_line(host), f"Set up {host.name}. Next: marginalia hosts confirm {host.name}")


def _confirm(hosts: Hosts, arguments: argparse.Namespace, console: Console) -> None:
    from core.domain.errors import TrainingError
    from core.jobs.hosts import confirm, destination

    host = hosts.get(arguments.name)
    if not arguments.yes:
        if not sys.stdin.isatty():
            raise TrainingError(
                message("A machine is confirmed by a person: answer on the terminal, or add --yes.")
            )
        sys.stderr.write(f"Regions of interest may be sent to {destination(host)}. yes/no: ")
        sys.stderr.flush()
        if sys.stdin.readline().strip().lower() != "yes":
            raise TrainingError(message("{host} was not confirmed; nothing is sent to it.", host=host.name))
    hosts.put(confirm(host))
    console.result(_line(hosts.get(host.name)), f"Confirmed: {destination(host)}.")


def _test(host: RemoteHost, console: Console) -> None:
    import msgspec

    from core.jobs.host_check import check_host, problems_of

    found = check_host(host, emit=console.emit, cancelled=console.cancelled)
    said = problems_of(found)
    for sentence in said:
        console.warn(sentence)
    document = {"host": host.name, "works": True, **msgspec.to_builtins(found, enc_hook=as_text), "warnings": said}
    console.result(document, f"{host.name} answers, and its program works: {found.words}.")


def _stop(host: RemoteHost, console: Console) -> None:
    from core.jobs.ssh import ask

    left = ask(host, "--in", host.folder, "--left", "stop").split()
    text = f"Nothing of yours runs on {host.name} any more; what was saved there is kept."
    if left:
        text = f"{len(left)} of your runs still work on {host.name}; try again in a minute."
    console.result({"host": host.name, "working": left}, text)
