"""The only mutable state of the window, and the only user of the store.

Operations write through the study and emit what they changed (``app.state.changes``); screens refresh by it.
A write that finds the disk full or read-only is kept and repeated until there is room: nothing drawn is lost, and
drawing pauses meanwhile.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from app.qt.sentences import translate_message
from app.qt.translation import tr
from app.state.changes import (
    AnnotationChanged,
    Change,
    CheckpointNamed,
    ImagesImported,
    LabelsChanged,
    ReaderChanged,
    SelectionChanged,
    StorageChanged,
    StudyClosed,
    StudyClosing,
    StudyOpened,
    StudyOpening,
)
from app.state.journal import Journal
from app.state.read_only import why_read_only
from core.domain.errors import StorageFullError, StudyError, StudyLockedError
from core.domain.messages import message
from core.domain.shapes import Shape
from core.domain.study import Labels, Reader
from core.platform.system import give_back_freed_memory

if TYPE_CHECKING:
    from app.state.kept_strokes import KeptStrokes

    # the store brings its database's library, for which a window without a study need not wait
    from core.store.passwords import Passwords
    from core.store.study import Study
    from core.tasks.studies.queries import StudyQueries

RETRY_MS = 2000


class Session(QObject):
    changed = Signal(object)
    """A ``Change``."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._study: Study | None = None
        self._passwords: Passwords | None = None
        self.read_only = ""
        """Why the study cannot be changed, in a sentence; empty where it can."""
        self.reader: Reader | None = None
        self.image_id: str | None = None
        self.frame = 0
        """The slice of a tomosynthesis that is looked at."""
        self.lesion_id: str | None = None
        self.journal = Journal(self)
        """Acts of the current reader on each image, for undo."""
        self._waiting: deque[Callable[[], Change]] = deque()
        self._refused: Callable[[], Change] | None = None
        """The last commit of shapes, where it failed and its drawer tries again."""
        self._kept: KeptStrokes | None = None
        """Strokes that the server of a shared study has not confirmed."""
        self._retry = QTimer(self)
        self._retry.setInterval(RETRY_MS)
        self._retry.timeout.connect(self.retry)

    # the study

    @property
    def is_open(self) -> bool:
        return self._study is not None

    @property
    def study(self) -> Study:
        """For long work in another thread (import); StudyError where none is open."""
        if self._study is None:
            raise StudyError(message("No study is open; open one or make a new one."))
        return self._study

    @property
    def reads(self) -> StudyQueries:
        """Reading of the open study, from any thread."""
        from core.tasks.studies.queries import StudyQueries

        return StudyQueries(self.study, self.reader.id if self.reader else "")

    @property
    def can_write(self) -> bool:
        """True if the current reader can draw and label now."""
        return self._study is not None and self._study.writable and self.reader is not None and not self._waiting

    def writable_study(self) -> Study:
        """StudyError, one sentence, where nothing can be written or nobody is signed in."""
        return self._writer()[1]

    @property
    def unsaved(self) -> int:
        """Changes that wait for room on the disk."""
        return len(self._waiting) + (self._refused is not None)

    def create_study(self, folder: Path, name: str, *, synthetic: bool = False, server: str = "") -> None:
        from core.store.study import Study

        study = Study.create(folder, name=name, synthetic=synthetic, server=server)
        self.close_study()
        self._take(study, "")

    def open_study(self, folder: Path) -> None:
        """Open for writing, or for reading where somebody else writes in it or its disk cannot be written."""
        if self._study is not None and self._study.folder == folder.absolute():
            return
        from core.store.study import Study

        try:
            study, why = Study.open(folder), ""
        except (StudyLockedError, StorageFullError) as error:
            study, why = Study.open(folder, writable=False), why_read_only(error, folder)
        self.close_study()
        self._take(study, why)

    def close_study(self) -> None:
        if self._study is None:
            return
        self._keep_refused()
        self.retry()
        self.changed.emit(StudyClosing())
        study, self._study = self._study, None
        kept, self._kept = self._kept, None
        if kept is not None:
            kept.close()
        self._waiting.clear()
        self._retry.stop()
        self.reader = self.image_id = self.lesion_id = self._passwords = None
        self.journal.clear()
        self.frame = 0
        study.close()
        self.changed.emit(StudyClosed())
        # an annotation with all its revisions is much; the window lives on and may open many studies a day
        give_back_freed_memory()

    def _take(self, study: Study, why: str) -> None:
        from core.store.passwords import Passwords

        # whoever shows a study is made before there is one, and hears all that follows
        self.changed.emit(StudyOpening())
        self._study, self.read_only = study, why
        self._passwords = Passwords(study.folder)
        if study.shared and study.writable:
            from app.state.kept_strokes import KeptStrokes

            self._kept = KeptStrokes(study, self)
            self._kept.changed.connect(self._tell_kept)
            self._kept.sent.connect(self._tell_sent)
        self.changed.emit(
            StudyOpened(folder=study.folder, name=study.info.name, synthetic=study.info.synthetic, read_only=why)
        )
        self._sign_in_by_account()

    # the reader

    def readers(self) -> tuple[Reader, ...]:
        return self.study.readers.all()

    def needs_password(self, name: str) -> bool:
        found = self.study.readers.find(name)
        return found is not None and self._passwords is not None and self._passwords.has(found.id)

    def sign_in(self, name: str, password: str = "") -> None:
        """Make this reader the current one, added where the study does not know the name.

        StudyError where the password does not fit.
        """
        name = name.strip()
        if not name:
            raise StudyError(message("A reader needs a name; type one."))
        known = self.study.readers.find(name)
        if known is not None and self._passwords is not None and not self._passwords.fits(known.id, password):
            raise StudyError(message("This is not the password of {name}; try again.", name=name))
        if known is None and not self.study.writable:
            raise StudyError(message("This study is open for reading only; a new reader cannot be added."))
        self.reader = known or self.study.readers.ensure(name)
        self.journal.clear()
        self.study.actor = name
        self.changed.emit(ReaderChanged(reader=self.reader))

    def set_password(self, password: str) -> None:
        """Set the password of the current reader; an empty one removes it."""
        if self.reader is None or self._passwords is None or not self.study.writable:
            raise StudyError(message("Sign in to a study that can be changed first."))
        self._passwords.put(self.reader.id, password)

    def _sign_in_by_account(self) -> None:
        """By the name of the system's account, unless that reader has a password."""
        from core.store.write_lock import user_name

        name = user_name()
        known = self.study.readers.find(name)
        if self.needs_password(name) or (known is None and not self.study.writable):
            self.changed.emit(ReaderChanged(reader=None))
            return
        try:
            self.sign_in(name)
        except StorageFullError as error:
            self.changed.emit(StorageChanged(problem=translate_message(error)))

    # what is looked at

    def select(self, image_id: str | None, lesion_id: str | None = None) -> None:
        """Look at an image and one of its lesions (by default its first)."""
        if image_id is not None and lesion_id is None:
            lesions = self.reads.lesions(image_id)
            # where a slice is looked at already, it stays
            here = [found for found in lesions if image_id != self.image_id or found.frame == self.frame]
            lesion_id = here[0].id if here else None
        if (image_id, lesion_id) == (self.image_id, self.lesion_id):
            return
        self._keep_refused()
        other = image_id != self.image_id
        self.image_id, self.lesion_id = image_id, lesion_id
        self.frame = self._frame_of(image_id, lesion_id, other=other)
        self.changed.emit(SelectionChanged(image_id=image_id, lesion_id=lesion_id, image_changed=other))

    def show_frame(self, frame: int) -> None:
        """Look at another slice of the image, and at the first lesion that lies on it, if any does."""
        if self.image_id is None:
            return
        frame = min(max(frame, 0), self.reads.image(self.image_id).frames - 1)
        if frame == self.frame:
            return
        self._keep_refused()
        there = [lesion.id for lesion in self.reads.lesions(self.image_id) if lesion.frame == frame]
        self.frame, self.lesion_id = frame, there[0] if there else None
        self.changed.emit(SelectionChanged(image_id=self.image_id, lesion_id=self.lesion_id, image_changed=False))

    def _frame_of(self, image_id: str | None, lesion_id: str | None, *, other: bool) -> int:
        """The lesion's slice; without one the present slice, and of another image the middle one."""
        if lesion_id is not None:
            return self.reads.lesion(lesion_id).frame
        if image_id is None or not other:
            return self.frame if image_id is not None else 0
        return self.reads.image(image_id).frames // 2

    # changes

    def set_labels(self, lesion_id: str, labels: Labels) -> None:
        """Set the current reader's labels of a lesion."""
        reader, study = self._writer()
        image_id = study.lesions.get(lesion_id).image_id

        def write() -> Change:
            study.lesions.set_labels(lesion_id, labels, reader_id=reader.id)
            return LabelsChanged(image_id=image_id, lesion_id=lesion_id)

        self.write(write)

    def commit_shapes(self, lesion_id: str, shapes: tuple[Shape, ...]) -> None:
        """The current reader's fine annotation from now on; on the disk when this returns.

        Of a shared study that is this computer's disk; ``KeptStrokes`` brings it to the server.
        StorageFullError where it could not be written: the caller tries again, and where the user goes on to
        another lesion meanwhile, this session does.
        """
        reader, study = self._writer()

        def write() -> Change:
            done = study.annotations.commit(lesion_id, reader.id, shapes)
            return AnnotationChanged(lesion_id=lesion_id, revision=done.revision)

        if self._kept is not None:
            self._kept.keep(lesion_id, reader.id, shapes)
            return
        try:
            change = write()
        except (StorageFullError, StudyLockedError) as error:
            self._refused = write
            self.changed.emit(StorageChanged(problem=translate_message(error)))
            raise
        if self._refused is not None:
            self._refused = None
            self.changed.emit(StorageChanged(problem=""))
        self.changed.emit(change)

    def states(self, lesion_id: str, past: Sequence[tuple[Shape, ...]]) -> list[tuple[Shape, ...]]:
        """Return the states of the reader's annotation of a lesion: the study's, and what it has not got yet."""
        kept = [] if self._kept is None or self.reader is None else self._kept.of(lesion_id, self.reader.id)
        return [*past, *(kept[1:] if past and kept[:1] == [past[-1]] else kept)]

    def send_strokes(self) -> None:
        """Wait until the study has every stroke; StudyError while its server cannot be reached."""
        if self._kept is not None and not self._kept.send_now():
            raise StudyError(message("The server cannot be reached; do this when your strokes are there."))

    def _tell_kept(self) -> None:
        waiting = 0 if self._kept is None or not self._kept.lost else self._kept.waiting
        sentence = tr(
            "The server cannot be reached. {count} strokes are kept on this computer and are sent when it is "
            "back.",
            count=waiting,
        )
        self.changed.emit(StorageChanged(problem=sentence if waiting else ""))

    def _tell_sent(self, lesions: tuple[str, ...]) -> None:
        for lesion_id in lesions:
            self.changed.emit(AnnotationChanged(lesion_id=lesion_id, revision=0))

    def restore_revision(self, lesion_id: str, revision: int) -> None:
        reader, study = self._writer()
        if self._kept is not None and self._kept.waiting:  # what was drawn before comes before
            self.commit_shapes(lesion_id, study.annotations.revision(lesion_id, reader.id, revision).shapes)
            self.changed.emit(AnnotationChanged(lesion_id=lesion_id, revision=0, restored=True))
            return

        def write() -> Change:
            done = study.annotations.restore(lesion_id, reader.id, revision)
            return AnnotationChanged(lesion_id=lesion_id, revision=done.revision, restored=True)

        self.write(write)

    def name_checkpoint(self, lesion_id: str, name: str) -> None:
        """Give the current revision a name, which the history shows."""
        from core.store.annotations import annotation_subject
        from core.tasks.studies.queries import CHECKPOINT

        reader, study = self._writer()
        current = study.annotations.current(lesion_id, reader.id)
        revision = 0 if current is None else current.revision

        def write() -> Change:
            study.audit.record(
                CHECKPOINT, annotation_subject(lesion_id, reader.id), new={"name": name, "revision": revision}
            )
            return CheckpointNamed(lesion_id=lesion_id, name=name, revision=revision)

        self.write(write)

    def record_others_shown(self, lesion_id: str) -> None:
        """The trail keeps that this reader saw the layers of others, and when."""
        from core.store.annotations import annotation_subject

        reader, study = self._writer()
        study.audit.record("annotation.others_shown", annotation_subject(lesion_id, reader.id))

    def imported(self, images: int) -> None:
        """Images came in by an import in another thread."""
        self.changed.emit(ImagesImported(images=images))

    def retry(self) -> None:
        """Write what waits, in its order, until something fails again."""
        if not self._waiting:
            return
        while self._waiting:
            try:
                change = self._waiting[0]()
            except (StorageFullError, StudyLockedError) as error:
                self.changed.emit(StorageChanged(problem=translate_message(error)))
                return
            self._waiting.popleft()
            self.changed.emit(change)
        self._retry.stop()
        self.changed.emit(StorageChanged(problem=""))

    def _keep_refused(self) -> None:
        """Queue the change that was drawn but not written, so that it is written whichever image is shown."""
        if self._refused is not None:
            self._waiting.append(self._refused)
            self._refused = None
            self._retry.start()

    def _writer(self) -> tuple[Reader, Study]:
        if not self.study.writable:
            raise StudyError(message("This study is open for reading only."))
        if self.reader is None:
            raise StudyError(message("Sign in first, so that the study records who did this."))
        return self.reader, self.study

    def write(self, write: Callable[[], Change]) -> bool:
        """Change the study and notify the screens. Return False if the disk is full: it then waits for room."""
        if not self._waiting:
            try:
                change = write()
            except (StorageFullError, StudyLockedError) as error:
                self._waiting.append(write)
                self._retry.start()
                self.changed.emit(StorageChanged(problem=translate_message(error)))
                return False
            self.changed.emit(change)
            return True
        self._waiting.append(write)
        return False
