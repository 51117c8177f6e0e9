"""CBIS-DDSM as downloaded: tables with the published headings, folders named after image and abnormality."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from core.domain.vocabulary import MarginType, Pathology
from tests.core.data.importers.replicas.files import COLUMNS, ROWS, disc, texture, write_file
from tests.core.data.importers.replicas.truth import Truth

MASS = (
    "patient_id,breast_density,left or right breast,image view,abnormality id,abnormality type,mass shape,"
    "mass margins,assessment,pathology,subtlety,image file path,cropped image file path,ROI mask file path"
)
CALC = (
    "patient_id,breast density,left or right breast,image view,abnormality id,abnormality type,calc type,"
    "calc distribution,assessment,pathology,subtlety,image file path,cropped image file path,ROI mask file path"
)
STUDY = "1.3.6.1.4.1.9590.100.1.2.1"

TRUTH = Truth(
    patients=4,
    images=5,
    lesions=5,
    margins=Counter({MarginType.SPICULATED: 1, MarginType.INDISTINCT: 1, MarginType.CIRCUMSCRIBED: 2, None: 1}),
    pathology=Counter({Pathology.MALIGNANT: 3, Pathology.BENIGN: 1, None: 1}),
    said=(
        "cut-out and its mask are swapped",
        "several margins (microlobulated, spiculated)",
        "drawn on a picture of 36 x 48 pixels and is scaled",
        "with different proportions",
        "The folder of its mammogram is missing",
        "A calcification, not a mass",
        "Its mask has 2 regions",
    ),
)


def build(folder: Path) -> Truth:
    images = folder / "CBIS-DDSM"
    train = [
        # patient 1: the same mass in two views; the second with its files swapped
        _case(images, "P_00001", "LEFT", "CC", 1, "IRREGULAR", "SPICULATED", "MALIGNANT", seed=1),
        _case(images, "P_00001", "LEFT", "MLO", 1, "IRREGULAR", "ILL_DEFINED", "MALIGNANT", seed=2, swapped=True),
        # two abnormalities in one film; the second mask is of half the size
        _case(images, "P_00002", "RIGHT", "CC", 1, "OVAL", "CIRCUMSCRIBED", "BENIGN", seed=3, specks=True),
        _case(
            images, "P_00002", "RIGHT", "CC", 2, "LOBULATED", "CIRCUMSCRIBED", "BENIGN_WITHOUT_CALLBACK",
            seed=3, mask_size=(ROWS // 2, COLUMNS // 2),
        ),
        # its film was not downloaded
        _row("P_00003", "LEFT", "CC", 1, "ROUND", "OBSCURED", "BENIGN"),
    ]  # fmt: skip
    test = [
        # several margins in one field
        _case(images, "P_00004", "LEFT", "CC", 1, "OVAL", "MICROLOBULATED-SPICULATED", "MALIGNANT", seed=4),
        # a mask with different proportions fits nowhere
        _case(images, "P_00005", "LEFT", "CC", 1, "OVAL", "OBSCURED", "BENIGN", seed=5, mask_size=(ROWS, ROWS)),
    ]
    test = [row.replace("Mass-Training", "Mass-Test") for row in test]
    for found in sorted(images.glob("Mass-Training_P_0000[45]*")):
        found.rename(found.with_name(found.name.replace("Training", "Test")))
    _write(folder / "mass_case_description_train_set.csv", MASS, train)
    _write(folder / "mass_case_description_test_set.csv", MASS, test)
    calc = _row("P_00009", "LEFT", "CC", 1, "PLEOMORPHIC", "CLUSTERED", "MALIGNANT").replace("Mass", "Calc")
    _write(folder / "calc_case_description_train_set.csv", CALC, [calc])
    return TRUTH


def _write(path: Path, heading: str, rows: list[str]) -> None:
    path.write_text("\n".join((heading, *rows)) + "\n", newline="")


def _name(patient: str, side: str, view: str) -> str:
    return f"Mass-Training_{patient}_{side}_{view}"


def _row(patient: str, side: str, view: str, number: int, shape: str, margins: str, pathology: str) -> str:
    name = _name(patient, side, view)
    film = f"{name}/{STUDY}.1/{STUDY}.2/000000.dcm"
    crop = f"{name}_{number}/{STUDY}.3/{STUDY}.4/000000.dcm"
    # the last path of a row ends in a newline within its quotes
    mask = f'"{name}_{number}/{STUDY}.3/{STUDY}.5/000001.dcm\n"'
    words = (patient, 3, side, view, number, "mass", shape, margins, 4, pathology, 4, film, crop, mask)
    return ",".join(str(word) for word in words)


def _case(
    images: Path, patient: str, side: str, view: str, number: int, shape: str, margins: str, pathology: str,
    *, seed: int, swapped: bool = False, specks: bool = False, mask_size: tuple[int, int] = (ROWS, COLUMNS),
) -> str:  # fmt: skip
    """The files of one abnormality, and its row."""
    name = _name(patient, side, view)
    letter = side[0]
    film = images / name / f"{STUDY}.1" / f"{STUDY}.2" / "1-1.dcm"
    if not film.exists():
        # the header names the image where it should name the patient
        write_file(film, texture(seed), patient=name, side=letter, view=view)
    rows, columns = mask_size
    scale = rows / ROWS
    mask = disc(rows, columns, (20 + 20 * (number - 1)) * scale, 40 * scale, 9 * scale)
    if specks:
        mask |= disc(rows, columns, 60, 80, 4)
    crop = texture(100 + seed, 20, 20)
    place = images / f"{name}_{number}" / f"{STUDY}.3" / f"{STUDY}.5"
    first, second = (mask, crop) if swapped else (crop, mask)
    write_file(place / "000000.dcm", first, patient=f"{name}_{number}", side=letter, view=view)
    write_file(place / "000001.dcm", second, patient=f"{name}_{number}", side=letter, view=view)
    return _row(patient, side, view, number, shape, margins, pathology)
