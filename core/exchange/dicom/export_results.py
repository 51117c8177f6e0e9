"""Results of a study as DICOM objects: segmentations, structured reports and presentation states, one an image.

Without the identity file they carry pseudonyms. With it they carry the original identifiers and UIDs, only for the
archive that the images came from. Such a folder carries a warning in capitals.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from core.domain.errors import StudyError
from core.domain.events import Emit, IsCancelled, never, silent
from core.domain.messages import message
from core.domain.opinion import Verdict
from core.domain.study import Run
from core.domain.vocabulary import DISCLAIMER
from core.exchange.collect import README, ExportItem, collect, each, new_folder, readme
from core.exchange.dicom.gsps import make_gsps
from core.exchange.dicom.lesion_report import LesionReport, ModelFinding, PrototypeShare, Verifier
from core.exchange.dicom.references import Naming, SourceImage, source_image
from core.exchange.dicom.regions import regions_of
from core.exchange.dicom.seg import FINE, LESION, MaskOfLesion, make_seg
from core.exchange.dicom.sr import make_sr
from core.exchange.formats import EVERYTHING, ExportSelection, ExportTools
from core.exchange.masks.png import fine_mask, lesion_mask
from core.exchange.stored_matrix import stored_items
from core.platform.atomic import atomic_write
from core.store.study import Study
from core.tasks.readers.opinions import opinions_of

if TYPE_CHECKING:
    from core.explain.explanation import Explanation
    from core.store.identity import IdentityFile
    from core.tasks.review.model_in_study import ModelInStudy


class ResultKind(StrEnum):
    """The kind of DICOM object that is made."""

    SEG = "seg"
    SR = "sr"
    GSPS = "gsps"


class ResultsWritten(msgspec.Struct, frozen=True, kw_only=True):
    folder: str
    format: ResultKind
    files: tuple[str, ...]
    lesions: int
    verified: int
    """Reports with a verifying observer."""
    original_identifiers: bool
    left_out: tuple[str, ...] = ()
    """Lesions that the format cannot express, one sentence each."""


_WORDS = {
    ResultKind.SEG: (
        "Segmentations",
        "DICOM Segmentation objects (binary), one an image: of each lesion a segment of its outline\n"
        "and one of its fine annotation.",
    ),
    ResultKind.SR: (
        "Structured reports",
        "DICOM structured reports (TID 1500), one an image: regions, BI-RADS words in standard codes and,\n"
        "where a model was asked, its findings with the prototypes' contributions.",
    ),
    ResultKind.GSPS: (
        "Presentation states",
        "DICOM presentation states, one an image: outlines and fine annotations as graphics for viewers.",
    ),
}


@dataclass(frozen=True, kw_only=True, eq=False)
class _Case:
    """The lesions of one image."""

    source: SourceImage
    items: tuple[ExportItem, ...]


def export_results(
    study: Study,
    folder: Path,
    kind: ResultKind,
    selection: ExportSelection = EVERYTHING,
    *,
    run: Run | None = None,
    identity: IdentityFile | None = None,
    emit: Emit = silent,
    cancelled: IsCancelled = never,
) -> ResultsWritten:
    """Write one object an image with lesions into a new folder.

    ``run``: whose active model's findings stand in the reports. ``identity``: give them the original identifiers.
    StudyError where there is nothing to write, the folder is not empty or the identity file lacks an image.
    """
    naming = Naming(study)
    items = stored_items(collect(study, selection))
    left_out: list[str] = []
    cases = tuple(_cases(_drawable(items, left_out), naming, identity))
    if not cases:
        raise StudyError(message("There is nothing to export: no lesion encloses anything inside its image."))
    opened = None
    if run is not None and kind is ResultKind.SR:
        # torch is loaded for a model alone
        from core.model.accelerator import resolve_device
        from core.tasks.review.model_in_study import open_model

        opened = open_model(study, run, device=resolve_device("auto"), emit=emit, cancelled=cancelled)
    names: list[str] = []
    verified = 0

    def fill(target: Path) -> None:
        nonlocal verified
        for case in each(cases, ExportTools(emit=emit, cancelled=cancelled)):
            verifier = _verifier(study, opened, case)
            verified += verifier is not None
            name = f"{case.items[0].name.rsplit('_', 1)[0]}.{kind.value}.dcm"
            if identity is not None:
                # beside original identifiers no pseudonym: together they would be the link that is kept apart
                name = f"{case.source.sop_uid}.{kind.value}.dcm"
            atomic_write(target / name, _object(case, kind, naming, opened, verifier, cancelled))
            names.append(name)
        atomic_write(target / README, _readme(kind, items, original=identity is not None).encode())

    new_folder(folder, fill)
    return ResultsWritten(
        folder=str(folder),
        format=kind,
        files=tuple(names),
        lesions=len(items) - len(left_out),
        verified=verified,
        original_identifiers=identity is not None,
        left_out=tuple(left_out),
    )


def _drawable(items: Iterable[ExportItem], left_out: list[str]) -> Iterator[ExportItem]:
    """The lesions whose outline encloses something inside the image; sentences for the others."""
    for item in items:
        if regions_of(item.lesion.outline, item.image.box):
            yield item
        else:
            left_out.append(
                f"{item.name}: the outline encloses nothing inside the image, so the lesion was left out; draw it "
                "again."
            )


def _cases(items: Iterable[ExportItem], naming: Naming, identity: IdentityFile | None) -> Iterator[_Case]:
    by_image: dict[str, list[ExportItem]] = {}
    for item in items:
        by_image.setdefault(item.image.id, []).append(item)
    for own in by_image.values():
        source = source_image(own[0].image, own[0].patient, naming, identity)
        yield _Case(source=source, items=tuple(own))


def _object(
    case: _Case,
    kind: ResultKind,
    naming: Naming,
    opened: ModelInStudy | None,
    verifier: Verifier | None,
    cancelled: IsCancelled,
) -> bytes:
    image_id = case.source.image_id
    # an object made of other content is another object, and an archive must not take it for the old one
    content = msgspec.json.encode([(i.lesion.outline, i.truth.fine, i.lesion.labels) for i in case.items]).hex()
    model = "" if opened is None else opened.model.sha256
    own = naming.uid(kind.value, image_id, content, model, "" if verifier is None else verifier.name)
    series = naming.uid("series", kind.value, image_id)
    if kind is ResultKind.SEG:
        return make_seg(case.source, tuple(_masks(case, naming)), uids=(series, own))
    lesions = tuple(_report(item, case.source, naming, opened, cancelled) for item in case.items)
    if kind is ResultKind.SR:
        return make_sr(case.source, lesions, uids=(series, own, naming.uid("device")), verifier=verifier)
    return make_gsps(case.source, lesions, uids=(series, own))


def _tracking(item: ExportItem, source: SourceImage, naming: Naming) -> tuple[str, str]:
    """Identifier and UID of a lesion, the same in all objects; without a pseudonym where those are originals."""
    name = f"lesion {item.lesion.number}" if source.original else item.name
    return name, naming.uid("lesion", item.lesion.id)


def _masks(case: _Case, naming: Naming) -> Iterator[MaskOfLesion]:
    for item in case.items:
        name, uid = _tracking(item, case.source, naming)
        yield MaskOfLesion(tracking_id=name, tracking_uid=uid, kind=LESION, mask=lesion_mask(item))
        if item.truth.fine:
            yield MaskOfLesion(tracking_id=name, tracking_uid=uid, kind=FINE, mask=fine_mask(item))


def _report(
    item: ExportItem,
    source: SourceImage,
    naming: Naming,
    opened: ModelInStudy | None,
    cancelled: IsCancelled,
) -> LesionReport:
    name, uid = _tracking(item, source, naming)
    model = None
    if opened is not None and item.lesion.id in opened.rois.lesion_ids:
        explanation = opened.explanation(opened.rois.lesion_ids.index(item.lesion.id), cancelled)
        model = finding_of(explanation, opened)
    return LesionReport(
        tracking_id=name,
        tracking_uid=uid,
        outline=item.lesion.outline,
        fine=item.truth.fine,
        labels=msgspec.structs.replace(item.lesion.labels, comment="", flagged=False),
        model=model,
    )


def finding_of(explanation: Explanation, opened: ModelInStudy) -> ModelFinding:
    """Return the report's finding for an explanation; without a precedent no class and no malignancy."""
    card, known = opened.model.card, explanation.precedent.found
    predicted = explanation.predicted
    return ModelFinding(
        method=card.method,
        version=opened.model.sha256,
        run=opened.run.name,
        class_names=explanation.class_names,
        probabilities=tuple(float(p) for p in np.asarray(explanation.probabilities)),
        predicted=explanation.class_names[predicted] if known else "",
        has_precedent=known,
        malignancy=explanation.malignancy_probability if known else None,
        prototypes=tuple(
            PrototypeShare(
                number=row.number,
                class_name=row.class_name,
                similarity=row.score,
                weight=float(row.weights[predicted]),
            )
            for row in explanation.ranked(predicted)
        ),
    )


