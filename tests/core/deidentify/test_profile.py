"""Check 3: every row of PS3.15 Table E.1-1 is obeyed on a file with every attribute filled."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from core.deidentify.child import deidentify_file
from core.deidentify.files import REPORT, deidentify_files
from core.deidentify.options import BlackOut, Dates, Keyed, Options
from core.deidentify.profile import Action, basic_profile, rule_of
from core.domain.errors import StudyError
from core.domain.events import Message
from core.imaging.decoded import RefusedImageError
from tests.core.deidentify.full import CANARY, DATE, UID, fill, uid
from tests.core.imaging.samples import Encoding, dataset, mammogram, save, texture

SECRET = b"0123456789abcdef0123456789abcdef"
OPTIONS = Options(secret=SECRET)
SHIFTED = Options(secret=SECRET, dates=Dates.SHIFTED, keep_characteristics=True)


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once: it has 5,000 attributes and is read only."""
    folder = tmp_path_factory.mktemp("full")
    found = dataset(folder)
    assert fill(found) > 4_500
    path = folder / "full.dcm"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found.save_as(path)
    return path


def cleaned(path: Path, options: Options = OPTIONS) -> tuple[Dataset, bytes]:
    """The de-identified file, beside the original."""
    key = (path, str(msgspec.structs.asdict(options)))
    if key not in _DONE:
        _DONE[key] = _cleaned(path, options)
    return _DONE[key]


_DONE: dict[tuple[Path, str], tuple[Dataset, bytes]] = {}


def _cleaned(path: Path, options: Options) -> tuple[Dataset, bytes]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        content = deidentify_file(path, options).content
    target = path.with_name(f"cleaned-{path.name}")
    target.write_bytes(content)
    return pydicom.dcmread(target), content


def test_the_table_is_whole() -> None:
    """655 rows of the edition and the one of private attributes, in the codes of the standard."""
    profile = basic_profile()
    assert len(profile) == 656
    assert {rule.code for rule in profile.values()} == {
        *("X", "Z", "D", "U", "X/Z", "X/D", "Z/D", "X/Z/D", "X/Z/U*")
    }
    by_hand = {
        *((0x00080050, "Z"), (0x00080018, "U"), (0x00100010, "Z"), (0x00100020, "Z/D"), (0x00101010, "X")),
        *((0x0018700A, "X/D"), (0x00081030, "X"), (0x00080080, "X/Z/D"), (0x00181000, "X/Z/D")),
        *((0x60003000, "X"), (0x601E3000, "X"), (0x50103000, "X"), (0x00090010, "X"), (0x00081140, "X/Z/U*")),
    }
    assert {(tag, rule.code if (rule := rule_of(tag)) else None) for tag, _ in by_hand} == by_hand
    assert rule_of(0x00080060) is None


def test_every_row_is_obeyed(full: Path) -> None:
    before = pydicom.dcmread(full)
    after, _ = cleaned(full)
    judged = 0
    for tag, rule in basic_profile().items():
        if "x" in tag or tag == "private":
            assert not [e.tag for e in after if rule_of(e.tag) == rule]
            judged += 1
            continue
        number = int(tag, 16)
        if number >> 16 <= 0x0002:
            assert bool(number not in after)
            judged += 1
            continue
        assert bool(number in before), f"{tag} was not filled"
        assert obeys(rule.action, after.get(number), before[number].value), f"{tag} {rule.code} {rule.name}"
        judged += 1
    assert judged == 656


def obeys(action: Action, found: Any, original: Any) -> bool:
    match action:
        case Action.REMOVE:
            return found is None
        case Action.EMPTY:
            if found.tag in (0x00100010,):
                return Keyed(SECRET).made_pseudonym(str(found.value))
            return found.is_empty
        case Action.DUMMY:
            return not found.is_empty and found.value != original
        case Action.UID:
            if found.VR == "SQ":
                return all(i.SOPInstanceUID.startswith("2.25.") for i in found.value)
            return found.value == Keyed(SECRET).uid(original) != original


