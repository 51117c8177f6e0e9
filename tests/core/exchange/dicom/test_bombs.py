"""Reports and presentation states that announce little and hold much: refused early, in one sentence."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_file_meta_info
from pydicom.uid import DeflatedExplicitVRLittleEndian

from core.domain.errors import BadFileError
from core.domain.shapes import Polygon
from core.exchange.dicom.read_gsps import MOST_POINTS, MOST_REGIONS, presentation_of
from core.exchange.dicom.read_results import ResultReader
from core.exchange.dicom.read_sr import report_of

SQUARE = [0.0, 0.0, 9.0, 0.0, 12.0, 9.0, 0.0, 0.0]


def data_set(**values: object) -> Dataset:
    made = Dataset()
    for name, value in values.items():
        setattr(made, name, value)
    return made


def item(code: str, kind: str, **values: object) -> Dataset:
    name = data_set(CodeValue=code, CodingSchemeDesignator="DCM", CodeMeaning="x")
    return data_set(ValueType=kind, ConceptNameCodeSequence=[name], **values)


def group(points: list[float], *, kind: str = "POLYLINE", text: str = "Lesion 1") -> Dataset:
    image = item("121112", "IMAGE", ReferencedSOPSequence=[data_set(ReferencedSOPInstanceUID="1.9")])
    region = item("111030", "SCOORD", GraphicType=kind, GraphicData=points, ContentSequence=[image])
    return item("125007", "CONTAINER", ContentSequence=[item("112039", "TEXT", TextValue=text), region])


def report(*content: Dataset) -> Dataset:
    return data_set(Modality="SR", StudyInstanceUID="1.2", ContentSequence=list(content))


def graphic(points: list[float], *, said: int | None = None, kind: str = "POLYLINE") -> Dataset:
    number = len(points) // 2 if said is None else said
    return data_set(
        GraphicAnnotationUnits="PIXEL", NumberOfGraphicPoints=number, GraphicData=points, GraphicType=kind
    )


def state(graphics: list[Dataset], images: int = 1) -> Dataset:
    named = [data_set(ReferencedSOPInstanceUID=f"1.9.{number}") for number in range(images)]
    drawn = data_set(GraphicLayer="L", ReferencedImageSequence=named, GraphicObjectSequence=graphics)
    return data_set(Modality="PR", GraphicAnnotationSequence=[drawn])


def nested(depth: int) -> Dataset:
    inner = item("126010", "CONTAINER")
    for _ in range(depth):
        inner = item("126010", "CONTAINER", ContentSequence=[inner])
    return inner


def test_a_small_report_and_a_small_state_are_read() -> None:
    assert len(report_of(report(group(SQUARE))).lesions) == 1
    assert len(presentation_of(state([graphic(SQUARE)], images=2)).graphics) == 2


@pytest.mark.parametrize(
    "bomb",
    [
        lambda: report(nested(100)),
        lambda: report(*[group(SQUARE)] * (MOST_REGIONS + 1)),
        lambda: report(group([1.0, 2.0] * (2 * MOST_POINTS + 1))),
        lambda: report(group(SQUARE, text="x" * 70_000)),
        lambda: report(group(SQUARE), *[item("121106", "TEXT", TextValue="x")] * 1_001),
    ],
    ids=["depth", "breadth", "points", "text", "comments"],
)
def test_reports(bomb: object) -> None:
    with pytest.raises(BadFileError, match=r"^A file (nests|holds)"):
        report_of(bomb())  # type: ignore[operator]


@pytest.mark.parametrize(
    "bomb",
    [
        lambda: state([graphic([1.0, 2.0] * (MOST_POINTS + 1), said=2)]),
        lambda: state([graphic(SQUARE, said=65_535)] * 4),
        lambda: state([graphic(SQUARE)] * 80, images=80),
    ],
    ids=["points that lie", "points", "graphics times images"],
)
def test_presentation_states(bomb: object) -> None:
    with pytest.raises(BadFileError, match="A file draws more than"):
        presentation_of(bomb())  # type: ignore[operator]


def test_what_encloses_nothing_is_left_out_and_the_rest_is_read() -> None:
    """Before, a point or an arrow of another program refused the whole file."""
    points = [graphic([3.0, 4.0], kind="POINT"), graphic([3.0, 4.0, 5.0, 6.0])]
    found = presentation_of(state([*points, graphic(SQUARE)]))
    assert [type(one.shape) for one in found.graphics] == [Polygon]
    assert found.notes == ("has 2 graphics that enclose nothing (points, open lines); they are left out.",)
    read = report_of(report(group([3.0, 4.0], kind="POINT"), group(SQUARE)))
    assert len(read.lesions) == 1 and "1 lesions without an outline" in read.notes[0]


@pytest.mark.parametrize("kind", ["POLYLINE", "INTERPOLATED"])
def test_a_closed_line_of_another_program_encloses_whatever_its_width(kind: str) -> None:
    """Before, a line with a width was no outline, and nobody was told; a curve refused the whole file."""
    drawn = graphic(SQUARE, kind=kind)
    drawn.LineStyleSequence = [data_set(LineThickness=1.0)]
    rest = [graphic(SQUARE, kind="RECTANGLE"), data_set(GraphicAnnotationUnits="PIXEL", GraphicType="POLYLINE")]
    found = presentation_of(state([drawn, *rest]))
    assert [type(one.shape) for one in found.graphics] == [Polygon]
    assert found.notes == (
        "has 1 graphics that enclose nothing (points, open lines); they are left out.",
        "has 1 graphics of a kind that is not read; they are left out.",
    )


def test_a_measurement_without_a_value_is_no_defect() -> None:
    made = group(SQUARE)
    made.ContentSequence.append(item("121211", "NUM", MeasuredValueSequence=[]))
    assert len(report_of(report(made)).lesions) == 1


@pytest.mark.slow
def test_a_deflated_file_is_unpacked_to_the_cap_only(tmp_path: Path) -> None:
    meta = data_set(TransferSyntaxUID=DeflatedExplicitVRLittleEndian, MediaStorageSOPClassUID="1.2",
                    MediaStorageSOPInstanceUID="1.3")  # fmt: skip
    head = DicomBytesIO()
    head.is_little_endian, head.is_implicit_VR = True, False
    head.write(b"\0" * 128 + b"DICM")
    write_file_meta_info(head, meta)
    packer = zlib.compressobj(1, wbits=-15)
    body = b"".join(packer.compress(bytes(1 << 20)) for _ in range(300)) + packer.flush()
    path = tmp_path / "bomb.dcm"
    path.write_bytes(head.getvalue() + body)
    with ResultReader() as reader, pytest.raises(BadFileError, match="unpacks to more than"):
        reader.gsps(path)