def _verifier(study: Study, opened: ModelInStudy | None, case: _Case) -> Verifier | None:
    """The reader whose last word on every lesion of the image, as this very model explains it, is agreement."""
    if opened is None:
        return None
    given, active = opinions_of(study, opened.run), study.models.active(opened.run.id)
    agreed: list[set[str]] = []
    for item in case.items:
        last: dict[str, bool] = {}
        for one in given.get(item.lesion.id, ()):
            if active is not None and one.opinion.revision_id == active.id and one.opinion.prototype is None:
                if one.opinion.verdict is not Verdict.COMMENT:
                    last[one.who] = one.opinion.verdict is Verdict.AGREE
            elif one.opinion.verdict is not Verdict.COMMENT:
                last.pop(one.who, None)
        agreed.append({who for who, agrees in last.items() if agrees})
    everyone = sorted(set.intersection(*agreed)) if agreed else []
    return Verifier(name=everyone[0]) if everyone else None


def _readme(kind: ResultKind, items: Sequence[ExportItem], *, original: bool) -> str:
    what, layout = _WORDS[kind]
    if not original:
        return readme(what, layout, items, table=False)
    return "\n".join(
        [
            f"{what}, exported by Marginalia",
            "",
            DISCLAIMER,
            "",
            "THESE FILES CARRY THE ORIGINAL IDENTIFIERS OF PATIENTS. They are meant for the archive that the",
            "images came from and for nowhere else; delete this folder when they are there.",
            "",
            layout,
            "",
        ]
    )
