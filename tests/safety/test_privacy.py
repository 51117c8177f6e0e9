"""B-18 and B-20: who is in the pictures reaches nothing that the program writes, whatever it is used for."""

from __future__ import annotations

import csv
import re
import shutil
import socket
import warnings
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from pydicom.datadict import DicomDictionary
from pydicom.dataset import Dataset

from core.cli.main import run_command_line
from core.imaging.reader import read_image
from tests.core.imaging.samples import dataset
from tests.trained_study import TINY

WORD = "KANARIE"
KEYWORDS = (
    *("PatientName", "OtherPatientIDs", "PatientAddress", "PatientTelephoneNumbers", "PatientMotherBirthName"),
    *("AccessionNumber", "StudyID", "InstitutionName", "InstitutionAddress", "InstitutionalDepartmentName"),
    *("ReferringPhysicianName", "OperatorsName", "PerformingPhysicianName", "RequestingPhysician", "StationName"),
    *("DeviceSerialNumber", "StudyDescription", "SeriesDescription", "ProtocolName", "PatientComments"),
    *("ImageComments", "AdditionalPatientHistory", "EthnicGroup", "Occupation"),
)
UID = "1.2.826.77.4242424242"
BIRTH = "19470713"
NUMBERS = (UID, BIRTH)


def stained(path: Path, number: int) -> None:
    """Put a word of its own into every place of a DICOM file that may say who is in it."""
    found = pydicom.dcmread(path)
    for keyword in KEYWORDS:
        setattr(found, keyword, f"{WORD}{keyword[:9]}{number}"[:16])
    found.PatientID = f"{WORD}ID{number // 2}"
    found.PatientBirthDate = BIRTH
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        setattr(found, keyword, f"{UID}.{number}")
    found.private_block(0x0009, f"{WORD} PRIVATE", create=True).add_new(1, "LO", f"{WORD}INPRIVATE")
    nested = Dataset()
    nested.PatientName = f"{WORD}NESTED"
    found.ReferencedPatientSequence = [nested]

    found.add_new((0x6000, 0x0022), "LO", f"{WORD}OVERLAY")
    found.add_new((0x6000, 0x3000), "OW", f"{WORD}OVERLAYBITS".encode().ljust(32))
    found.add_new((0x5000, 0x3000), "OW", f"{WORD}CURVE".encode().ljust(16))
    found.add_new((0x0042, 0x0011), "OB", f"{WORD}DOCUMENT".encode().ljust(16))
    found.preamble = f"{WORD}PREAMBLE".encode().ljust(128, b"\0")
    found.save_as(path)


def stained_png(path: Path) -> None:
    info = PngInfo()
    info.add_text("Comment", f"{WORD}PNGTEXT")
    info.add_itxt("Author", f"{WORD}PNGITXT", zip=False)
    picture = Image.fromarray(np.random.default_rng(1).integers(0, 255, (480, 440)).astype(np.uint8))
    exif = picture.getexif()
    exif[0x010E] = f"{WORD}EXIF"
    out = BytesIO()
    picture.save(out, "PNG", pnginfo=info, exif=exif)
    path.write_bytes(out.getvalue() + f"{WORD}AFTER".encode())


