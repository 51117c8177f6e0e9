"""From a plan to a study: decoding, pseudonyms, duplicates, and rows in bulk.

Here a patient's own identifier is exchanged for a pseudonym and goes no further. No sentence, event or audit
record repeats it: files and rows are named instead.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from msgspec.structs import replace

from core.data.importers.headers import Headers, LeftOutError, uids_valid
from core.data.importers.known_images import KnownImages
from core.data.importers.outcomes import ImportReport, file_results
from core.data.importers.pending import Pending, Writing, frames_of, stable_id, synthetic_id
from core.data.importers.placing import placed, refuse_unmeasured
from core.data.importers.plan import ImportPlan, Issue, PlannedImage, PlannedLesion, Severity
from core.data.importers.taking import contradictions, image_of, kind_note, patient_key, shown, turned
from core.domain.content import content_sha256, frames_sha256
from core.domain.errors import Cancelled, MarginaliaError, StudyError
from core.domain.events import Emit, IsCancelled, Message, Progress, never, silent
from core.domain.messages import Sentence, joined, message, sentence_of
from core.domain.study import Finding, Image, Lesion, Patient
from core.domain.turn import Turn
from core.imaging.decoded import DecodedImage, Identity, RefusedImageError
from core.imaging.orientation import Breast, breast_in
from core.imaging.worker import Outcome, read_frames, read_many
from core.platform.system import keep_freed_memory
from core.store.pseudonym_links import PseudonymSession
from core.store.study import Study

if TYPE_CHECKING:
    from core.store.identity import IdentityFile

BEGUN, ENDED, SUBJECT = "import.begun", "import.ended", "import"
"""Entries of the audit trail; an import that began and did not end is reported when the study is next opened."""
ROWS_AT_ONCE = 100
"""Images whose rows become durable together; a crash loses at most these."""
WRITERS = 3
"""Images that are written at once, mostly waiting for the disk, beside those that are decoded."""
_NO_PIXELS = np.empty((0, 0), np.uint8)

DecodeAll = Callable[[Iterable[Path]], Generator[tuple[Path, Outcome], None, None]]
"""Decodes foreign files in a child process, in their order; a refused file is an error in its place."""
DecodeFrames = Callable[[Path, Iterable[int]], Generator[Outcome, None, None]]
"""Decodes slices of one file in the same way."""


def run_import(
    study: Study,
    plan: ImportPlan,
    *,
    identity: IdentityFile | None = None,
    decode: DecodeAll = read_many,
    decode_frames: DecodeFrames = read_frames,
    known: KnownImages | None = None,
    emit: Emit = silent,
    cancelled: IsCancelled = never,
) -> ImportReport:
    """Bring the plan's images, lesions and annotations into the study.

    A file that cannot be used is left out with a sentence among the report's issues. When this is cancelled
    (``Cancelled`` is raised) or a disk is full, what was finished is kept, and nothing is half there.
    ``identity`` keeps the original identifiers; without it they are dropped here. ``known`` decides on images that
    the study holds or held.
    """
    total = len(plan.images)
    study.audit.record(BEGUN, SUBJECT, new={"files": total})
    keep_freed_memory()
    work = _Import(study, plan, identity, decode_frames, known or KnownImages(study))
    started = time.monotonic()
    with closing(decode(image.path for image in plan.images)) as decoded:
        try:
            for done, (planned, (_, outcome)) in enumerate(zip(plan.images, decoded, strict=True), start=1):
                if cancelled():
                    raise Cancelled
                work.take(planned, outcome)
                if len(work.pending.images) >= ROWS_AT_ONCE:
                    work.commit()
                eta = (time.monotonic() - started) / done * (total - done)
                emit(Progress(stage="import", done=done, total=total, eta_s=round(eta, 1)))
            work.settle()
        finally:
            work.close()
            work.commit()
            study.audit.record(ENDED, SUBJECT, new={"images": work.images})
    work.conclude()
    for issue in work.issues:
        named = not issue.where or issue.sentence.startswith(issue.where)
        place = "" if named else f"{issue.where}: "
        level = "info" if issue.severity is Severity.NOTE else "warning"
        emit(Message(level=level, text=message("{place}{sentence}", place=place, sentence=issue.sentence)))
    return work.report()


class _Import:
    """State of one import: known images, rows that wait for their transaction, notes to report."""

    def __init__(
        self,
        study: Study,
        plan: ImportPlan,
        identity: IdentityFile | None,
        decode_frames: DecodeFrames,
        known_images: KnownImages,
    ) -> None:
        self.study = study
        self.plan = plan
        self.source = plan.source
        self.identity = identity
        self.decode_frames = decode_frames
        self.known_images = known_images
        self.issues = list(plan.issues)
        self.pending = Pending()
        self._pseudonyms = PseudonymSession(study.patients, identity)
        self._patients: dict[str, Patient] = {}
        self._findings: dict[tuple[str, str], str] = {}
        self._headers = Headers()
        known = study.images.all()
        self._content: dict[str, str] = {image.content_sha256: message("an image of the study") for image in known}
        self._content |= {image.id: message("an image of the study") for image in known if image.frames > 1}
        self._owners = {image.content_sha256: image.patient_id for image in known}
        self._ids = {image.id for image in known}
        self._stored: list[bool | None] = [None] * len(plan.images)
        self._image_ids = [""] * len(plan.images)
        self._place = self._duplicates = 0
        self._writers = ThreadPoolExecutor(WRITERS, thread_name_prefix="import")
        self._writing: deque[Writing] = deque()
        self._counts = dict.fromkeys(("patients", "images", "lesions", "fine_annotations"), 0)

    def take(self, planned: PlannedImage, result: Outcome) -> None:
        """Store the pixels of one image now and keep its rows for the next transaction."""
        name = self.plan.name_of(planned)
        place, self._place = self._place, self._place + 1
        try:
            self._writing.append(self._take(planned, result, name, place))
        except LeftOutError as left_out:
            self._leave_out(planned, name, place, left_out)
        while len(self._writing) > WRITERS:
            self._finish(self._writing.popleft())

    def settle(self) -> None:
        """Wait for what is being written; the rows of what was written wait for their transaction then."""
        while self._writing:
            self._finish(self._writing.popleft())

    def close(self) -> None:
        """After an error or the end: nothing is written any more, and what was written whole is kept."""
        while self._writing:
            writing = self._writing.popleft()
            try:
                self._finish(writing)
            except (MarginaliaError, OSError):  # the error that ends the import is on its way already
                self.study.arrays.delete_pixels(writing.image_id)
        self._writers.shutdown(wait=True)

    def _leave_out(self, planned: PlannedImage, name: str, place: int, left_out: LeftOutError) -> None:
        self._say(planned.where or name, left_out.sentence, left_out.severity)
        self._stored[place] = False

    def _finish(self, writing: Writing) -> None:
        """Once its pixels are on the disk, an image's rows may be."""
        planned, name = writing.planned, writing.name
        try:
            sha256 = writing.sha256.result()
        except LeftOutError as left_out:
            self._content = {key: who for key, who in self._content.items() if who != name}
            self._leave_out(planned, name, writing.place, left_out)
            return
        self._add(planned, writing.decoded, writing, sha256)
        self._stored[writing.place] = True

    def _take(self, planned: PlannedImage, result: Outcome, name: str, place: int) -> Writing:
        if isinstance(result, RefusedImageError):
            raise LeftOutError(sentence_of(result), Severity.WRONG)
        if self.study.info.synthetic and not result.synthetic:
            raise StudyError(
                message(
                    "{name} is not marked as synthetic, and this study is; import it into another study.",
                    name=name,
                )
            )
        where = planned.where or name
        self._note(where, kind_note(result, name, by_table=self.plan.by_table))
        result, turn, said = turned(result, planned)
        self._note(where, message("{name}: {said}.", name=name, said=said) if said else said)
        sha256 = content_sha256(result.pixels)
        key, said = patient_key(planned, result, sha256, name)
        self._note(where, said)
        self._headers.check(key, name, result.identity, self._say)
        if frames_of(result) == 1 and sha256 in self._content:
            self._duplicates += 1
            self._pseudonyms.recognise(self.source, key, self._owners.get(sha256))
            self._image_ids[place] = self.known_images.with_pixels(sha256)
            differences = self.known_images.differences(planned, self._image_ids[place])
            sentence = message(
                "{name} is left out: its pixels are identical to those of {content}.",
                name=name,
                content=self._content[sha256],
            )
            raise LeftOutError(joined([sentence, differences]) if differences else sentence)
        made = synthetic_id(result)
        image_id = made if made is not None and made not in self._ids else self._image_id(result, sha256, name)
        if self.known_images.is_forgotten(image_id):
            raise LeftOutError(message("{name} is left out: its patient was forgotten in this study.", name=name))
        self._ids.add(image_id)
        self._image_ids[place] = image_id
        if self.study.arrays.has_pixels(image_id):
            # left by an import that was killed before its rows were written
            self.study.arrays.delete_pixels(image_id)
        self._content[sha256 if frames_of(result) == 1 else image_id] = name
        return Writing(
            planned=planned,
            name=name,
            place=place,
            key=key,
            image_id=image_id,
            patient_key=image_id if result.synthetic else sha256,
            decoded=replace(result, pixels=_NO_PIXELS),
            size=(result.width, result.height),
            turn=turn,
            breast=breast_in(result) if planned.lesions else None,
            sha256=self._writers.submit(self._write, planned.path, image_id, result, sha256, turn),
        )

    def _write(self, path: Path, image_id: str, result: DecodedImage, sha256: str, turn: Turn) -> str:
        """In a thread of its own: hashing, compressing and the disk need not wait for each other."""
        self.study.arrays.write_pixels(image_id, result.pixels, sha256=sha256, shown=shown(result))
        return self._further_frames(path, image_id, result, sha256, turn) if frames_of(result) > 1 else sha256

    def _add(self, planned: PlannedImage, result: DecodedImage, writing: Writing, sha256: str) -> None:
        """The rows of an image whose pixels are stored."""
        name = writing.name
        image = image_of(writing, self._patient(writing.key, writing.patient_key), sha256)
        for said in contradictions(planned, result, image):
            self._note(planned.where or name, said)
        self.pending.images.append(image)
        if self.identity is not None:
            self._remember(self.identity, writing.key, image.id, result.identity)
        for warning in result.warnings:
            self._say(
                planned.where or name, message("{name}: {warning}.", name=name, warning=warning), Severity.NOTE
            )
        for lesion in planned.lesions:
            try:
                self._lesion(lesion, image, writing.breast)
            except LeftOutError as left_out:
                self._say(lesion.where or planned.where or name, left_out.sentence, left_out.severity)

    def _image_id(self, result: DecodedImage, sha256: str, name: str) -> str:
        """From the pixels; of a tomosynthesis from its first slice, since it is stored slice by slice."""
        if frames_of(result) == 1:
            return stable_id("image", sha256)
        image_id = stable_id("tomosynthesis", str(result.frames), sha256)
        if image_id in self._content:
            self._duplicates += 1
            raise LeftOutError(
                message(
                    "{name} is left out: its first slice is identical to that of {image}.",
                    name=name,
                    image=self._content[image_id],
                )
            )
        return image_id

    def _further_frames(self, path: Path, image_id: str, first: DecodedImage, sha256: str, turn: Turn) -> str:
        """Store the slices after the first, one after the other, turned alike; the content hash of all."""
        hashes = [sha256]
        try:
            with closing(self.decode_frames(path, range(1, first.frames))) as decoded:
                for frame, outcome in enumerate(decoded, start=1):
                    if isinstance(outcome, RefusedImageError):
                        raise LeftOutError(sentence_of(outcome), Severity.WRONG)
                    pixels = turn.apply(outcome.pixels)
                    if (pixels.shape, pixels.dtype) != (first.pixels.shape, first.pixels.dtype):
                        sentence = message(
                            "{file} is left out: its slices differ in size or depth.", file=path.name
                        )
                        raise LeftOutError(sentence, Severity.WRONG)
                    hashes.append(
                        self.study.arrays.write_pixels(image_id, pixels, frame=frame, shown=shown(outcome))
                    )
        except BaseException:
            self.study.arrays.delete_pixels(image_id)
            raise
        return frames_sha256(hashes)

    def _remember(self, identity: IdentityFile, key: str, image_id: str, header: Identity) -> None:
        from core.store.identity import ImageLink, PatientLink  # cryptography, only where links are kept

        pseudonym = self._patients[key].pseudonym
        identity.add_patient(PatientLink(pseudonym=pseudonym, source=self.source, identifier=key))
        if header.sop_uid and uids_valid(header):
            identity.add_image(ImageLink.of(image_id, header))

    def _patient(self, key: str, first_image: str) -> Patient:
        """The patient of this identifier; a new one is known by the first image (its content, or its id where that
        was made from a synthetic study's own numbers)."""
        if key not in self._patients:
            assigned = self._pseudonyms.assign(self.source, key)
            patient = assigned.patient
            if patient is None:
                made = stable_id("patient", first_image)
                patient = Patient(id=made, pseudonym=assigned.pseudonym, source=self.source)
                self.pending.patients.append(patient)
            self._patients[key] = patient
        return self._patients[key]

    def _lesion(self, planned: PlannedLesion, image: Image, breast: Breast | None) -> None:
        planned, notes = placed(planned, image, breast)
        for said in notes:
            self._note(planned.where, said)
        number = 1 + sum(lesion.image_id == image.id for lesion in self.pending.lesions)
        finding = self._finding(planned.finding, image, number)
        lesion = Lesion(
            id=stable_id("lesion", image.id, str(number)),
            finding_id=finding,
            image_id=image.id,
            outline=planned.outline,
            labels=planned.labels,
            number=number,
            frame=planned.frame,
        )
        self.pending.lesions.append(lesion)
        refuse_unmeasured(planned, image)
        if planned.fine:
            self.pending.fine.append((lesion.id, planned.fine_reader, planned.fine))

    def _finding(self, word: str, image: Image, number: int) -> str:
        key = (image.patient_id, word)
        if not word or key not in self._findings:
            finding = Finding(id=stable_id("finding", image.id, str(number)), patient_id=image.patient_id)
            self.pending.findings.append(finding)
            self._findings[key] = finding.id
        return self._findings[key]

    def commit(self) -> None:
        """Make the pending rows durable; pixels whose rows cannot be written are taken away again."""
        rows, self.pending = self.pending, Pending()
        if not rows.images:
            return
        try:
            if self.identity is not None:
                # first: a link to nothing harms nobody, a patient without his link is lost
                self.identity.save()
            with self.study.batch():
                self.study.patients.add_many(rows.patients)
                self.study.images.add_many(rows.images)
                self.study.lesions.add_findings(rows.findings)
                self.study.lesions.add_many(rows.lesions)
                readers = {name: self.study.readers.ensure(name) for name in sorted({r for _, r, _ in rows.fine})}
                for lesion_id, reader, shapes in rows.fine:
                    self.study.annotations.commit(lesion_id, readers[reader].id, shapes)
        except BaseException:
            for image in rows.images:
                self.study.arrays.delete_pixels(image.id)
            raise
        for name in ("patients", "images", "lesions"):
            self._counts[name] += len(getattr(rows, name))
        self._counts["fine_annotations"] += len(rows.fine)

    def conclude(self) -> None:
        """Report the notes that concern all files."""
        self._headers.conclude(self._say)
        for sentence in self._pseudonyms.sentences:
            self._say("", sentence, Severity.NOTE)

    @property
    def images(self) -> int:
        return self._counts["images"]

    def report(self) -> ImportReport:
        ids = ["" if kept is None else name for kept, name in zip(self._stored, self._image_ids, strict=True)]
        files = file_results(self.plan, self.issues, self._stored, ids)
        counts = self._counts | {"updated": self.known_images.updated, "duplicates": self._duplicates}
        return ImportReport(source=self.source, issues=tuple(self.issues), files=files, **counts)

    def _note(self, where: str, sentence: Sentence) -> None:
        """Add a note, where there is one."""
        if sentence:
            self._say(where, sentence, Severity.NOTE)

    def _say(self, where: str, sentence: Sentence, severity: Severity) -> None:
        self.issues.append(Issue(where=where, sentence=sentence, severity=severity))
