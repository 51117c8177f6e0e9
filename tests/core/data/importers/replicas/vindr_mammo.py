"""VinDr-Mammo as on PhysioNet: two tables, files named by digests that also stand where UIDs belong."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

from core.domain.vocabulary import MarginType, Pathology
from tests.core.data.importers.replicas.files import COLUMNS, ROWS, texture, write_file
from tests.core.data.importers.replicas.truth import Truth

IMAGE = "study_id,series_id,image_id,laterality,view_position,height,width,breast_birads,breast_density"
FINDING = f"{IMAGE},finding_categories,finding_birads,xmin,ymin,xmax,ymax,split"

TRUTH = Truth(
    patients=2,
    images=4,
    lesions=3,
    margins=Counter[MarginType | None]({None: 3}),
    pathology=Counter[Pathology | None]({None: 3}),
    said=(
        "UIDs that are not valid in DICOM",
        "not a mass is left out: Suspicious Calcification",
        "each examination is treated as a separate patient",
        "drawn on a picture of 144 x 192 pixels and is scaled",
        "the image is left out",
    ),
)


def _digest(word: str) -> str:
    return hashlib.md5(word.encode(), usedforsecurity=False).hexdigest()


def build(folder: Path) -> Truth:
    findings: list[str] = []
    breasts: list[str] = []

    def image(study: str, side: str, view: str, *rows: str, scale: int = 1, there: bool = True) -> None:
        image_id = _digest(f"{study} {side} {view}")
        head = (
            f"{_digest(study)},{_digest(study + side)},{image_id},{side},{view},{ROWS * scale},{COLUMNS * scale}"
        )
        breasts.append(f"{head},BI-RADS 4,DENSITY C,training")
        findings.extend(f"{head},BI-RADS 4,DENSITY C,{row},training" for row in rows)
        if there:
            path = folder / "images" / _digest(study) / f"{image_id}.dicom"
            write_file(
                path, texture(len(breasts) + 20), patient=_digest("p" + study), side=side, view=view, uid=image_id
            )

    image("a", "L", "CC", "\"['Mass']\",BI-RADS 4,10.5,12.25,30,40")
    image("a", "L", "MLO", "\"['Suspicious Calcification', 'Mass']\",BI-RADS 5,5,6,25,30")
    # the row says another size than the file has, in the same proportions
    image("b", "R", "CC", "\"['Mass']\",BI-RADS 3,40,40,80,100", scale=2)
    image("b", "R", "MLO", "['Suspicious Calcification'],BI-RADS 4,1,1,9,9", "['No Finding'],,,,,")
    image("c", "R", "CC", "['No Finding'],,,,,", there=False)
    (folder / "finding_annotations.csv").write_text("\n".join((FINDING, *findings)) + "\n")
    (folder / "breast-level_annotations.csv").write_text("\n".join((f"{IMAGE},split", *breasts)) + "\n")
    return TRUTH
