"""Mini-MIAS (Suckling et al. 1994): 1024 x 1024 film mammograms at 200 um, one table ``Info.txt``.

Columns: reference number, background tissue, class of abnormality, severity, x, y and radius of a circle, the
origin at the bottom left. Films 2k - 1 and 2k are one patient; the table has them even left, odd right.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from core.data.importers.plan import ImportPlan, Issue, PlannedImage, PlannedLesion, Severity, refuse_wrong
from core.domain.errors import BadFileError
from core.domain.messages import Sentence, message
from core.domain.shapes import Ellipse, Role
from core.domain.study import Labels
from core.domain.vocabulary import Laterality, MarginType, Pathology, ViewPosition

SOURCE = "mini-MIAS"
SIZE = 1024
SPACING_MM = 0.2

_MARGINS = {
    "CIRC": MarginType.CIRCUMSCRIBED,
    "SPIC": MarginType.SPICULATED,
    # "Other, ill-defined masses": the nearest word of BI-RADS
    "MISC": MarginType.INDISTINCT,
}
_OTHERS = {"CALC": "calcification", "ARCH": "architectural distortion", "ASYM": "asymmetry"}
_SEVERITY = {"B": Pathology.BENIGN, "M": Pathology.MALIGNANT}
_ROW = re.compile(r"^(mdb(\d{3}))\s+([FGD])\s+([A-Z]{4})(?:\s+([BM]))?(?:\s+(\d+)\s+(\d+)\s+(\d+))?\s*(\*.*)?$")


@dataclass(frozen=True, kw_only=True)
class _Row:
    where: str
    name: str
    number: int
    kind: str
    severity: str
    circle: tuple[int, int, int] | None


def read_mini_mias(folder: Path, *, skip_bad_rows: bool = False) -> ImportPlan:
    """The films that are in the folder, with the masses that have a circle.

    BadFileError where there is no ``Info.txt``; BadTableError where a row cannot be read.
    """
    table = folder / "Info.txt"
    if not table.is_file():
        raise BadFileError(
            message(
                "{folder} has no Info.txt, the table of mini-MIAS; choose the folder that holds it.", folder=folder
            )
        )
    rows, issues = _rows(table.read_text(encoding="latin-1"))
    refuse_wrong(issues, table, skip=skip_bad_rows)
    films: dict[str, list[_Row]] = {}
    for row in rows:
        films.setdefault(row.name, []).append(row)
    if not films:
        raise BadFileError(message("{table} lists no film; it is not the table of mini-MIAS.", table=table))
    there = {path.stem.lower(): path for path in sorted(folder.iterdir()) if path.suffix.lower() == ".pgm"}
    missing = sum(name not in there for name in films)
    if missing:
        issues.append(
            _issue(
                "",
                message(
                    "{count} of the {total} films that Info.txt lists are not in the folder.",
                    count=missing,
                    total=len(films),
                ),
            )
        )
    images = [_image(there[name], of_film, issues) for name, of_film in films.items() if name in there]
    if any(row.kind == "MISC" for name, of_film in films.items() if name in there for row in of_film):
        sentence = message(
            "The class MISC (other, ill-defined masses) is imported as the margin indistinct, its nearest."
        )
        issues.append(_issue("", sentence))
    return ImportPlan(source=SOURCE, images=tuple(images), issues=tuple(issues))


def _issue(where: str, sentence: Sentence, severity: Severity = Severity.NOTE) -> Issue:
    return Issue(where=where, sentence=sentence, severity=severity)


def _rows(text: str) -> tuple[list[_Row], list[Issue]]:
    rows: list[_Row] = []
    issues: list[Issue] = []
    for line_number, line in enumerate(text.splitlines(), start=1):
        if not line.lower().startswith("mdb"):
            continue
        where = f"row {line_number}"
        match = _ROW.match(line.strip())
        if match is None or match[4] not in {*_MARGINS, *_OTHERS, "NORM"}:
            sentence = message(
                "{line!r} is not a row of mini-MIAS (number, tissue, class, severity, circle).",
                line=line.strip()[:60],
            )
            issues.append(_issue(where, sentence, Severity.WRONG))
            continue
        circle = (int(match[6]), int(match[7]), int(match[8])) if match[6] else None
        rows.append(
            _Row(
                where=where,
                name=match[1],
                number=int(match[2]),
                kind=match[4],
                severity=match[5] or "",
                circle=circle,
            )
        )
    return rows, issues


def _image(path: Path, rows: list[_Row], issues: list[Issue]) -> PlannedImage:
    number = rows[0].number
    first = number - (number + 1) % 2
    lesions = [lesion for row in rows if (lesion := _lesion(row, issues)) is not None]
    return PlannedImage(
        path=path,
        patient=f"mdb{first:03}-{first + 1:03}",
        laterality=Laterality.LEFT if number % 2 == 0 else Laterality.RIGHT,
        view=ViewPosition.MLO,
        spacing_mm=SPACING_MM,
        spacing_source="mini-MIAS: 200 um",
        lesions=tuple(lesions),
        where=rows[0].where,
    )


def _lesion(row: _Row, issues: list[Issue]) -> PlannedLesion | None:
    if row.kind == "NORM":
        return None
    if row.kind in _OTHERS:
        sentence = message(
            "{row} shows {others}, not a mass; the film is imported without it.",
            row=row.name,
            others=_OTHERS[row.kind],
        )
        issues.append(_issue(row.where, sentence, Severity.LEFT_OUT))
        return None
    if row.circle is None:
        sentence = message("The mass in {row} has no coordinates; the film is imported without it.", row=row.name)
        issues.append(_issue(row.where, sentence, Severity.LEFT_OUT))
        return None
    x, y, radius = row.circle
    if radius < 1 or x >= SIZE or y >= SIZE:
        sentence = message(
            "The circle of {row} ({x}, {y}, radius {radius}) lies outside the film.",
            row=row.name,
            x=x,
            y=y,
            radius=radius,
        )
        issues.append(_issue(row.where, sentence, Severity.LEFT_OUT))
        return None
    # column x and, counted from below, row y: their pixel's centre
    centre = (x + 0.5, SIZE - y - 0.5)
    return PlannedLesion(
        outline=Ellipse(centre=centre, radius_x=radius, radius_y=radius, role=Role.MARGIN),
        labels=Labels(
            margin=_MARGINS[row.kind],
            pathology=_SEVERITY.get(row.severity),
            comment="mini-MIAS class MISC (other, ill-defined)" if row.kind == "MISC" else "",
        ),
        where=row.where,
    )
