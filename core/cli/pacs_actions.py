"""The actions of ``pacs``; one function for each action, with the action's name."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from core.cli.console import Console
from core.cli.identity_prompt import IdentityPrompt, ask_secret
from core.domain.errors import PacsError
from core.domain.messages import as_text, message
from core.domain.vocabulary import Laterality, ViewPosition
from core.pacs.client import connect
from core.pacs.connection import Pacs
from core.pacs.credentials import forget_secret, keep_secret, needs_secret, secret_of, secret_word
from core.pacs.inbox import Inbox, Transfer
from core.pacs.profile import (
    DicomwebProfile,
    DimseProfile,
    Profile,
    Profiles,
    Tls,
    confirm,
    destination,
    inbox_folder,
    is_confirmed,
)
from core.pacs.query import Found, Query

if TYPE_CHECKING:
    from core.tasks.studies.pacs_transfers import RetrievedExamination


def _connected(name: str) -> tuple[Profile, Pacs]:
    profile = Profiles().get(name)
    return profile, connect(profile, secret_of(profile, ask_secret))


def _query(arguments: argparse.Namespace) -> Query:
    return Query(
        patient_id=getattr(arguments, "patient_id", ""),
        patient_name=getattr(arguments, "name", ""),
        since=getattr(arguments, "since", ""),
        until=getattr(arguments, "until", ""),
        laterality=Laterality(arguments.side) if arguments.side else None,
        view=ViewPosition(arguments.view) if arguments.view else None,
        modality=arguments.modality,
    )


# profiles


def profile_add(arguments: argparse.Namespace, console: Console) -> int:
    profile = _profile(arguments)
    profiles = Profiles()
    known = {one.name: one for one in profiles.all()}.get(profile.name)
    if known is not None:
        # a confirmation holds for as long as the destination is the same
        profile = msgspec.structs.replace(profile, confirmed=known.confirmed)
    profiles.put(profile)
    kept = False
    if needs_secret(profile) and not arguments.ask_each_time:
        kept = keep_secret(
            profile, secret_of(profile, ask_secret) if known is None else ask_secret(secret_word(profile))
        )
    text = f"Set up {profile.name}: {destination(profile)}. {_warnings(profile)}"
    if needs_secret(profile):
        where = "is kept in the system's key store" if kept else "is asked for each time"
        text += f"The {'token' if profile.login == 'token' else 'password'} {where}. "  # type: ignore[union-attr]
    console.result(_line(profile) | {"secret_kept": kept}, f"{text}Test it: marginalia pacs echo {profile.name!r}")
    return 0


def _profile(arguments: argparse.Namespace) -> Profile:
    if bool(arguments.url) == bool(arguments.host):
        raise PacsError(message("Give either --url (DICOMweb) or --host with --port and --called (DIMSE)."))
    encrypted = arguments.tls if arguments.host else arguments.url.lower().startswith("https:")
    tls = Tls(
        on=encrypted,
        ca_file=_absolute(arguments.ca),
        verify=not arguments.no_verify,
        certificate=_absolute(arguments.certificate),
        key=_absolute(arguments.key),
    )
    common = {"name": arguments.name, "source": arguments.source, "tls": tls, "timeout_s": arguments.timeout}
    if arguments.url:
        login: Literal["none", "password", "token"] = "token" if arguments.token else "none"
        if arguments.user:
            login = "password"
        return DicomwebProfile(url=arguments.url, login=login, user=arguments.user, **common)
    address, _, port = arguments.listen.rpartition(":")
    if not port.isdecimal():
        raise PacsError(message("--listen needs an address and a port, such as 10.0.0.9:11112."))
    return DimseProfile(
        host=arguments.host,
        port=arguments.port,
        called=arguments.called,
        calling=arguments.calling,
        listen_address=address.strip("[]"),
        listen_port=int(port),
        **common,
    )


def _absolute(file: str) -> str:
    return str(Path(file).expanduser().absolute()) if file else ""


def _warnings(profile: Profile) -> str:
    if not profile.tls.on:
        return "The connection is not encrypted: use it only within a protected network. "
    return "" if profile.tls.verify else "Certificates are not verified: anybody can pose as this PACS. "


def _line(profile: Profile) -> dict[str, object]:
    return {
        "name": profile.name,
        "kind": "dicomweb" if isinstance(profile, DicomwebProfile) else "dimse",
        "destination": destination(profile),
        "source": profile.institution,
        "encrypted": profile.tls.on,
        "verified": profile.tls.on and profile.tls.verify,
        "confirmed": profile.confirmed.split(" ")[0] if is_confirmed(profile) else None,
    }


def profile_list(arguments: argparse.Namespace, console: Console) -> int:
    del arguments
    lines = [_line(profile) for profile in Profiles().all()]
    text = "\n".join(
        f"{one['name']}  {one['destination']}  {'encrypted' if one['encrypted'] else 'not encrypted'}, "
        f"{'confirmed ' + str(one['confirmed']) if one['confirmed'] else 'not confirmed for sending'}"
        for one in lines
    )
    console.result(
        {"profiles": lines}, text or "There are no PACS profiles. Next: marginalia pacs profile add --help"
    )
    return 0


def profile_remove(arguments: argparse.Namespace, console: Console) -> int:
    Profiles().remove(arguments.name)
    forget_secret(arguments.name)
    console.result({"removed": arguments.name}, f"Removed {arguments.name}.")
    return 0


def profile_confirm(arguments: argparse.Namespace, console: Console) -> int:
    profiles = Profiles()
    profile = profiles.get(arguments.name)
    if not arguments.yes:
        if not sys.stdin.isatty():
            raise PacsError(
                message("A destination is confirmed by a person: answer on the terminal, or add --yes.")
            )
        sys.stderr.write(f"Results and de-identified images may be sent to {destination(profile)}. yes/no: ")
        sys.stderr.flush()
        if sys.stdin.readline().strip().lower() != "yes":
            raise PacsError(message("{profile} was not confirmed; nothing is sent to it.", profile=profile.name))
    profiles.put(confirm(profile))
    console.result(_line(profiles.get(profile.name)), f"Confirmed: {destination(profile)}.")
    return 0


# search and retrieval


def echo(arguments: argparse.Namespace, console: Console) -> int:
    profile, pacs = _connected(arguments.profile)
    begun = time.monotonic()
    with pacs:
        pacs.test()
    taken = round(time.monotonic() - begun, 3)
    console.result(
        _line(profile) | {"seconds": taken}, f"{profile.name} answers ({destination(profile)}, {taken} s)."
    )
    return 0


def find(arguments: argparse.Namespace, console: Console) -> int:
    from core.tasks.studies.pacs_transfers import search

    _, pacs = _connected(arguments.profile)
    with pacs:
        found = search(pacs, _query(arguments), cancelled=console.cancelled)
    console.result(msgspec.to_builtins(found, enc_hook=as_text), _found_text(found))
    return 0


def _found_text(found: Found) -> str:
    lines = []
    for study in found.studies:
        images = ", ".join(f"{one.laterality or '?'} {one.view or '?'}" for one in study.matching)
        count = images or f"{study.objects if study.objects is not None else '?'} objects"
        lines.append(
            f"{study.date}  {study.patient_id}  {study.patient_name}  {study.modalities}  {count}  "
            f"{study.description}\n    {study.study_uid}"
        )
    lines.append(f"{len(found.studies)} examination{'' if len(found.studies) == 1 else 's'}.")
    if found.more:
        lines.append("The PACS has more; search more narrowly.")
    if found.left_out:
        lines.append(f"{found.left_out} answers without a valid UID were left out.")
    return "\n".join(lines)


def get(arguments: argparse.Namespace, console: Console) -> int:
    from core.tasks.studies.pacs_transfers import deliver, retrieve

    if (arguments.study is None) == (arguments.out is None):
        raise PacsError(message("Give either --study (to import) or --out (for the objects as they are)."))
    profile, pacs = _connected(arguments.profile)
    inbox, query = Inbox(inbox_folder()), _query(arguments)
    documents: list[object] = []
    lines: list[str] = []
    prompt = IdentityPrompt(arguments.identity)
    if arguments.study is not None:
        prompt.prepare(arguments.study)
    with pacs:
        for uid in arguments.examinations:
            transfer = retrieve(pacs, profile, inbox, uid, query, emit=console.emit, cancelled=console.cancelled)
            if arguments.out is not None:
                paths = deliver(transfer, arguments.out)
                documents.append({"study_uid": uid, "files": [str(path) for path in paths]})
                lines.append(f"{len(paths)} objects in {arguments.out}")
            else:
                done = _import(arguments, transfer, console, prompt)
                documents.append(msgspec.to_builtins(done, enc_hook=as_text))
                lines.append(_import_text(done))
    console.result({"examinations": documents}, "\n".join(lines))
    return 0


def resume(arguments: argparse.Namespace, console: Console) -> int:
    from core.tasks.studies.pacs_transfers import resume as fetch_rest

    if arguments.study is None:
        raise PacsError(message("Give the --study into which the examination is imported."))
    transfer = Inbox(inbox_folder()).get(arguments.transfer)
    prompt = IdentityPrompt(arguments.identity)
    prompt.prepare(arguments.study)
    if not arguments.incomplete and transfer.journal.study_uid:
        _, pacs = _connected(transfer.journal.profile)
        with pacs:
            fetch_rest(pacs, transfer, emit=console.emit, cancelled=console.cancelled)
    done = _import(arguments, transfer, console, prompt, incomplete=arguments.incomplete)
    console.result(msgspec.to_builtins(done, enc_hook=as_text), _import_text(done))
    return 0


def _import(
    arguments: argparse.Namespace,
    transfer: Transfer,
    console: Console,
    prompt: IdentityPrompt,
    *,
    incomplete: bool = False,
) -> RetrievedExamination:
    from core.store.study import Study
    from core.tasks.studies.pacs_transfers import import_transfer

    with Study.open(arguments.study) as study:
        return import_transfer(
            study,
            transfer,
            identity=prompt.file(study),
            incomplete=incomplete,
            emit=console.emit,
            cancelled=console.cancelled,
        )


def _import_text(done: RetrievedExamination) -> str:
    report = done.report
    return (
        f"Imported from {report.source}: {report.patients} new patients, {report.images} images of {done.objects} "
        "objects."
    )


def inbox(arguments: argparse.Namespace, console: Console) -> int:
    box = Inbox(inbox_folder())
    if arguments.discard:
        transfer = box.get(arguments.discard)
        with transfer.held():
            pass
        transfer.discard()
        console.result({"discarded": transfer.id}, f"Deleted {transfer.id}.")
        return 0
    waiting = [
        {
            "id": transfer.id,
            "profile": transfer.journal.profile,
            "begun": transfer.journal.begun,
            "objects": len(transfer.files),
            "expected": len(transfer.journal.expected) or None,
            "state": "whole" if transfer.complete else "half",
            "stopped": transfer.journal.stopped,
        }
        for transfer in box.transfers()
    ]
    text = "\n".join(
        f"{one['id']}  {one['profile']}  {one['state']}, {one['objects']} of {one['expected'] or '?'} objects  "
        f"{one['begun']}  {one['stopped']}"
        for one in waiting
    )
    console.result({"transfers": waiting}, text or "The inbox is empty.")
    return 0


def receive(arguments: argparse.Namespace, console: Console) -> int:
    from core.tasks.studies.pacs_transfers import receive as take_pushes

    if arguments.study is None:
        raise PacsError(message("Name the study to import into: --study FOLDER."))
    profile = Profiles().get(arguments.profile)
    prompt = IdentityPrompt(arguments.identity)
    prompt.prepare(arguments.study)
    done: list[RetrievedExamination] = []
    half: list[Transfer] = []
    begun = time.monotonic()

    def arrived(transfer: Transfer) -> None:
        if transfer.complete:
            done.append(_import(arguments, transfer, console, prompt))
        else:
            half.append(transfer)

    def stop() -> bool:
        enough = 0 < arguments.deliveries <= len(done) + len(half)
        late = 0 < arguments.seconds <= time.monotonic() - begun
        return enough or late or console.cancelled()

    take_pushes(profile, Inbox(inbox_folder()), arrived=arrived, emit=console.emit, cancelled=stop)
    lines = [_import_text(one) for one in done]
    lines += [f"Unfinished, see `pacs inbox`: {one.id[:8]} ({one.journal.stopped})" for one in half]
    document = {"imported": msgspec.to_builtins(done, enc_hook=as_text), "half": [one.id for one in half]}
    console.result(document, "\n".join(lines) or "Nothing came.")
    return 0


def send(arguments: argparse.Namespace, console: Console) -> int:
    from core.pacs.sending import SendingOrigin
    from core.pacs.sending import send as send_files

    profile, pacs = _connected(arguments.profile)
    with pacs:
        sent = send_files(
            pacs,
            profile,
            arguments.files,
            SendingOrigin(arguments.origin),
            emit=console.emit,
            cancelled=console.cancelled,
        )
    console.result(
        msgspec.to_builtins(sent, enc_hook=as_text),
        f"Sent {len(sent.sop_uids)} objects to {profile.name} ({destination(profile)}).",
    )
    return 0
