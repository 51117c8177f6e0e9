"""B-15 and B-16: names and preambles that mean harm. The study's files have names of its own."""

from __future__ import annotations

import json
import os
import re
import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest

from core.cli.main import run_command_line
from core.imaging.reader import read_image
from core.store.study import Study
from tests.core.imaging.samples import dataset, save, texture

NAMES = (
    *("../../../../etc/passwd", "/etc/passwd", "..\\..\\windows\\win.ini", "C:\\evil", "CON", "nul.txt", "a\0b"),
    *(
        "x" * 300,
        "\u202egpj.exe",
        "Жуков^Ы",
        "王^小東=王^小东=おう",
        "=cmd|'/C calc'!A0",
        "🩻^🦴",
        "~root",
        "$(touch x)",
    ),
    *(
        "$(touch x)",
        "`touch x`",
        "; touch x",
        "-rf",
        "\x1b]0;title\x07",
        "a\nb",
        "%s%n",
        "{0.__class__}",
        "' OR 1=1 --",
    ),
)
OWN = re.compile(
    r"pixels/[0-9a-f-]{36}\.h5|study\.db(-shm|-wal)?|derived/roi-cache-[0-9a-f]{8}-[0-9]{8}\.h5|study\.lock|holder\.json"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One mammogram a name: in every text of its header, and in the table."""
    source = tmp_path / "in"
    source.mkdir()
    lines = ["image,patient_id,margin,comment,x,y,radius"]
    for number, name in enumerate(NAMES):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = dataset(tmp_path, texture(seed=number))
            for keyword in ("PatientName", "PatientID", "StudyDescription", "AccessionNumber", "StudyID"):
                setattr(found, keyword, name.replace("\0", " "))
            for keyword in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
                # written as they are, whatever a UID may hold
                found[keyword].value = pydicom.uid.UID("../" + "9" * 40, validation_mode=0)
            found.SpecificCharacterSet = "ISO_IR 192"
            save(found, source / f"{number}.dcm")
        quoted = name.replace('"', '""').replace("\0", "")
        lines.append(f'{number}.dcm,"{quoted} {number}",spiculated,"{quoted}",20,20,9')
    (source / "lesions.csv").write_text("\n".join(lines), encoding="utf-8")
    return source


def places(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


def test_hostile_names_reach_no_path(folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    before = places(tmp_path)
    study = tmp_path / "study"
    assert run_command_line(["study", "create", str(study)]) == 0
    assert run_command_line(["import", str(study), str(folder), "--quiet", "--skip-bad-rows"]) == 0
    assert (
        run_command_line(["export", str(study), "--format", "png", "--out", str(tmp_path / "png"), "--quiet"]) == 0
    )
    output = "".join(capfd.readouterr())
    assert "\x1b" not in output and "\u202e" not in output
    with Study.open(study, writable=False) as opened:
        assert opened.images.count() >= len(NAMES) - 1
        # shown as they were written, in the reader's own words
        comments = {lesion.labels.comment for lesion in opened.lesions.all()}
    assert {"Жуков^Ы", "王^小東=王^小东=おう", "🩻^🦴"} <= comments
    for path in places(study):
        assert OWN.fullmatch(path), path
    for path in places(tmp_path / "png"):
        assert re.fullmatch(r"(lesion|fine)/[A-Z0-9a-z_-]+\.png|lesions\.csv|README\.txt", path), path
    outside = {p for p in places(tmp_path) - before if not p.startswith(("study/", "png/"))}
    assert outside == set()


def test_names_that_steer_a_terminal_are_shown_without_effect(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run_command_line(["study", "show", str(tmp_path / "\x1b]0;gone\x07\u202egpj\nb")]) == 1
    output = capfd.readouterr().err
    assert "\x1b" not in output and "\u202e" not in output and len(output.splitlines()) == 1


@pytest.mark.skipif(os.name == "nt", reason="names that are not Unicode exist on POSIX")
def test_a_file_name_that_is_no_text_is_no_obstacle(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "in"
    source.mkdir()
    pixels = texture(top=256).astype(np.uint8)
    (source / "lesions.csv").write_text("image,patient_id\na.pgm,1\n")
    for name in (b"a.pgm", b"\xff\xfe.pgm"):
        Path(os.fsdecode(os.fsencode(source) + b"/" + name)).write_bytes(b"P5\n47 61\n255\n" + pixels.tobytes())
    study = tmp_path / "study"
    assert run_command_line(["study", "create", str(study), "--quiet"]) == 0
    capfd.readouterr()
    assert run_command_line(["import", str(study), str(source), "--json", "--quiet"]) == 0
    assert json.loads(capfd.readouterr().out)["images"] == 1


@pytest.mark.parametrize("magic", [b"MZ\x90\0", b"\x7fELF", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe"])
def test_a_program_in_the_preamble_is_warned_of_and_goes_nowhere(tmp_path: Path, magic: bytes) -> None:
    """Nothing of an original file but its pixels and listed tags is ever stored, so that no copy can run."""
    source = tmp_path / "in"
    source.mkdir()
    path = save(dataset(tmp_path), source / "a.dcm")
    payload = b"THIS-PROGRAM-CANARY"
    path.write_bytes((magic + payload).ljust(128, b"\x90") + path.read_bytes()[128:])
    assert any("executable program" in warning for warning in read_image(path).warnings)
    (source / "lesions.csv").write_text("image,patient_id,margin,x,y,radius\na.dcm,1,spiculated,20,20,9\n")
    study = tmp_path / "study"
    assert run_command_line(["study", "create", str(study), "--quiet"]) == 0
    assert run_command_line(["import", str(study), str(source), "--quiet"]) == 0
    for layout in ("png", "coco"):
        out = str(tmp_path / "out" / layout)
        assert run_command_line(["export", str(study), "--format", layout, "--out", out, "--quiet"]) == 0
    for root in (study, tmp_path / "out"):
        assert not [p for p in places(root) if payload in (root / p).read_bytes()]
