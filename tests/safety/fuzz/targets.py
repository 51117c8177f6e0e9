"""B-09: where foreign bytes enter. Each target takes bytes and raises nothing but the program's own refusals.

A target is a function of bytes, which a coverage-guided fuzzer can drive (``python -m tests.safety.fuzz NAME``)
and a test can feed with mutants of its seeds.
"""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np

from core.data.importers.layouts import PlanOptions, make_plan
from core.data.importers.plan import Severity
from core.domain.errors import MarginaliaError
from core.domain.shapes import circle, decode_shapes, encode_shapes
from core.imaging.decoded import RefusedImageError
from core.imaging.formats import dicom_header
from core.imaging.formats.pixel_layout import pixel_layout
from core.model.tensor_file import encode, read_header
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


TARGETS: dict[str, Target] = {f.__name__: f for f in (tags, shapes, table, tensors, manifest, audit)}


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
        "audit": [
            b'{"counter":1,"at_utc":"","who":"","action":"","subject":"","old":null,"new":null,"previous":"",'
            b'"sha256":""}'
        ],
    }
