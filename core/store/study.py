"""A study: a folder with a database of everything a person made, and array files.

::

    study.db         patients, images, lesions, labels, annotations, splits, runs, models, audit trail
    database.json    in its place where a server holds all that: its address
    pixels/          decoded mammograms with their pyramids, one file each, written once
    derived/         arrays that can be computed again
    runs/            checkpoints and reports of training runs
    identity.enc     the encrypted link to patients' identifiers, if it is kept (core.store.identity)
    backup/          databases from before an upgrade
"""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
from sqlalchemy import Connection, insert, select

from core.domain.errors import MarginaliaError, StudyError
from core.domain.messages import message
from core.platform.atomic import make_folder, storage_error
from core.platform.regular import refuse_strange
from core.platform.system import sync_folder
from core.store import schema
from core.store.anchor import append_anchor
from core.store.annotations import AnnotationRepository
from core.store.arrays import DERIVED, PIXELS, ArrayStore
from core.store.assignments import AssignmentRepository
from core.store.audit import AuditRepository
from core.store.backend import Backend, LayoutDifference
from core.store.batch import WriteBatch
from core.store.consensus import ConsensusRepository
from core.store.counts import SourceCounts, count_by_source
from core.store.database import Database, now_utc
from core.store.erasure import Tombstone, forget_rows
from core.store.file_names import FileNames
from core.store.forgetting import ForgettingList, delete_listed, drop_list, read_list, write_list
from core.store.identity import IDENTITY
from core.store.images import ImageRepository
from core.store.lesions import LesionRepository
from core.store.location import FILES, drop_hashes, new_database, open_database, refuse_place
from core.store.members import MemberRepository
from core.store.names import DATABASE, FORGETTING, RUNS, SERVER
from core.store.patients import PatientRepository
from core.store.presence import Presence
from core.store.pseudonym_links import LinkRepository
from core.store.reader_studies import ReaderStudyRepository
from core.store.readers import ReaderRepository
from core.store.replay import Expected
from core.store.reviews import ReviewRepository
from core.store.row_check import Difference, differences
from core.store.rows import from_row
from core.store.runs import ModelRepository, RunRepository
from core.store.splits import SplitRepository
from core.store.trusted_studies import entry_of, is_known, mark_open, mark_trusted
from core.store.upgrade import BACKUPS
from core.store.watch import StudyWatch
from core.store.worklist import Worklist
from core.store.write_lock import HOLDER, LOCK, LockOwner, WriteLock, present_holder, user_name

_FILES = (*FILES, IDENTITY, LOCK, HOLDER, FORGETTING)


