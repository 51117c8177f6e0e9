"""A study moves from a file in its folder to a server, or back: every row is copied and compared, then the folder
names the new place. What was the database before is kept beside it until somebody deletes it."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from core.domain.errors import StudyError
from core.domain.messages import message
from core.platform.atomic import make_folder
from core.platform.system import sync_folder
from core.store.anchor import Head
from core.store.audit import head_in
from core.store.backend import translated
from core.store.filesystem import refuse_network
from core.store.location import new_database
from core.store.names import DATABASE, SERVER
from core.store.study import Study
from core.store.transfer import compare, copy_rows, digests
from core.store.upgrade import BACKUPS


class MoveReport(msgspec.Struct, frozen=True, kw_only=True):
    """Tables and rows that were copied and compared."""

    place: str
    """Name of the new database."""
    rows: int
    tables: int
    head: Head


def move_study(folder: Path, server: str, *, holder: str = "") -> MoveReport:
    """Move the database of a study to a server ("": into a file of its folder); arrays stay where they are.

    Nobody else can write meanwhile. StudyError where it is there already; BadFileError where the copy does not
    equal the original, after which nothing was changed.
    """
    folder = folder.absolute()
    if not server:
        refuse_network(folder)
    with Study.open(folder, holder=holder) as study:
        if study.shared == bool(server):
            where = message("on a server") if server else message("in its folder")
            raise StudyError(
                message(
                    "The database of {study} is {where} already; nothing was moved.",
                    study=study.info.name,
                    where=where,
                )
            )
        making = Path(tempfile.mkdtemp(prefix=".move.", suffix=".part", dir=folder))
        try:
            report = _moved(study, making, server)
        finally:
            shutil.rmtree(making, ignore_errors=True)
    _put_away(folder, DATABASE if server else SERVER)
    return report


def _moved(study: Study, making: Path, server: str) -> MoveReport:
    with study.held("server" if server else "folder") as (source, backend):
        with new_database(making, server) as new:
            with translated(new.sentence), new.engine.begin() as target:
                copy_rows(source, target)
                new.count_on(target)
            with translated(new.sentence), new.engine.connect() as target:
                compare(source, target)
                found, head = digests(target), head_in(target)
        if not server and (study.folder / DATABASE).exists():  # of an earlier move that did not end
            _put_away(study.folder, DATABASE)
        # an address counts before a file, so that the study changes its place in one step: when the address
        # appears, or when the server commits that it is out of use
        name = SERVER if server else DATABASE
        (making / name).replace(study.folder / name)
        sync_folder(study.folder)
        backend.retire(source)
    return MoveReport(
        place=new.name,
        rows=sum(number for number, _ in found.values()),
        tables=len(found),
        head=head,
    )


def _put_away(folder: Path, name: str) -> None:
    """Keep a file of the former database in ``backup``."""
    make_folder(folder / BACKUPS)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    path = folder / name
    path.replace(folder / BACKUPS / f"{path.stem}-moved-{stamp}-{secrets.token_hex(3)}{path.suffix}")
    for log in folder.glob(f"{name}-*"):
        log.unlink()
    sync_folder(folder)