def test_no_canary_is_left_in_any_byte(full: Path) -> None:
    content = full.read_bytes()
    assert content.count(CANARY.encode()) > 2_000
    after, content = cleaned(full)
    left = [e.keyword for e in after.iterall() if CANARY in str(e.value) and rule_of(e.tag) is not None]
    assert left == []
    # what the table does not name may stay: none of it is in the rows, in private groups, curves or overlays
    kept = {
        e.tag for e in after if CANARY in str(e.value) or (e.VR in ("OB", "OW") and CANARY.encode() in e.value)
    }
    assert all(rule_of(tag) is None and not tag.is_private for tag in kept)
    assert b"PREAMBLE" not in content
    assert b"INPRIVATE" not in content
    assert b"OVERLAY" not in content


def test_the_methods_are_written(full: Path) -> None:
    after, _ = cleaned(full)
    assert after.PatientIdentityRemoved == "YES"
    assert [c.CodeValue for c in after.DeidentificationMethodCodeSequence] == ["113100"]
    assert after.LongitudinalTemporalInformationModified == "REMOVED"
    after, _ = cleaned(full, SHIFTED)
    assert [c.CodeValue for c in after.DeidentificationMethodCodeSequence] == ["113100", "113107", "113108"]
    assert after.LongitudinalTemporalInformationModified == "MODIFIED"


def test_dates_can_be_shifted_alike_and_old_age_is_capped(full: Path) -> None:
    after, _ = cleaned(full, SHIFTED)
    assert after.StudyDate == after.AcquisitionDate == after.ContentDate != DATE
    assert after.AcquisitionDateTime[:8] == after.StudyDate
    assert after.PatientAge == "090Y"
    assert "PatientBirthDate" in after
    assert after.PatientBirthDate == ""
    assert after.PatientSize == 4242


def test_uids_are_the_same_across_files_and_references(tmp_path: Path) -> None:
    first = dataset(tmp_path, StudyInstanceUID=f"{UID}.1", SOPInstanceUID=f"{UID}.2")
    second = dataset(tmp_path, StudyInstanceUID=f"{UID}.1", SOPInstanceUID=f"{UID}.3")
    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = second.SOPClassUID, f"{UID}.2"
    second.SourceImageSequence = [reference]
    a, _ = cleaned(save(first, tmp_path / "a.dcm"))
    b, _ = cleaned(save(second, tmp_path / "b.dcm"))
    assert a.StudyInstanceUID == b.StudyInstanceUID
    assert b.SourceImageSequence[0].ReferencedSOPInstanceUID == a.SOPInstanceUID != b.SOPInstanceUID
    assert a.file_meta.MediaStorageSOPInstanceUID == a.SOPInstanceUID
    assert a.SOPClassUID == first.SOPClassUID
    assert a.PatientID == b.PatientID == Keyed(SECRET).pseudonym("P-1")
    other = Options(secret=SECRET[::-1])
    c, _ = cleaned(tmp_path / "a.dcm", other)
    assert (c.StudyInstanceUID, c.PatientID) != (a.StudyInstanceUID, a.PatientID)


@pytest.mark.parametrize("dates", list(Dates))
def test_a_second_time_changes_nothing(tmp_path: Path, dates: Dates) -> None:
    path = save(dataset(tmp_path, StudyDate=DATE, InstitutionName=CANARY), tmp_path / "once.dcm")
    options = Options(secret=SECRET, dates=dates)
    _, once = cleaned(path, options)
    _, twice = cleaned(path.with_name("cleaned-once.dcm"), options)
    assert once == twice


@pytest.mark.parametrize("encoding", list(Encoding))
def test_the_picture_stays_to_the_bit(tmp_path: Path, encoding: Encoding) -> None:
    from core.imaging.reader import read_image

    path = mammogram(tmp_path, encoding=encoding)
    cleaned(path)
    np.testing.assert_array_equal(read_image(path.with_name(f"cleaned-{path.name}")).pixels, texture())