class StudyInfo(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    name: str
    synthetic: bool
    """True if every image is made by the phantom; shown wherever the study is shown."""
    created_utc: str


class Study:
    """An open study. Use ``create`` or ``open``, and it as a context manager or ``close`` at the end.

    Reading works from any thread. Every call that writes is a transaction with its audit records; inside
    ``with study.batch():`` many become one.
    """

    def __init__(self, folder: Path, backend: Backend, *, lock: WriteLock | None, who: str) -> None:
        self.folder = folder
        self.writable = writable = backend.writable
        self._lock = lock
        self._database = Database(backend, who=who)
        self.patients = PatientRepository(self._database)
        self.images = ImageRepository(self._database)
        self.lesions = LesionRepository(self._database)
        self.annotations = AnnotationRepository(self._database)
        self.readers = ReaderRepository(self._database)
        self.splits = SplitRepository(self._database)
        self.runs = RunRepository(self._database)
        self.models = ModelRepository(self._database)
        self.reader_studies = ReaderStudyRepository(self._database)
        self.reviews = ReviewRepository(self._database)
        self.assignments = AssignmentRepository(self._database)
        self.consensus = ConsensusRepository(self._database)
        self.audit = AuditRepository(self._database)
        self.members = MemberRepository(self._database)
        self.links = LinkRepository(self._database)
        self.worklist = Worklist(self._database)
        self.arrays = ArrayStore(folder, writable=writable)
        self.file_names = FileNames(folder)
        self.info = _read_info(self._database, folder)
        self._opened_with = self.audit.head() if writable else None
        self._entry = entry_of(folder) if writable else None
        self._known = writable and is_known(folder)
        if self._known:
            mark_open(folder)
        self.unclosed = None if lock is None else lock.found
        """Last owner that had the study open and did not close it (killed, or the power failed)."""
        self.cleared = 0
        """Temporary files of theirs that were deleted when it was opened now."""

    @classmethod
    def create(
        cls, folder: Path, *, name: str, synthetic: bool = False, holder: str = "", server: str = ""
    ) -> Study:
        """Make a study in a new or empty folder and open it for writing; nothing is left where that fails.

        ``server``: address of the database server that is to hold what people make, without a password; "" for a
        file in the folder.
        """
        folder = folder.absolute()
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise StudyError(message("{folder} is not empty; choose a new folder for the study.", folder=folder))
        refuse_place(_existing(folder), server)
        try:
            make_folder(folder.parent)
            there = folder.exists()
            place = folder if there else folder.parent
            making = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".part", dir=place))
        except OSError as error:
            raise storage_error(error, folder) or error from error
        try:
            info = StudyInfo(id=str(uuid.uuid4()), name=name, synthetic=synthetic, created_utc=now_utc())
            _fill(making, info, who=holder or user_name(), server=server)
            if there:
                # a folder that exists may be a mount point and stays; the database comes last, it makes the study
                for part in sorted(making.iterdir(), key=lambda path: path.name in (DATABASE, SERVER)):
                    part.rename(folder / part.name)
                sync_folder(folder)
            else:
                making.rename(folder)
            sync_folder(folder.parent)
        except OSError as error:
            raise storage_error(error, folder) or error from error
        finally:
            shutil.rmtree(making, ignore_errors=True)
        return cls.open(folder, holder=holder)

    @classmethod
    def open(cls, folder: Path, *, writable: bool = True, holder: str = "") -> Study:
        """Open a study; ``holder`` is named to others and in the audit trail (default: the user).

        StudyLockedError names who else writes in it (then ``writable=False`` still works); StudyError where the
        folder is no study, is on a network file system or of a newer version. An older layout is upgraded when
        opened for writing, after a copy was made.
        """
        folder = folder.absolute()
        refuse_strange(folder, _FILES, (PIXELS, DERIVED, RUNS, BACKUPS))
        backend, lock = open_database(folder, writable=writable, holder=holder)
        try:
            study = cls(folder, backend, lock=lock, who=holder or user_name())
        except BaseException:
            if lock is not None:
                lock.release()
            raise
        if writable:
            study.cleared = study.arrays.clear_partial(shared=backend.shared)
            study._finish_forgetting()
            if study.links.drop_hashes():
                drop_hashes(folder / BACKUPS)
        return study

    def counts(self) -> tuple[SourceCounts, ...]:
        """Patients, images and lesions of every data set."""
        return count_by_source(self._database)

    @property
    def is_synthetic(self) -> bool:
        """Return True if any image of the study is synthetic; a figure over the study then notes it."""
        return self.info.synthetic or self.images.any_synthetic()

    @property
    def holder(self) -> LockOwner | None:
        """Return the present owner of the write lock; None if nobody has the study open for writing."""
        return present_holder(self.folder)

    @property
    def actor(self) -> str:
        """Return the name that the audit trail records from now on."""
        return self._database.who

    @actor.setter
    def actor(self, who: str) -> None:
        self._database.who = who

    def batch(self) -> WriteBatch:
        """One transaction for all calls inside: durable together when the block ends well, else none of them."""
        return WriteBatch(self._database)

    @property
    def database(self) -> str:
        """Return the name of the study's database, for sentences."""
        return self._database.backend.name

    @property
    def backend(self) -> Backend:
        """Return the open database, for others of this package."""
        return self._database.backend

    @property
    def shared(self) -> bool:
        """Return True if many programs may write in the study at once."""
        return self._database.backend.shared

    def watch(self) -> StudyWatch:
        """Return a watch for what other programs change; close it before the study."""
        return StudyWatch(self._database)

    def presence(self) -> Presence | None:
        """Return where others are told who is on which case, to be closed before the study; None if nobody else
        can be."""
        return self._database.backend.presence()

    def snapshot(self, target: Path) -> None:
        """Write the database as of now into one new file, that of a study in a folder."""
        self._database.backend.snapshot(target)

    @contextmanager
    def held(self, place: str) -> Iterator[tuple[Connection, Backend]]:
        """Inside, nobody can commit a change; the connection sees all that was committed, and the record that the
        study moves to ``place``."""
        with self._database.write() as transaction:
            transaction.record("study.move", f"study {self.info.id}", new={"to": place})
            transaction.flush()
            yield transaction.connection, self._database.backend

    def layout_differences(self) -> tuple[LayoutDifference, ...]:
        """Return the tables, indexes and triggers that are not those of a study."""
        return self._database.backend.layout_differences()

    def database_problems(self) -> tuple[str, ...]:
        """Return the faults that the database itself finds; empty if it is sound."""
        return self._database.problems()

    def row_differences(self, expected: Expected) -> Iterator[Difference]:
        """Yield the rows that differ from the audit trail (``core.store.row_check``)."""
        with self._database.read() as connection:
            yield from differences(connection, expected)

    def tamper(self, statement: str, *, unguarded: bool = False) -> None:
        """Change the database behind the back of the audit trail, to see that it is noticed (self-test)."""
        with self._database.write() as transaction:
            guards = transaction.guard_lifted() if unguarded else nullcontext()
            with guards:
                transaction.connection.exec_driver_sql(statement)

    def remove_patient(self, patient_id: str) -> None:
        """Take a patient out, with images, lesions, annotations and pixels. Backups and derived arrays may still
        hold them: delete those, and see which prototypes come from the patient's lesions."""
        for image_id in self.patients.remove(patient_id):
            self.arrays.delete_pixels(image_id)

    def forget_patient(self, patient_id: str) -> Tombstone:
        """Delete pixels, derived arrays, old copies of the database, rows and audited values of a patient.

        Rows go first, as one transaction, and then the files (``core.store.forgetting``): an error or a crash
        leaves the patient whole, or nothing. What remains is the tombstone in the audit trail. The identity file
        is the caller's, who has its key; models too.
        """
        with self._database.read() as connection:
            self._database.backend.refuse_erasure(connection)
        images = self.images.of_patient(self.patients.get(patient_id).id)
        what = ForgettingList(patient_id=patient_id, image_ids=tuple(image.id for image in images))
        write_list(self.folder, what)
        stone = forget_rows(self._database, patient_id)
        self._database.backend.overwrite_deleted()
        delete_listed(self.folder, self.arrays, what)
        return stone

    def _finish_forgetting(self) -> None:
        what = read_list(self.folder)
        if what is None:
            return
        if any(patient.id == what.patient_id for patient in self.patients.all()):
            # on a server another program may be about to delete the rows
            if not self._database.backend.shared:
                drop_list(self.folder)
        else:
            delete_listed(self.folder, self.arrays, what)

    def run_folder(self, run_id: str) -> Path:
        """Return the folder of the run's checkpoints and reports; made if missing and the study is writable."""
        folder = self.folder / (self.runs.get(run_id).folder or f"{RUNS}/{run_id}")
        if not folder.resolve().is_relative_to(self.folder.resolve()):
            raise StudyError(
                message("Run {run} points outside the study; nothing was read or written there.", run=run_id)
            )
        if self.writable:
            make_folder(folder)
        return folder

    def close(self) -> None:
        try:
            self._anchor()
            self._database.close()
            # known before, or marked while it was open: as it is left now
            if self._lock is not None and (self._known or entry_of(self.folder) != self._entry):
                mark_trusted(self.folder)
        finally:
            if self._lock is not None:
                self._lock.release()
                self._lock = None

    def _anchor(self) -> None:
        """Keep the head of the trail outside the study, where that is set up and something was changed."""
        if not self.writable:
            return
        with suppress(OSError, MarginaliaError):
            head = self.audit.head()
            if head != self._opened_with:
                append_anchor(self.info.id, head, now_utc())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _fill(folder: Path, info: StudyInfo, *, who: str, server: str) -> None:
    for part in (PIXELS, DERIVED, RUNS):
        (folder / part).mkdir(mode=0o700)
    with new_database(folder, server) as backend:
        database = Database(backend, who=who)
        with database.write() as transaction:
            transaction.connection.execute(insert(schema.info).values(msgspec.structs.asdict(info)))
            transaction.record("study.create", f"study {info.id}", new=info)
        LinkRepository(database).start()


def _read_info(database: Database, folder: Path) -> StudyInfo:
    columns = schema.info.c
    try:
        with database.read() as connection:
            row = connection.execute(
                select(columns.id, columns.name, columns.synthetic, columns.created_utc)
            ).one_or_none()
    except BaseException:
        database.close()
        raise
    if row is None:
        database.close()
        raise StudyError(
            message("The study in {folder} was not created completely; create it again.", folder=folder)
        )
    return from_row(row, StudyInfo)


def _existing(folder: Path) -> Path:
    return next(place for place in (folder, *folder.parents) if place.exists())