@pytest.fixture
def source(synthetic_source: Path, tmp_path: Path) -> Path:
    """The phantom's files and a PNG, with canaries in every header, in names and in identifiers."""
    folder = tmp_path / "in" / "mammograms"
    shutil.copytree(synthetic_source, folder)
    with (folder / "lesions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    names: dict[str, str] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number, path in enumerate(sorted((folder / "images").iterdir())):
            stained(path, number)
            moved = path.with_name(f"{WORD}FILE{number}.dcm")
            path.rename(moved)
            names[path.name] = f"images/{moved.name}"
    for row in rows:
        row["image"] = names[Path(row["image"]).name]
        row["patient_id"] = f"{WORD}{row['patient_id']}"
    stained_png(folder / "images" / f"{WORD}.png")
    rows.append(
        {
            **rows[0],
            "image": f"images/{WORD}.png",
            "patient_id": f"{WORD}PNG",
            "fine": "",
            "outline": rows[0]["outline"],
        }
    )
    with (folder / "lesions.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder


def traces(*roots: Path) -> list[str]:
    """Every place below the roots, in a name or in bytes of any of three encodings, that holds a canary."""
    words = [word.encode(code) for word in (WORD, *NUMBERS) for code in ("utf-8", "utf-16-le", "utf-16-be")]
    found = []
    for path in (p for root in roots for p in root.rglob("*")):
        content = path.read_bytes() if path.is_file() else b""
        if WORD in path.name or any(word in content for word in words):
            found.append(str(path))
    return found


def run(*arguments: str | Path) -> None:
    assert run_command_line([*map(str, arguments), "--quiet"]) == 0, arguments


def test_no_canary_leaves_the_original_files(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Every command of the command line on one study; B-22: and no socket is opened."""
    for place in ("TMPDIR", "HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"):
        (tmp_path / "home" / place).mkdir(parents=True)
        monkeypatch.setenv(place, str(tmp_path / "home" / place))

    def no_network(*arguments: Any) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", no_network)
    study, out = tmp_path / "study", tmp_path / "out"
    assert traces(source), "the canaries are not where they should be"
    run("study", "create", study)
    run("import", study, source)
    run("study", "show", study)
    run("split", study, "--fractions", 0.5, 0.25, 0.25)
    run("train", study, "--name", "tiny", *(part for change in TINY for part in ("--set", change)))
    run("evaluate", study, "tiny", "--draws", 20)
    run("explain", study, "tiny", "--out", out / "pages")
    run("prototypes", study, "tiny")
    run("prune", study, "tiny", 1, "--reason", "test")
    for layout in ("png", "coco", "authors", "nifti", "csv", "seg", "gsps"):
        preset = ("--preset", "compact") if layout == "authors" else ()
        run("export", study, "--format", layout, *preset, "--out", out / layout)
    run("export", study, "--format", "sr", "--run", "tiny", "--out", out / "sr")
    run("export", study, "--format", "model", "--run", "tiny", "--out", out / "model")
    run("deidentify", source / "images", "--study", study, "--out", out / "clean")
    run("backup", study, out / "backup.zip")
    run("restore", out / "backup.zip", out / "restored")
    run("check", study)
    assert run_command_line(["import", str(study), str(source), "--skip-bad-rows", "--quiet"]) == 0
    printed = "".join(capfd.readouterr())
    # what was printed names files, which a person must find again, and nothing else of the originals
    assert not re.search(rf"{WORD}(?!FILE\d+\.dcm|\.png)", printed), printed
    assert not any(number in printed for number in NUMBERS)
    assert traces(study, out, tmp_path / "home") == []


ALLOWED = {
    *("Manufacturer", "ManufacturerModelName", "WindowCenterWidthExplanation", "LUTExplanation"),
    # told apart from the picture: these go to the encrypted identity file or nowhere
    *("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber"),
    *("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "StudyID"),
}
_TEXTS = {"AE", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"}


def test_of_every_text_of_the_standard_only_the_listed_ones_are_read(tmp_path: Path) -> None:
    """All of the dictionary that is text; what is not read needs no profile (PS3.15 E.1-1) to remove it."""
    found = dataset(tmp_path)
    words: dict[str, str] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for tag, (vr, _, _, _, keyword) in DicomDictionary.items():
            if vr in _TEXTS and keyword and tag > 0x00080005 and keyword not in found:
                words[keyword] = f"K{tag:08X}"
                found.add_new(tag, vr, words[keyword])
        for keyword in ("Manufacturer", "PatientName", "PatientID", "AccessionNumber"):
            words[keyword] = f"K-{keyword[:12]}"
            setattr(found, keyword, words[keyword])
        found.save_as(tmp_path / "full.dcm")
    image = read_image(tmp_path / "full.dcm")
    assert len(words) > 700
    values = {name: str(getattr(image, name)) for name in image.__struct_fields__ if name != "pixels"}
    values["identity"] = str({name: getattr(image.identity, name) for name in image.identity.__struct_fields__})
    read = {keyword for keyword, word in words.items() if any(word in value for value in values.values())}
    assert read <= ALLOWED
    assert {"Manufacturer", "PatientName"} <= read
