"""B-09: where foreign bytes enter. Each target takes bytes and raises nothing but the program's own refusals.

A target is a function of bytes, which a coverage-guided fuzzer can drive (``python -m tests.safety.fuzz NAME``)
and a test can feed with mutants of its seeds.
"""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np

from core.data.importers.layouts import COCO, PlanOptions, make_plan
from core.data.importers.plan import Severity
from core.domain.errors import MarginaliaError, PacsError
from core.domain.shapes import circle, decode_shapes, encode_shapes
from core.imaging.decoded import RefusedImageError
from core.imaging.formats import dicom_header
from core.imaging.formats.pixel_layout import pixel_layout
from core.model.tensor_file import encode, read_header
from core.pacs.dicom_json import rows
from core.pacs.multipart import take_part
from core.store.archive import MANIFEST, read_manifest
from core.store.restore import ZIP_ERRORS
from core.store.trail import AuditRecord
from tests.core.imaging.samples import mammogram

Target = Callable[[bytes], None]


def tags(data: bytes) -> None:
    """The allow-listed attributes and the header's budget; every refusal is a listed one."""
    try:
        opened = dicom_header.open_dicom(io.BytesIO(data), "a.dcm", [])
        layout = pixel_layout(opened, "a.dcm")
        assert layout.rows > 0
    except (RefusedImageError, *dicom_header.PARSER_ERRORS):
        return


def shapes(data: bytes) -> None:
    try:
        found = decode_shapes(data)
    except (msgspec.MsgspecError, ValueError, UnicodeDecodeError, RecursionError):
        return
    assert decode_shapes(encode_shapes(found)) == found


def table(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "lesions.csv").write_bytes(data)
        (Path(name) / "a.pgm").write_bytes(b"P5\n2 2\n255\n1234")
        try:
            plan = make_plan(Path(name), PlanOptions(skip_bad_rows=True))
        except MarginaliaError:
            return
        assert all(issue.severity in Severity for issue in plan.issues)
        assert all(image.path.resolve().is_relative_to(Path(name).resolve()) for image in plan.images)


def tensors(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "a.safetensors"
        path.write_bytes(data)
        try:
            read_header(path)
        except MarginaliaError:
            return


def manifest(data: bytes) -> None:
    """The list of files in a backup."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "a.zip"
        path.write_bytes(data)
        try:
            with zipfile.ZipFile(path) as archive:
                read_manifest(archive, path)
        except (MarginaliaError, OSError, *ZIP_ERRORS):
            return


def audit(data: bytes) -> None:
    """One line of an exported trail."""
    try:
        record = msgspec.json.decode(data, type=AuditRecord)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return
    assert record.counter is not None


def answers(data: bytes) -> None:
    """A page of a DICOMweb server's search."""
    try:
        found = rows(json.loads(data))
    except (ValueError, RecursionError):
        return
    assert all(isinstance(value, str) for row in found for value in row.values())


def part(data: bytes) -> None:
    """The body of a DICOMweb server's answer to the request for an object; its first line is the Content-Type."""
    kind, _, content = data.partition(b"\n")
    with tempfile.TemporaryDirectory() as name:
        body, path = Path(name) / "body", Path(name) / "object"
        body.write_bytes(content)
        path.touch()
        try:
            take_part(body, path, kind.decode("latin-1"), "server")
        except PacsError:
            return
        assert path.stat().st_size <= len(content)


def coco(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "annotations.json").write_bytes(data)
        (Path(name) / "a.pgm").write_bytes(b"P5\n2 2\n255\n1234")
        try:
            make_plan(Path(name), PlanOptions(layout=COCO, skip_bad_rows=True))
        except MarginaliaError:
            return


TARGETS: dict[str, Target] = {
    f.__name__: f for f in (tags, shapes, table, tensors, manifest, audit, answers, part, coco)
}


def seeds() -> dict[str, list[bytes]]:
    """A few good inputs a target."""
    import torch

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("study.db", b"x")
        archive.writestr(MANIFEST, b'{"format":1,"study_id":"","study_name":"","created_utc":"","files":{}}')
    rows = "image,patient_id,margin,x,y,radius,outline,fine\na.pgm,1,spiculated,1,1,1,,\na.pgm,2,,,,,[],\n"
    with tempfile.TemporaryDirectory() as name:
        dicom = mammogram(Path(name)).read_bytes()
    return {
        "tags": [dicom],
        "shapes": [encode_shapes((circle((1.5, 2.0), 3.0),))],
        "table": [rows.encode()],
        "tensors": [encode({"a": torch.from_numpy(np.ones((2, 3), np.float32))})],
        "manifest": [buffer.getvalue()],
        "answers": [
            b'[{"0020000D":{"vr":"UI","Value":["1.2"]},"00100010":{"vr":"PN","Value":[{"Alphabetic":"A^B"}]},'
            b'"00201208":{"vr":"IS","Value":[4]}}]'
        ],
        "part": [
            b'multipart/related; type="application/dicom"; boundary=b\n--b\r\nContent-Type: application/dicom\r\n'
            b"\r\nDICM\r\n--b--\r\n"
        ],
        "coco": [
            b'{"images":[{"id":1,"file_name":"a.pgm","width":2,"height":2}],"annotations":[{"id":1,"image_id":1,'
            b'"category_id":1,"segmentation":[[0,0,2,0,2,2]],"bbox":[0,0,2,2]},{"id":2,"image_id":1,"category_id":1,'
            b'"segmentation":{"counts":[1,3],"size":[2,2]},"attributes":{"margin":"spiculated"}}],'
            b'"categories":[{"id":1,"name":"mass"}]}'
        ],
        "audit": [
            b'{"counter":1,"at_utc":"","who":"","action":"","subject":"","old":null,"new":null,"previous":"",'
            b'"sha256":""}'
        ],
    }
