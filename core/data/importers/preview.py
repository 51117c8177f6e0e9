"""A dry run that decodes: what an import would do with each file, without changing the study."""

from __future__ import annotations

from contextlib import closing

from core.data.importers.importing import DecodeAll
from core.data.importers.known_images import KnownImages
from core.data.importers.outcomes import ImportReport, file_results
from core.data.importers.pending import frames_of, stable_id, synthetic_id
from core.data.importers.plan import ImportPlan, Issue, PlannedImage, Severity
from core.data.importers.taking import patient_key, turned
from core.domain.content import content_sha256
from core.domain.errors import Cancelled
from core.domain.events import Emit, IsCancelled, Progress, never, silent
from core.domain.messages import joined, message, sentence_of
from core.imaging.decoded import DecodedImage, RefusedImageError
from core.imaging.worker import Outcome, read_many
from core.store.study import Study


def preview_import(
    study: Study,
    plan: ImportPlan,
    *,
    known: KnownImages,
    decode: DecodeAll = read_many,
    emit: Emit = silent,
    cancelled: IsCancelled = never,
) -> ImportReport:
    """Decode every file and compare its pixels with those of the study. Nothing is written.

    The report counts images and lesions that would be imported, and the patients whom these show; some of them may
    be in the study already. Fine annotations are known only once rows are written, and are 0.
    """
    there = {image.content_sha256 for image in study.images.all()}
    ids = {image.id for image in study.images.all()}
    issues, stored, image_ids = list(plan.issues), [], []
    seen: dict[str, str] = {}
    patients: set[str] = set()
    with closing(decode(image.path for image in plan.images)) as decoded:
        for done, (planned, (_, outcome)) in enumerate(zip(plan.images, decoded, strict=True), start=1):
            if cancelled():
                raise Cancelled
            name = plan.name_of(planned)
            image_id, issue = _judged(planned, outcome, name, known, there | ids, seen)
            stored.append(issue is None)
            image_ids.append(image_id)
            if issue is not None:
                issues.append(issue)
            elif isinstance(outcome, DecodedImage):
                patients.add(patient_key(planned, outcome, image_id, name)[0])
            emit(Progress(stage="dry run", done=done, total=len(plan.images)))
    taken = [image for image, kept in zip(plan.images, stored, strict=True) if kept]
    return ImportReport(
        source=plan.source,
        patients=len(patients),
        images=len(taken),
        lesions=sum(len(image.lesions) for image in taken),
        fine_annotations=0,
        issues=tuple(issues),
        files=file_results(plan, issues, stored, image_ids),
        duplicates=sum(bool(name) and not kept for name, kept in zip(image_ids, stored, strict=True)),
        updated=known.updated,
    )


def _judged(
    planned: PlannedImage, outcome: Outcome, name: str, known: KnownImages, there: set[str], seen: dict[str, str]
) -> tuple[str, Issue | None]:
    """The identifier of the image, and why it would not be imported."""
    where = planned.where or name
    if isinstance(outcome, RefusedImageError):
        return "", Issue(where=where, sentence=sentence_of(outcome), severity=Severity.WRONG)
    outcome, _, _ = turned(outcome, planned)
    sha256 = content_sha256(outcome.pixels)
    single = frames_of(outcome) == 1
    by_content = stable_id("image", sha256) if single else stable_id("tomosynthesis", str(outcome.frames), sha256)
    image_id = known.with_pixels(sha256) or synthetic_id(outcome) or by_content
    key = sha256 if single else image_id
    if key in there or key in seen:
        whose = seen.get(key, message("an image of the study"))
        sentence = message(
            "{name} would be left out: its pixels are identical to those of {other}.", name=name, other=whose
        )
        differences = known.differences(planned, image_id)
        sentence = joined([sentence, differences]) if differences else sentence
    elif known.is_forgotten(image_id):
        sentence = message("{name} would be left out: its patient was forgotten in this study.", name=name)
        image_id = ""
    else:
        seen[key] = name
        return image_id, None
    return image_id, Issue(where=where, sentence=sentence, severity=Severity.LEFT_OUT)
