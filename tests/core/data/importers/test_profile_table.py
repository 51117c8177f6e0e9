"""The importer's list of attributes, held against every row of PS3.15, table E.1-1."""

from __future__ import annotations

import warnings

import pydicom
import pytest
from pydicom.datadict import keyword_for_tag, tag_for_keyword

from core.data.importers.images import read_images
from core.data.importers.importing import run_import
from core.deidentify.profile import Action, basic_profile, rule_of
from core.imaging.formats.dicom_frames import _GROUP_OF
from core.imaging.formats.dicom_header import _KEYWORDS
from core.store.study import Study
from tests.core.deidentify.full import DATE, fill, uid, word
from tests.core.imaging.samples import mammogram

READ = {*_KEYWORDS.split(), *_GROUP_OF, *_GROUP_OF.values(), "LUTDescriptor", "LUTData", "LUTExplanation"}
"""Every attribute that the program looks at, also within sequences."""
LINK = {
    *("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber"),
    *("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "StudyID", "StudyDate", "StudyTime"),
}
"""Read, and kept in the encrypted identity file or nowhere."""
YEAR = {"AcquisitionDate", "ContentDate", "StudyDate"}
"""Read, of which the year is kept."""
PARSED = {"SeriesDescription", "ProtocolName", "AcquisitionDeviceProcessingDescription"}
"""Read for the words of a side and a view; no other word of them is kept."""


def test_what_is_read_of_the_tables_rows_goes_to_the_link_or_is_cut_to_the_year() -> None:
    ended = {keyword for keyword in READ if rule_of(int(tag_for_keyword(keyword) or 0)) is not None}
    assert ended == LINK | YEAR | PARSED


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """All that a study holds, in names and in bytes, after the import of a file with every attribute filled."""
    place = tmp_path_factory.mktemp("full")
    (place / "files").mkdir()
    path = mammogram(place / "files")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = pydicom.dcmread(path)
        assert fill(found) > 4000
        found.Modality = "MG"
        found.save_as(path)
    with Study.create(place / "study", name="s") as study:
        report = run_import(study, read_images(place / "files", source="here"))
        assert report.images == 1, report.issues
    return b"\n".join(
        str(one.relative_to(place)).encode() + (one.read_bytes() if one.is_file() else b"")
        for one in sorted((place / "study").rglob("*"))
    )


def values_of(tag: int) -> tuple[str, ...]:
    """What the file had at this tag, whatever its kind."""
    return word(tag, 15), uid(tag)


def test_of_no_row_is_the_value_in_the_study(kept: bytes) -> None:
    assert word(int(tag_for_keyword("Manufacturer") or 0)).encode() in kept  # so canaries are found where they are
    rows = [rule for rule in basic_profile().values() if "x" not in rule.tag and rule.tag != "private"]
    assert len(rows) > 600 and {rule.action for rule in rows} == set(Action)
    left = [
        (rule.tag, rule.code, keyword_for_tag(int(rule.tag, 16)))
        for rule in rows
        if any(_in(text, kept) for text in values_of(int(rule.tag, 16)))
    ]
    assert left == []


@pytest.mark.parametrize(
    "text",
    [
        *(DATE, "1947-07-13", "101112", "093Y", "KANARIENESTED", "KANARIE PRIVATE", "KANARIEINPRIVATE"),
        *("KANARIECURVE", "KANARIEOVERLAY", "KANARIEPREAMBLE", "KANARIEKANARIE"),
    ],
)
def test_dates_times_ages_private_groups_curves_and_overlays_are_not(text: str, kept: bytes) -> None:
    assert not _in(text, kept)


def _in(text: str, content: bytes) -> bool:
    return any(text.encode(code) in content for code in ("utf-8", "utf-16-le", "utf-16-be"))
