"""Check of a study's integrity: its faults, and the contents that could be computed again."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from core.domain.content import frames_sha256
from core.domain.errors import Cancelled
from core.domain.events import IsCancelled, never
from core.domain.messages import Sentence, joined, message
from core.domain.study import Image, RunStatus
from core.imaging.decoded import MAX_FRAMES
from core.store.anchor import Head
from core.store.array_check import ArrayChecker
from core.store.arrays import DERIVED, PIXELS, frame_name
from core.store.audit import AuditReport
from core.store.replay import Expected
from core.store.row_values import ROW_ERRORS
from core.store.study import Study
from core.store.trail import AuditRecord

_MOST_NAMED = 20
"""Rows that are named; more are counted."""


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Something that only a copy of the study can put right."""

    subject: str
    sentence: Sentence


class CheckReport(msgspec.Struct, frozen=True, kw_only=True):
    problems: tuple[Problem, ...]
    rebuild: tuple[Sentence, ...]
    """Contents that would be computed again, one sentence each."""
    unused: tuple[Sentence, ...]
    """Files that nothing in the study refers to, one sentence each."""
    images: int
    lesions: int
    audit: AuditReport

    @property
    def good(self) -> bool:
        """Nothing is lost (though something may have to be computed again)."""
        return not self.problems


def check_study(
    study: Study,
    *,
    progress: Callable[[int, int], None] | None = None,
    against: Head | None = None,
    cancelled: IsCancelled = never,
) -> CheckReport:
    """Read everything and compare it with its hashes; changes nothing.

    Every row that a person or an import made is compared with the audit trail. The trail is compared with its
    chain and with ``against``, a head that was kept outside the study (``core.store.anchor``).

    Array files are read in a child process with limits, so that a study from elsewhere can be checked before it is
    used. ``progress`` is called with the number of images done and their total. ``cancelled`` is asked between
    images, derived files, records of the trail and rows.

    Raises: Cancelled.
    """
    problems = [
        Problem(
            subject=study.database,
            sentence=message(
                "{database} is damaged: {text}. Restore it from a copy.", database=study.database, text=text
            ),
        )
        for text in study.database_problems()
    ]
    problems += _check_layout(study)
    rebuild: list[Sentence] = []
    images = _images(study, problems)
    with ArrayChecker(study.folder) as vetter:
        for done, image in enumerate(images, start=1):
            _stop_if(cancelled)
            _check_pixels(study, vetter, image, problems, rebuild)
            if progress is not None:
                progress(done, len(images))
        _check_derived(study, vetter, rebuild, cancelled)
    try:
        _check_runs(study, problems)
    except ROW_ERRORS:
        problems.append(Problem(subject="run", sentence=message("The table of runs cannot be read.")))
    audit = _check_rows(study, problems, against, cancelled)
    known = {frame_name(image.id, frame) for image in images for frame in range(min(image.frames, MAX_FRAMES))}
    unused = [
        message("pixels/{name}.h5 belongs to no image of the study and can be deleted.", name=name)
        for name in study.arrays.pixel_files()
        if name not in known
    ]
    return CheckReport(
        problems=tuple(problems),
        rebuild=tuple(rebuild),
        unused=tuple(unused),
        images=len(images),
        lesions=study.lesions.count(),
        audit=audit,
    )


def _stop_if(cancelled: IsCancelled) -> None:
    if cancelled():
        raise Cancelled


def _check_pixels(
    study: Study, vetter: ArrayChecker, image: Image, problems: list[Problem], rebuild: list[Sentence]
) -> None:
    def problem(sentence: Sentence) -> None:
        problems.append(Problem(subject=f"image {image.id}", sentence=sentence))

    hashes = []
    for frame in range(image.frames):
        name = frame_name(image.id, frame)
        file = f"pixels/{name}.h5"
        try:
            there = study.arrays.has_pixels(image.id, frame=frame)
        except ValueError:
            problem(
                message(
                    "An image has an identifier that cannot name a file; the study was not made by this program."
                )
            )
            return
        if not there:
            problem(message("{file} is missing; restore it from a copy or import the image again.", file=file))
            return
        found = vetter.vet(PIXELS, name)
        if not found.readable:
            damaged = message("{file} is damaged; restore it from a copy or import the image again.", file=file)
            problem(joined([damaged, found.sentence]))
            return
        hashes.append(found.sha256 if found.shape == (image.height, image.width) else "")
        if not found.pyramid:
            rebuild.append(
                message(
                    "The pyramid of image {name} is damaged and would be made again from its pixels.", name=name
                )
            )
    if frames_sha256(hashes) != image.content_sha256:
        problem(message("{file} does not hold the pixels that were imported; restore it from a copy.", file=file))


def _check_derived(study: Study, vetter: ArrayChecker, rebuild: list[Sentence], cancelled: IsCancelled) -> None:
    for name in study.arrays.derived_files():
        _stop_if(cancelled)
        if not vetter.vet(DERIVED, name).readable:
            rebuild.append(
                message("derived/{name}.h5 is damaged and would be computed again when it is needed.", name=name)
            )


def _check_runs(study: Study, problems: list[Problem]) -> None:
    for run in study.runs.all(archived=True):
        if run.status is RunStatus.FINISHED and run.folder and not (study.folder / run.folder).is_dir():
            sentence = message(
                "The folder {folder} of run {run} is missing; restore it from a copy.",
                folder=run.folder,
                run=run.name,
            )
            problems.append(Problem(subject=f"run {run.id}", sentence=sentence))


def _check_layout(study: Study) -> list[Problem]:
    """Tables, indexes, triggers and views that are not those of a study."""
    return [
        Problem(
            subject=study.database,
            sentence=message(
                "{database} {problem}; restore the study from a copy.",
                database=study.database,
                problem=one.sentence,
            ),
        )
        for one in study.layout_differences()
    ]


def _images(study: Study, problems: list[Problem]) -> tuple[Image, ...]:
    """The images; none where a row cannot be read, which is a problem that ``_check_rows`` names."""
    try:
        return study.images.all()
    except ROW_ERRORS:
        problems.append(
            Problem(
                subject="image", sentence=message("The table of images cannot be read, so no pixels were checked.")
            )
        )
        return ()


def _check_rows(
    study: Study, problems: list[Problem], against: Head | None, cancelled: IsCancelled
) -> AuditReport:
    """Verify the chain, and compare every row with its records."""
    expected = Expected()

    def apply(record: AuditRecord) -> None:
        _stop_if(cancelled)
        expected.apply(record)

    audit = study.audit.verify(against=against, each=apply)
    if not audit.good:
        sentence = message("The audit trail was changed: {reason}.", reason=audit.reason)
        problems.append(Problem(subject="audit", sentence=sentence))
    for counter in expected.unreadable[:_MOST_NAMED]:
        sentence = message(
            "Record {counter} of the audit trail cannot be read; restore the study from a copy.", counter=counter
        )
        problems.append(Problem(subject="audit", sentence=sentence))
    found = 0
    for subject, what in study.row_differences(expected):
        _stop_if(cancelled)
        found += 1
        if found <= _MOST_NAMED:
            sentence = message(
                "{subject} {what}; restore the study from a copy.",
                subject=f"{subject[:1].upper()}{subject[1:]}",
                what=what,
            )
            problems.append(Problem(subject=subject, sentence=sentence))
    if found > _MOST_NAMED:
        sentence = message("{count} more rows differ from the audit trail.", count=found - _MOST_NAMED)
        problems.append(Problem(subject="rows", sentence=sentence))
    return audit
