"""Decoding of one codestream of JPEG, JPEG-LS or JPEG 2000, also of one without its end mark."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.domain.messages import message
from core.imaging.decoded import FOREIGN_ERRORS, Refusal, RefusedImageError
from core.imaging.formats.codestream import END_MARK, JPEG_LS_SOF, LOSSLESS_SOF, Codestream

_TAILS = (b"\0" * 512, b"\xff\0" * 256, b"\x5a\xa5" * 256)
"""Bytes that replace a missing end, to find out if the decoder needs it."""


def decoded(data: bytes, header: Codestream) -> NDArray[np.integer[Any]]:
    """The samples of a whole codestream."""
    return np.asarray(imagecodecs.jpeg2k_decode(data)) if header.is_2000 else decode_jpeg(data, header)


def without_end(data: bytes, header: Codestream, name: str) -> NDArray[np.integer[Any]]:
    """Decode a codestream without its end mark; refuse it unless all rows are present.

    Decoders of JPEG fill missing data without a warning. If different bytes after the end give the same picture,
    the decoder needed none of them. The decoder of JPEG-LS checks this itself, and JPEG 2000 contains its lengths.
    """
    if header.is_2000:
        if not header.body:
            raise _rows_missing(name)
        data = data[: header.body]
    tails = (b"",) if header.is_2000 or header.marker == JPEG_LS_SOF else _TAILS
    try:
        pictures = [decoded(data + tail + END_MARK, header) for tail in tails]
    except FOREIGN_ERRORS:
        if header.marker == JPEG_LS_SOF and data.endswith(b"\0"):
            # the last byte may have been added for an even length
            return without_end(data[:-1], header, name)
        raise _rows_missing(name) from None
    if any(not np.array_equal(pictures[0], other) for other in pictures[1:]):
        raise _rows_missing(name)
    return pictures[0]


def _rows_missing(name: str) -> RefusedImageError:
    return RefusedImageError(
        message(
            "{name} is cut short: its packed pixels have no end mark, and rows are missing. Copy it again from "
            "its source.",
            name=name,
        ),
        Refusal.CUT_SHORT,
    )


def decode_jpeg(data: bytes, header: Codestream) -> NDArray[np.integer[Any]]:
    """A JPEG or JPEG-LS codestream by the process that its start-of-frame marker names."""
    if header.marker == JPEG_LS_SOF:
        return np.asarray(imagecodecs.jpegls_decode(data))
    if header.precision == 8 and header.marker != LOSSLESS_SOF:
        with Image.open(BytesIO(data), formats=("JPEG",)) as image:
            return np.array(image)
    # extended 12 bit and lossless: the same library, three times as fast as the lossless-only decoder
    return np.asarray(imagecodecs.jpeg8_decode(data))
