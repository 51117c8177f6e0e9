from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from core.domain.content import content_sha256
from core.domain.geometry import Box
from core.domain.shapes import Ellipse, Length, Line, Origin, Polygon, Rectangle, Shape, Stroke, circle
from core.domain.study import Finding, Image, Labels, Lesion, LesionOutline, Patient, Split, Window
from core.domain.vocabulary import Laterality, MarginType, Part, Pathology, ViewPosition
from core.store.study import Study

CANARY = "KOWALSKI"

OUTLINES: tuple[LesionOutline, ...] = (
    Rectangle(box=Box(x0=80, y0=40, x1=130, y1=90)),
    circle((100.0, 70.0), 25.0),
    Polygon(points=((80.0, 45.0), (125.0, 50.0), (120.0, 95.0), (85.0, 85.0)), origin=Origin.PROPOSED),
    Ellipse(centre=(100.0, 70.0), radius_x=30.0, radius_y=20.0, angle_deg=30.0),
)
MARGINS = (MarginType.CIRCUMSCRIBED, MarginType.SPICULATED, MarginType.INDISTINCT, MarginType.OBSCURED)
HALF_A_MM = Length(value=0.5, unit="mm")
FINE: tuple[tuple[Shape, ...], ...] = (
    (
        circle((82.0, 45.0), 6.0),
        Line(points=((85.0, 40.0), (110.0, 42.0), (128.0, 60.0)), width=HALF_A_MM, origin=Origin.PROPOSED),
        Line(points=((90.0, 85.0), (100.0, 88.0)), width=HALF_A_MM, origin=Origin.EDITED),
    ),
    (
        Stroke(points=((90.0, 50.0), (100.0, 48.0), (112.0, 55.0)), widths=(4.0, 6.0, 3.0)),
        Line(points=((100.0, 45.0), (100.0, 60.0)), width=Length(value=3.0, unit="px"), erases=True),
    ),
    (),
    (),
)


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Study]:
    """Four patients with one lesion each; three margins are trained, the last is obscured."""
    with Study.create(tmp_path / "study", name="test", synthetic=True) as made:
        reader = made.readers.ensure("Dr. A")
        for i, (outline, margin, fine) in enumerate(zip(OUTLINES, MARGINS, FINE, strict=True)):
            pixels = np.random.default_rng(i).integers(0, 4096, (150, 200)).astype(np.uint16)
            made.patients.add(Patient(id=f"p{i}", pseudonym=f"P{i:03d}", source="phantom"))
            made.arrays.write_pixels(f"0000000{i}-abcdef", pixels)
            made.images.add(
                Image(
                    id=f"0000000{i}-abcdef",
                    patient_id=f"p{i}",
                    content_sha256=content_sha256(pixels),
                    width=200,
                    height=150,
                    bits_stored=12,
                    pixel_spacing_mm=0.1,
                    laterality=Laterality.LEFT,
                    view=ViewPosition.CC,
                    windows=(Window(centre=2048, width=4096),),
                    acquired="1987-06-05",
                    synthetic=True,
                )
            )
            made.lesions.add_finding(Finding(id=f"f{i}", patient_id=f"p{i}"))
            labels = Labels(margin=margin, pathology=Pathology.BENIGN, comment=f"Mrs {CANARY} again")
            made.lesions.add(
                Lesion(
                    id=f"l{i}", finding_id=f"f{i}", image_id=f"0000000{i}-abcdef", outline=outline, labels=labels
                )
            )
            if fine:
                made.annotations.commit(f"l{i}", reader.id, fine)
        yield made


@pytest.fixture
def split() -> Split:
    parts = {"p0": Part.TRAINING, "p1": Part.VALIDATION, "p2": Part.TEST}
    return Split(id="s", name="s", seed=0, parts=parts)
