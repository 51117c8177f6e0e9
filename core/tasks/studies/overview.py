"""The contents of a study, in numbers."""

from __future__ import annotations

import msgspec

from core.data.labels import Opinions
from core.store.file_names import read_names
from core.store.study import Study


class SourceCount(msgspec.Struct, frozen=True, kw_only=True):
    source: str
    patients: int
    images: int
    lesions: int
    margins: dict[str, int]
    """Lesions per margin word; "not labelled" for the rest."""
    finely_annotated: int


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    synthetic: bool
    sources: tuple[SourceCount, ...]
    splits: tuple[str, ...]
    runs: tuple[str, ...]
    """Name and status of each."""


UNLABELLED = "not labelled"


def overview(study: Study) -> Overview:
    """Counts of a study, its splits and its runs."""
    return Overview(
        name=study.info.name,
        synthetic=study.is_synthetic,
        sources=tuple(
            SourceCount(
                source=one.source,
                patients=one.patients,
                images=one.images,
                lesions=one.lesions,
                margins=dict(sorted((margin or UNLABELLED, number) for margin, number in one.margins.items())),
                finely_annotated=one.finely_annotated,
            )
            for one in study.counts()
        ),
        splits=tuple(split.name for split in study.splits.all()),
        runs=tuple(f"{run.name} ({run.status})" for run in study.runs.all()),
    )


class LesionLine(msgspec.Struct, frozen=True, kw_only=True):
    """One lesion, as `explain` and a person name it."""

    lesion: str
    patient: str
    """Pseudonym."""
    source: str
    laterality: str
    view: str
    margin: str
    """The margin class that training takes for true; if there is none, the reason in brackets."""
    finely_annotated: bool
    file: str = ""
    """The user's own file name, if it was kept at import."""


def lesion_lines(study: Study) -> list[LesionLine]:
    """Every lesion in the order of entry."""
    patients = {patient.id: patient for patient in study.patients.all()}
    images = {image.id: image for image in study.images.all()}
    opinions = Opinions(study, label="margin")
    names = read_names(study.folder)
    lines = []
    for lesion in study.lesions.all():
        image, truth = images[lesion.image_id], opinions.of(lesion)
        patient = patients[image.patient_id]
        lines.append(
            LesionLine(
                lesion=lesion.id,
                patient=patient.pseudonym,
                source=patient.source,
                laterality=image.laterality.value if image.laterality else "",
                view=image.view.value if image.view else "",
                margin=truth.word or f"({truth.doubt})",
                finely_annotated=bool(truth.fine),
                file=names.get(image.id, ""),
            )
        )
    return lines


def lesions_text(lines: list[LesionLine]) -> str:
    rows = [
        f"{one.lesion[:8]}  {one.patient:<12} {one.source:<12} {one.laterality:<1} {one.view:<4} {one.margin}"
        + (", finely annotated" if one.finely_annotated else "")
        + (f"  {one.file}" if one.file else "")
        for one in lines
    ]
    return "\n".join(rows) or "No lesions yet: import images with lesions, or draw some."


def overview_text(found: Overview) -> str:
    lines = [found.name + (" — SYNTHETIC DATA" if found.synthetic else "")]
    for count in found.sources:
        lines.append(
            f"{count.source}: {count.patients} patients, {count.images} images, {count.lesions} lesions, "
            f"{count.finely_annotated} finely annotated"
        )
        lines += [f"  {word}: {number}" for word, number in count.margins.items()]
    if not found.sources:
        lines.append("No images yet: import some.")
    lines.append("Splits: " + (", ".join(found.splits) or "none yet"))
    lines.append("Runs: " + (", ".join(found.runs) or "none yet"))
    return "\n".join(lines)
