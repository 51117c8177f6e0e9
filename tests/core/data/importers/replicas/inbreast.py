"""INbreast as released: a table separated by semicolons, files named by number and patient, OsiriX lists."""

from __future__ import annotations

import math
import plistlib
from collections import Counter
from pathlib import Path

from core.domain.vocabulary import MarginType
from tests.core.data.importers.replicas.files import texture, write_file
from tests.core.data.importers.replicas.truth import Truth

HEADING = "Patient ID;Patient age;Laterality;View;Acquisition date;File Name;ACR;Bi-Rads"

TRUTH = Truth(
    patients=2,
    images=4,
    lesions=4,
    margins=Counter({MarginType.SPICULATED: 1, None: 3}),
    pathology=Counter({None: 4}),
    said=(
        "overlaps a spiculated region",
        "1 x calcification, 1 x cluster",
        "fewer than three corners",
        "is not in AllDICOMs",
    ),
)


def build(folder: Path) -> Truth:
    first, second = "61a13c59aeb4a5f9", "036aff49b8ac84f0"
    rows = [
        _image(folder, "20586908", first, "L", "MLO", "3", "4a", seed=11),
        _image(folder, "20586934", first, "L", "CC", "3", "5", seed=12),
        _image(folder, "20586960", second, "R", "CC", "     ", "6", seed=13),
        # normal: no list of regions
        _image(folder, "20586986", second, "R", "MLO", "1", "1", seed=14),
        "removed;removed;R;CC;201001;20587000;2;2",
    ]
    (folder / "INbreast.csv").write_text("\n".join((HEADING, *rows)) + "\n")
    _regions(folder, "20586908", [("Mass", _ring(30, 40, 8)), ("Spiculated Region", _ring(32, 41, 14))])
    _regions(
        folder,
        "20586934",
        [("Mass", _ring(30, 50, 6)), ("Calcification", [(5.0, 5.0)]), ("Cluster", _ring(50, 70, 5))],
    )
    # two masses; "Espiculated Region" lies elsewhere; a mass of one corner
    _regions(
        folder,
        "20586960",
        [
            ("Mass", _ring(20, 20, 6)),
            ("mass", _ring(40, 70, 6)),
            ("Espiculated Region", _ring(60, 40, 4)),
            ("Mass", [(1.0, 2.0)]),
        ],
    )
    return TRUTH


def _image(
    folder: Path, number: str, patient: str, side: str, view: str, acr: str, birads: str, *, seed: int
) -> str:
    path = folder / "AllDICOMs" / f"{number}_{patient}_MG_{side}_{view}_ANON.dcm"
    write_file(path, texture(seed), patient="removed", side=side, view=view)
    return f"removed;removed;{side};{view};201001;{number};{acr};{birads}"


def _ring(x: float, y: float, radius: float) -> list[tuple[float, float]]:
    """A star about a point: no ellipse, which would count as drawn with two clicks."""
    return [
        (x + radius * (0.7 + 0.3 * (k % 2)) * math.cos(k * math.pi / 6),
         y + radius * (0.7 + 0.3 * (k % 2)) * math.sin(k * math.pi / 6))
        for k in range(12)
    ]  # fmt: skip


def _regions(folder: Path, number: str, regions: list[tuple[str, list[tuple[float, float]]]]) -> None:
    found = [
        {
            "Area": 1.0,
            "Center": "(1.0, 2.0, 0.0)",
            "IndexInImage": k,
            "Name": name,
            "NumberOfPoints": len(points),
            "Point_mm": [f"({x * 0.07}, {y * 0.07}, 0.0)" for x, y in points],
            "Point_px": [f"({x}, {y})" for x, y in points],
            "Type": 15,
        }
        for k, (name, points) in enumerate(regions)
    ]
    picture = {"ImageIndex": 0, "NumberOfROIs": len(found), "ROIs": found}
    path = folder / "AllXML" / f"{number}.xml"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(plistlib.dumps({"Images": [picture]}))
