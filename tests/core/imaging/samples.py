"""Files for the tests: one small mammogram in every encoding, and hostile relatives of it."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID

from core.domain.study import Window
from core.domain.vocabulary import Laterality, ViewPosition
from core.imaging.write_dicom import Encoding, MammogramHeader, write_mammogram

IMPLICIT, EXPLICIT, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
JPEG_BASELINE, JPEG_EXTENDED, JPEG_LOSSLESS_ANY = (f"1.2.840.10008.1.2.4.{n}" for n in (50, 51, 57))
JPEG_LS, JPEG_2000 = "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90"


def texture(rows: int = 61, columns: int = 47, *, top: int = 4096, seed: int = 1) -> np.ndarray:
    """Smooth enough to compress, with both ends of the range."""
    ramp = np.add.outer(np.arange(rows) * 17, np.arange(columns) * 31)
    noise = np.random.default_rng(seed).integers(0, 9, (rows, columns))
    values = ((ramp + noise) % top).astype(np.uint16)
    values[0, 0], values[-1, -1] = 0, top - 1
    return values


def header(**changes: Any) -> MammogramHeader:
    fields: dict[str, Any] = {
        "patient_id": "P-1",
        "laterality": Laterality.RIGHT,
        "view": ViewPosition.MLO,
        "spacing_mm": 0.1,
        "windows": (Window(centre=2000, width=1500, explanation="NORMAL"),),
    }
    return MammogramHeader(**{**fields, **changes})


def mammogram(
    folder: Path, pixels: np.ndarray | None = None, *, encoding: Encoding = Encoding.EXPLICIT_LITTLE
) -> Path:
    path = folder / f"{encoding.name}.dcm"
    write_mammogram(path, texture() if pixels is None else pixels, header(), encoding=encoding)
    return path


def dataset(folder: Path, pixels: np.ndarray | None = None, **attributes: Any) -> Dataset:
    """The uncompressed mammogram as a dataset to be spoilt."""
    found = pydicom.dcmread(mammogram(folder, pixels))
    for keyword, value in attributes.items():
        setattr(found, keyword, value)
    return found


def save(found: Dataset, path: Path, syntax: str = EXPLICIT) -> Path:
    """Write a dataset in a native syntax; its pixel data must be in little endian."""
    found.file_meta.TransferSyntaxUID = UID(syntax)
    if syntax == BIG:
        found.PixelData = np.frombuffer(found.PixelData, "<u2").astype(">u2").tobytes()
    implicit, little = syntax == IMPLICIT, syntax != BIG
    if found.original_encoding != (implicit, little):
        # a dataset that was read keeps raw values in the order it was read in
        fresh = Dataset()
        fresh.update({element.tag: element for element in found})
        fresh.file_meta = found.file_meta
        found = fresh
    pydicom.dcmwrite(path, found, implicit_vr=implicit, little_endian=little, enforce_file_format=True)
    return path


def save_packed(found: Dataset, frames: list[bytes], path: Path, syntax: str) -> Path:
    found.file_meta.TransferSyntaxUID = UID(syntax)
    found.PixelData = encapsulate(frames, has_bot=True)
    found["PixelData"].is_undefined_length = True
    found["PixelData"].VR = "OB"
    found.save_as(path, enforce_file_format=True)
    return path


def jpeg_baseline(pixels: np.ndarray) -> bytes:
    out = BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=95)
    return out.getvalue()


def jpeg_extended(pixels: np.ndarray) -> bytes:
    return bytes(imagecodecs.jpeg8_encode(pixels, bitspersample=12, level=99))


def png(pixels: np.ndarray) -> bytes:
    out = BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def tiff(pixels: np.ndarray, **options: Any) -> bytes:
    out = BytesIO()
    Image.fromarray(pixels).save(out, "TIFF", **options)
    return out.getvalue()


def pgm(pixels: np.ndarray) -> bytes:
    largest = 255 if pixels.dtype == np.uint8 else 65_535
    order = np.uint8 if pixels.dtype == np.uint8 else np.dtype(">u2")
    return (
        f"P5\n# made here\n{pixels.shape[1]} {pixels.shape[0]}\n{largest}\n".encode()
        + pixels.astype(order).tobytes()
    )


def png_that_lies(width: int, height: int) -> bytes:
    """A PNG whose header announces what its few bytes cannot hold."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 16, 0, 0, 0, 0)
    body = zlib.compress(b"\0" * 1_000_000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def deflated_bomb(path: Path, found: Dataset) -> Path:
    """A deflated file of some hundred kilobytes that unpacks to more than the cap."""
    found.file_meta.TransferSyntaxUID = UID(DEFLATED)
    small = BytesIO()
    del found.PixelData
    found.save_as(small, enforce_file_format=True)
    data = small.getvalue()
    end_of_meta = 144 + int(struct.unpack_from("<L", data, 140)[0])
    body = zlib.decompressobj(-15).decompress(data[end_of_meta:])
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(body + struct.pack("<HH2sHL", 0x7FE0, 0x10, b"OW", 0, 400_000_000))
    for _ in range(80):
        packed += packer.compress(bytes(1_000_000))
    path.write_bytes(data[:end_of_meta] + packed + packer.flush())
    return path


def nested(depth: int, *, undefined: bool) -> bytes:
    """View Code Sequence (0054,0220), nested in itself, as explicit little endian bytes."""
    data = b""
    for _ in range(depth):
        if undefined:
            item = struct.pack("<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF) + data + struct.pack("<HHL", 0xFFFE, 0xE00D, 0)
            data = (
                struct.pack("<HH2sHL", 0x0054, 0x0220, b"SQ", 0, 0xFFFFFFFF)
                + item
                + struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
            )
        else:
            item = struct.pack("<HHL", 0xFFFE, 0xE000, len(data)) + data
            data = struct.pack("<HH2sHL", 0x0054, 0x0220, b"SQ", 0, len(item)) + item
    return data
