"""CBIS-DDSM (Lee et al. 2017, doi 10.7937/K9/TCIA.2016.7O02S9CY): digitised film with masks of the lesions.

``mass_case_description_train_set.csv`` and ``..._test_set.csv`` have a row per abnormality in an image, with the
paths of the mammogram, of a cut-out and of a mask. They are read with these peculiarities:

- The last path of a row ends in a newline inside its quotes.
- The paths of the files are wrong: the folder of an image or abnormality
  (``Mass-Training_P_00001_LEFT_CC_1``) is the same, the names below it depend on the program that downloaded them.
- Cut-out and mask lie in one folder and are often swapped. The pixels show which is which: a mask has two values.
- Some masks have another size than their mammogram. The outline is scaled to the mammogram where the shapes agree,
  else the lesion is left out (``core.data.importers.importing``).
- Patient ID in the files' headers names the image, not the patient; the tables' ``patient_id`` is followed.
- ``mass margins`` may hold several words, joined by ``-``.

The popular copy as JPEG has its tables in ``csv`` and its files in ``jpeg/<series UID>``; ``csv/dicom_info.csv``
gives the folder's old name and the content of each file. Its masks are lossy: grey values near black and near
white count as black and white.

The tables of calcifications (``calc_...``) are recognised and left out. No file has a pixel spacing. The outlines
come from an automatic segmentation, so no fine annotation is derived from them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.importers.contours import mask_outline
from core.data.importers.plan import ImportPlan, PlannedImage, PlannedLesion, refuse_wrong
from core.data.importers.table import Row, read_table
from core.data.importers.words import ILL_DEFINED, Notes, category, composition, one_margin
from core.domain.errors import BadFileError
from core.domain.messages import message, sentence_of, verbatim
from core.domain.study import Labels
from core.domain.vocabulary import Laterality, MarginType, MassShape, Pathology, ViewPosition

SOURCE = "CBIS-DDSM"
MASSES = ("mass_case_description_train_set.csv", "mass_case_description_test_set.csv")
CALCIFICATIONS = ("calc_case_description_train_set.csv", "calc_case_description_test_set.csv")

JPEG_COPY = "csv/dicom_info.csv"
_LOSSY, _NEAR_BLACK = 0.1, 16
"""Share of the pixels of a lossy mask that may be grey, and how far its ends may be from black and white."""

ReadMask = Callable[[Path], NDArray[Any]]
"""Decodes a foreign grey image file; the caller decides where (in a child process)."""

_REQUIRED = (
    "patient_id",
    "left or right breast",
    "image view",
    "abnormality id",
    "mass shape",
    "mass margins",
    "assessment",
    "pathology",
    "image file path",
    "roi mask file path",
)
_SIDES = {"LEFT": Laterality.LEFT, "RIGHT": Laterality.RIGHT}
_VIEWS = {"CC": ViewPosition.CC, "MLO": ViewPosition.MLO}
_SHAPES = {shape.name: shape for shape in MassShape}
_MARGINS = {margin.name: margin for margin in MarginType} | {"ILL_DEFINED": ILL_DEFINED}
_PATHOLOGY = {
    "MALIGNANT": Pathology.MALIGNANT,
    "BENIGN": Pathology.BENIGN,
    # judged benign without a biopsy or any further picture
    "BENIGN_WITHOUT_CALLBACK": None,
}


@dataclass(kw_only=True)
class _Film:
    """One mammogram, gathered from the rows of its abnormalities."""

    path: Path
    row: Row
    lesions: list[PlannedLesion]


def read_cbis_ddsm(folder: Path, *, read_mask: ReadMask, skip_bad_rows: bool = False) -> ImportPlan:
    """The mammograms of the tables of masses that are in the folder, with their masses.

    BadFileError where there is no such table; BadTableError names the first wrong row.
    """
    tables = _tables(folder, MASSES)
    if not tables:
        raise BadFileError(
            message(
                "{folder} has no {table}; choose the folder that holds the tables of CBIS-DDSM.",
                folder=folder,
                table=MASSES[0],
            )
        )
    copy = folder / JPEG_COPY
    files = _files_of_copy(folder, copy) if copy.is_file() else _files_by_folder(folder)
    reader = _CbisDdsmTables(files, read_mask)
    for table in tables:
        for row in read_table(table, required=_REQUIRED):
            reader.take(row, f"{table.name}, {row.where}")
    for table in _tables(folder, CALCIFICATIONS):
        reader.pass_over(table)
    refuse_wrong(reader.notes.issues, None, skip=skip_bad_rows)
    images = tuple(_planned(film, where) for where, film in reader.films.items())
    return ImportPlan(source=SOURCE, images=images, issues=tuple(reader.notes.issues), folder=folder)


def _tables(folder: Path, names: tuple[str, ...]) -> list[Path]:
    """The tables of these names, in the folder or in ``csv`` in it."""
    places = [folder / place / name for place in ("", "csv") for name in names]
    return [path for path in places if path.is_file()]


def _files_of_copy(folder: Path, info: Path) -> dict[str, list[Path]]:
    """The files of the JPEG copy by the name that their folder has in the tables; masks go before cut-outs."""
    found: dict[str, list[tuple[bool, Path]]] = {}
    for row in read_table(info, required=("image_path", "PatientID")):
        parts = PurePosixPath(row["image_path"].replace("\\", "/")).parts
        start = parts.index("jpeg") if "jpeg" in parts else 0
        path = folder.joinpath(*parts[start:])
        if ".." not in parts and path.is_file():
            cut_out = "mask" not in row.get("SeriesDescription").lower()
            found.setdefault(row["PatientID"], []).append((cut_out, path))
    return {name: [path for _, path in sorted(files)] for name, files in found.items()}


def _files_by_folder(folder: Path) -> dict[str, list[Path]]:
    """The files below each folder of an image or abnormality, by the name of that folder."""
    found: dict[str, list[Path]] = {}
    for path in _dicom_files(folder):
        for part in path.relative_to(folder).parts[:-1]:
            if part.startswith(("Mass-", "Calc-")):
                found.setdefault(part, []).append(path)
                break
    return found


def _dicom_files(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders.sort()
        yield from (Path(place, name) for name in sorted(names) if name.lower().endswith(".dcm"))


class _CbisDdsmTables:
    def __init__(self, files: dict[str, list[Path]], read_mask: ReadMask) -> None:
        self.files = files
        self.read_mask = read_mask
        self.notes = Notes()
        self.films: dict[str, _Film] = {}
        """By the row that names the mammogram first."""
        self._where_of: dict[Path, str] = {}

    def take(self, row: Row, where: str) -> None:
        try:
            path = self._mammogram(row)
            known = self._where_of.setdefault(path, where)
            film = self.films.setdefault(known, _Film(path=path, row=row, lesions=[]))
            if film.row["patient_id"] != row["patient_id"]:
                raise ValueError(message("its mammogram has a different patient_id in {known}.", known=known))
        except ValueError as error:
            self.notes.wrong(where, sentence_of(error))
            return
        except _MissingError as missing:
            self.notes.left_out(where, message("{reason}; the row is left out.", reason=sentence_of(missing)))
            return
        try:
            film.lesions.append(self._lesion(row, where))
        except ValueError as error:
            self.notes.wrong(where, sentence_of(error))
        except (_MissingError, BadFileError) as missing:
            own = isinstance(missing, _MissingError)
            sentence = sentence_of(missing) if own else verbatim(str(missing).rstrip("."))
            self.notes.left_out(
                where, message("{reason}; the mammogram is imported without this mass.", reason=sentence)
            )

    def pass_over(self, table: Path) -> None:
        for row in read_table(table, required=("patient_id",)):
            self.notes.left_out(f"{table.name}, {row.where}", message("A calcification, not a mass, is left out."))

    def _mammogram(self, row: Row) -> Path:
        candidates = self._candidates(row, "image file path")
        if len(candidates) > 1:
            raise ValueError(
                message("{count} files could be its mammogram; remove those that are not.", count=len(candidates))
            )
        return candidates[0]

    def _candidates(self, row: Row, column: str) -> list[Path]:
        """The files that a path may mean: of its series, else all of its folder. _MissingError without any."""
        named = PurePosixPath(row.required(column).replace("\\", "/"))
        if len(named.parts) < 2:
            raise ValueError(message("the {column} {name!r} has no folder.", column=column, name=str(named)[:60]))
        files = self.files.get(named.parts[0], [])
        if not files:
            what = "mammogram" if column == "image file path" else "mask"
            raise _MissingError(message("The folder of its {what} is missing", what=what))
        of_series = [path for path in files if named.parts[-2] in path.parts]
        return of_series or files

    def _lesion(self, row: Row, where: str) -> PlannedLesion:
        margins = [word for word in row["mass margins"].split("-") if word not in ("", "N/A")]
        margin, doubt = one_margin(margins, _MARGINS)
        labels = Labels(
            margin=margin,
            shape=_SHAPES.get(row["mass shape"]),
            category=category(row["assessment"]),
            pathology=_pathology(row),
            comment=_comment(row),
        )
        mask = self._mask(row, where)
        outline, regions = mask_outline(mask)
        if outline is None:
            raise _MissingError(message("Its mask is empty"))
        if regions > 1:
            self.notes.note(
                where, message("Its mask has {regions} regions; the largest is used as the mass.", regions=regions)
            )
        if doubt:
            self.notes.note(where, message("Labels of the mass: {doubt}.", doubt=doubt))
        return PlannedLesion(
            outline=outline,
            drawn_on=(int(mask.shape[1]), int(mask.shape[0])),
            labels=labels,
            # the tables number the masses of a breast alike in both views
            finding=f"{row['left or right breast']} {row['abnormality id']}",
            where=where,
        )

    def _mask(self, row: Row, where: str) -> NDArray[np.uint8]:
        """The one of cut-out and mask that has two values, 255 within the lesion."""
        candidates = self._candidates(row, "roi mask file path")
        named = PurePosixPath(row["roi mask file path"]).name
        # in most downloads the mask is the file that the path names, or the last of its folder
        candidates = sorted(candidates, key=lambda path: (path.name == named, path.as_posix()), reverse=True)
        for place, path in enumerate(candidates):
            mask = _black_and_white(self.read_mask(path))
            if mask is not None:
                if place and candidates[0].name == named:
                    self.notes.note(
                        where, message("Its cut-out and its mask are swapped; their pixels told them apart.")
                    )
                return mask
        raise _MissingError(message("None of its files is a mask"))


def _black_and_white(pixels: NDArray[Any]) -> NDArray[np.uint8] | None:
    """255 within the lesion and 0 outside; None for a picture of more than two values.

    JPEG blurs the edge of a mask: up to a tenth of its pixels may be neither, if the rest is black and white.
    """
    low, high = int(pixels.min()), int(pixels.max())
    if low == high:
        return None
    margin = (high - low) / 8
    middle = ((pixels > low + margin) & (pixels < high - margin)).mean()
    exact = ((pixels == low) | (pixels == high)).all()
    if not exact and (middle > _LOSSY or low > _NEAR_BLACK or high < 255 - _NEAR_BLACK):
        return None
    return np.where(pixels > (low + high) / 2, 255, 0).astype(np.uint8)


class _MissingError(Exception):
    """Error for a file that was not downloaded; its sentence names the file, without a full stop."""


def _planned(film: _Film, where: str) -> PlannedImage:
    row = film.row
    return PlannedImage(
        path=film.path,
        patient=row["patient_id"],
        laterality=_SIDES.get(row["left or right breast"].upper()),
        view=_VIEWS.get(row["image view"].upper(), ViewPosition.OTHER),
        composition=composition(row.get("breast_density") or row.get("breast density")),
        lesions=tuple(film.lesions),
        where=where,
    )


def _pathology(row: Row) -> Pathology | None:
    word = row["pathology"]
    if word not in _PATHOLOGY:
        raise ValueError(
            message(
                "{word!r} is not a known pathology; use one of {known}.",
                word=word[:40],
                known=", ".join(_PATHOLOGY),
            )
        )
    return _PATHOLOGY[word]


def _comment(row: Row) -> str:
    """The data set's own words, of which the labels keep less."""
    words = {name: row.get(name) for name in ("mass shape", "mass margins", "pathology", "subtlety")}
    return "CBIS-DDSM: " + ", ".join(f"{name} {word}" for name, word in words.items() if word)
