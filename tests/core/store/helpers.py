"""Small studies for the tests."""

from __future__ import annotations

import numpy as np

from core.domain.geometry import Box
from core.domain.shapes import Rectangle, Shape, circle
from core.domain.study import Finding, Image, Labels, Lesion, Patient
from core.domain.vocabulary import MarginType
from core.store.arrays import Array
from core.store.study import Study


def picture(seed: int = 0, *, rows: int = 40, columns: int = 30) -> Array:
    return np.random.default_rng(seed).integers(0, 4096, (rows, columns)).astype(np.uint16)


def add_case(study: Study, number: int, *, patient: str | None = None, pixels: bool = True) -> Lesion:
    """Patient p<number> (or another's), image i<number>, finding f<number> and lesion l<number>."""
    patient_id = patient or f"p{number}"
    if patient is None:
        study.patients.add(Patient(id=patient_id, pseudonym=f"PSEUDO{number}", source="made up"))
    array = picture(number)
    sha256 = study.arrays.write_pixels(f"i{number}", array) if pixels else "0" * 64
    study.images.add(
        Image(
            id=f"i{number}",
            patient_id=patient_id,
            content_sha256=sha256,
            width=array.shape[1],
            height=array.shape[0],
            bits_stored=12,
            synthetic=True,
        )
    )
    study.lesions.add_finding(Finding(id=f"f{number}", patient_id=patient_id))
    lesion = Lesion(
        id=f"l{number}",
        finding_id=f"f{number}",
        image_id=f"i{number}",
        outline=Rectangle(box=Box(x0=3, y0=4, x1=13, y1=24)),
        labels=Labels(margin=MarginType.SPICULATED),
    )
    study.lesions.add(lesion)
    return lesion


def drawing(number: int) -> tuple[Shape, ...]:
    return (circle((float(number), 2.5), 1.25),)