def test_comments_in_codestreams_and_overlays_in_unused_bits_are_removed(tmp_path: Path) -> None:
    from pydicom.encaps import encapsulate, generate_frames

    found = pydicom.dcmread(mammogram(tmp_path, encoding=Encoding.JPEG_LOSSLESS))
    frame = next(generate_frames(found.PixelData, number_of_frames=1))
    text = f"{CANARY}INJPEG".encode()
    comment = b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text
    found.PixelData = encapsulate([frame[:2] + comment + frame[2:]])
    found.save_as(tmp_path / "comment.dcm")
    _, content = cleaned(tmp_path / "comment.dcm")
    assert CANARY.encode() not in content
    plain = dataset(tmp_path)
    values = np.frombuffer(plain.PixelData, "<u2") | 0x8000
    plain.PixelData = values.tobytes()
    after, _ = cleaned(save(plain, tmp_path / "bits.dcm"))
    np.testing.assert_array_equal(np.frombuffer(after.PixelData, "<u2"), values & 0x0FFF)


def test_a_rectangle_is_blacked_out_where_the_rule_applies(tmp_path: Path) -> None:
    path = save(dataset(tmp_path, BurnedInAnnotation="YES", Manufacturer="ACME Imaging"), tmp_path / "burned.dcm")
    rule = BlackOut(left=5, top=3, right=20, bottom=9, manufacturer="acme", rows=61)
    after, _ = cleaned(path, Options(secret=SECRET, black_out=(rule,)))
    expected = texture()
    expected[3:9, 5:20] = 0
    np.testing.assert_array_equal(after.pixel_array, expected)
    assert after.BurnedInAnnotation == "NO"
    assert "113101" in [c.CodeValue for c in after.DeidentificationMethodCodeSequence]
    elsewhere = BlackOut(left=5, top=3, right=20, bottom=9, manufacturer="OTHER")
    after, _ = cleaned(path, Options(secret=SECRET, black_out=(elsewhere,)))
    np.testing.assert_array_equal(after.pixel_array, texture())
    assert after.BurnedInAnnotation == "YES"
    assert "113101" not in [c.CodeValue for c in after.DeidentificationMethodCodeSequence]


def test_deep_nesting_is_refused(tmp_path: Path) -> None:
    found = dataset(tmp_path)
    inner = Dataset()
    for _ in range(40):
        outer = Dataset()
        outer.ReferencedImageSequence = [inner]
        inner = outer
    found.ReferencedImageSequence = [inner]
    path = save(found, tmp_path / "deep.dcm")
    with pytest.raises(RefusedImageError, match="32 levels"):
        deidentify_file(path, OPTIONS)


def test_a_folder_is_written_under_names_of_our_own_with_a_report_without_values(tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    found = dataset(tmp_path, PatientComments=CANARY, SOPInstanceUID=uid(0x00080018))
    found.private_block(0x0009, f"{CANARY} PRIVATE", create=True).add_new(1, "LO", CANARY)
    save(found, source / f"{CANARY}.dcm")
    (source / "notes.txt").write_text(CANARY)
    said: list[Any] = []
    report = deidentify_files(sorted(source.iterdir()), out, OPTIONS, emit=said.append)
    assert (len(report.files), report.refused) == (1, 1)
    assert [m.text for m in said if isinstance(m, Message)] == ["notes.txt is not a DICOM file. It was left out."]
    written = out / report.files[0].name
    assert pydicom.dcmread(written).SOPInstanceUID == Keyed(SECRET).uid(uid(0x00080018))
    text = (out / REPORT).read_text()
    assert CANARY not in text
    assert UID not in text
    assert CANARY not in str(written)
    done = report.files[0].report
    assert done is not None
    assert done.private == 2
    assert done.removed == {"Patient Comments": 1, "WindowCenterWidthExplanation": 1}
    with pytest.raises(StudyError, match="not empty"):
        deidentify_files(sorted(source.iterdir()), out, OPTIONS)
