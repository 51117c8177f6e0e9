"""One image file to stored pixels and allow-listed attributes.

Foreign files are read through ``core.imaging.worker``, in a child process with limits: decoders written in C can
take the process down. ``read_image`` is what runs there; call it directly only for files of one's own making.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import BinaryIO

import numpy as np
from msgspec.structs import replace

from core.domain.messages import Sentence, message
from core.imaging.decoded import (
    MAX_FILE_BYTES,
    DecodedImage,
    Refusal,
    RefusedImageError,
)
from core.imaging.formats import dicom_grey, dicom_header, dicom_kind, dicom_pixels, dicom_place, plain
from core.imaging.formats.dicom_frames import FrameAttributes
from core.imaging.formats.pixel_layout import PixelLayout, pixel_layout
from core.imaging.formats.signature import DICOM, HEAD_BYTES, NO_PREAMBLE, ZIP, format_of, what_else
from core.imaging.write_dicom import SYNTHETIC
from core.imaging.zipped import open_file

_EXECUTABLES = (b"MZ", b"\x7fELF", b"\xfe\xed\xfa", b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xca\xfe\xba\xbe")

_RAW_VALUES = message(
    "it is an image FOR PROCESSING: the raw values of the detector, which do not look like the images that "
    "readers see; use the image FOR PRESENTATION if it exists"
)


def read_image(path: Path, *, frame: int = 0) -> DecodedImage:
    """Read one frame (from 0) of a DICOM, PNG, PGM, TIFF or JPEG file.

    The format is determined from the bytes, not from the name.

    Raises: RefusedImageError, with one of the listed reasons and a sentence for the user, for everything that is
    not an image within the limits.
    """
    name = path.name
    try:
        with open_file(path) as file, warnings.catch_warnings():
            # what the parser has to say of a foreign file may quote it
            warnings.simplefilter("ignore")
            return _read(file, name, frame)
    except RefusedImageError:
        raise
    except MemoryError as error:
        raise RefusedImageError(
            message("{name} needs more memory than is allowed.", name=name), Refusal.TOO_LARGE
        ) from error
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise RefusedImageError(
            message(
                "{name} cannot be opened ({reason}); check the path and its permissions.",
                name=name,
                reason=error.strerror,
            ),
            Refusal.UNREADABLE,
        ) from error
    except dicom_header.PARSER_ERRORS as error:
        # without the cause: its text may quote the file
        raise RefusedImageError(
            message("{name} is damaged and could not be read ({error}).", name=name, error=type(error).__name__),
            Refusal.DAMAGED,
        ) from None


def _read(file: BinaryIO, name: str, frame: int) -> DecodedImage:
    size = file.seek(0, 2)
    file.seek(0)
    if size > MAX_FILE_BYTES:
        raise RefusedImageError(
            message(
                "{name} has {size:,} bytes; {limit:,} can be read.", name=name, size=size, limit=MAX_FILE_BYTES
            ),
            Refusal.TOO_LARGE,
        )
    head = file.read(HEAD_BYTES)
    file.seek(0)
    kind = format_of(head)
    if kind == DICOM:
        return _read_dicom(file, name, frame, _preamble_notes(head))
    if kind == NO_PREAMBLE:
        return _read_dicom(file, name, frame, [message("the file has no DICOM preamble")])
    if kind == "PNG":
        return _plain("PNG", plain.read_png(file.read(), name), frame, name)
    if kind == "JPEG":
        return _plain("JPEG", plain.read_jpeg(file.read(), name), frame, name)
    if kind == "TIFF":
        return _plain("TIFF", plain.read_tiff(file.read(), name, frame), frame, name)
    if kind == "PGM":
        return _plain("PGM", plain.read_pgm(file.read(), name), frame, name)
    what = message("an archive without images") if kind == ZIP else what_else(head)
    raise RefusedImageError(
        message(
            "{name} is not an image that can be read ({what}): DICOM, PNG, PGM, TIFF and JPEG can.",
            name=name,
            what=what,
        ),
        Refusal.NOT_AN_IMAGE,
    )


def _preamble_notes(head: bytes) -> list[Sentence]:
    if head.startswith(_EXECUTABLES):
        return [message("the file is also an executable program (its preamble says so); do not run it")]
    return []


def _plain(kind: str, image: plain.PlainImage, frame: int, name: str) -> DecodedImage:
    if not 0 <= frame < image.frames:
        raise RefusedImageError(
            message(
                "{name} has no picture {frame}; the number of its pictures is {frames}.",
                name=name,
                frames=image.frames,
                frame=frame + 1,
            ),
            Refusal.CONTRADICTORY,
        )
    return DecodedImage(
        pixels=np.ascontiguousarray(image.pixels),
        bits_stored=image.bits,
        format=kind,
        photometric=image.photometric,
        frames=image.frames,
        frame=frame,
        warnings=image.notes,
    )


def _read_dicom(file: BinaryIO, name: str, frame: int, notes: list[Sentence]) -> DecodedImage:
    opened = dicom_header.open_dicom(file, name, notes)
    kind = dicom_kind.kind_of(opened.tags)
    dicom_kind.refuse_placeholder(opened.tags, name)
    dicom_kind.refuse_wrapped_slices(opened, name)
    try:
        layout = pixel_layout(opened, name)
        tags = FrameAttributes(opened.tags, frame)
        stored, bits = dicom_pixels.read_frame(opened, layout, frame, name, notes)
    except RefusedImageError as refused:
        # a reader who brings an ultrasound picture needs to know that, not that it is in colour
        raise dicom_kind.refusal(kind, name) or refused from None
    decoded = _described(tags, layout, dicom_grey.modality(tags, layout, stored, bits, notes), frame, notes)
    decoded = replace(decoded, modality=kind.modality, breast=kind.breast or decoded.view is not None)
    if not tags.unreadable:
        return decoded
    note = f"could not be read and were left out: {', '.join(sorted(set(tags.unreadable)))}"
    return replace(decoded, warnings=(*decoded.warnings, note))


def _described(
    tags: FrameAttributes, layout: PixelLayout, grey: dicom_grey.Grey, frame: int, notes: list[Sentence]
) -> DecodedImage:
    """Return the pixels with the header's description of them."""
    spacing, spacing_source = dicom_place.spacing(tags, notes)
    if dicom_header.for_processing(tags):
        notes.append(_RAW_VALUES)
    polarity = dicom_grey.photometric(tags, layout, notes)
    windows, tables = dicom_grey.windows(tags, notes), dicom_grey.voi_luts(tags, layout, grey, notes)
    side, view = dicom_place.laterality(tags, notes), dicom_place.view(tags, notes)
    return DecodedImage(
        pixels=np.ascontiguousarray(grey.pixels),
        bits_stored=grey.bits,
        format="DICOM",
        transfer_syntax=layout.transfer_syntax,
        frames=layout.frames,
        frame=frame,
        photometric=polarity,
        rescale_slope=grey.slope,
        rescale_intercept=grey.intercept,
        windows=windows,
        voi_luts=tables,
        padding=grey.padding,
        pixel_spacing_mm=spacing,
        spacing_source=spacing_source,
        laterality=side,
        view=view,
        acquired=dicom_header.acquired(tags),
        manufacturer=tags.text("Manufacturer"),
        model=tags.text("ManufacturerModelName"),
        synthetic=SYNTHETIC in tags.texts("ImageType"),
        mirrored_by_device=tags.text("FieldOfViewHorizontalFlip").upper() == "YES",
        identity=dicom_header.identity(tags),
        warnings=tuple(notes),
    )
