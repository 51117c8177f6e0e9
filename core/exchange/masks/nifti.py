"""Masks as NIfTI files (nibabel), for tools of image research; and back, equal to the bit."""

from __future__ import annotations

import gzip
from functools import partial
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from core.domain.errors import BadFileError
from core.domain.messages import message
from core.exchange.masks.png import MaskFiles, export_masks
from core.imaging.decoded import MAX_PIXEL_BYTES, MAX_SIDE

SUFFIX = ".nii.gz"
_LAYOUT = """
lesion/<name>.nii.gz  inside the lesion's outline
fine/<name>.nii.gz    the fine annotation; missing where a lesion has none

uint8 of the shape (columns, rows, 1); 1 is marked (relevant). Voxel [x, y, 0] is the pixel in column x and row y
of the mammogram. The voxel size is the pixel spacing in mm (1 where there is none); a mammogram has no place in
the scanner's space, so the affine holds this scale alone, and the third size (1) means nothing.
"""


def nifti(mask: NDArray[np.uint8], spacing_mm: float | None) -> bytes:
    """A mask (rows, columns) as a compressed NIfTI-1 file; the same mask gives the same bytes."""
    scale = spacing_mm or 1.0
    image = nib.nifti1.Nifti1Image(np.ascontiguousarray(mask.T[..., None]), np.diag([scale, scale, 1.0, 1.0]))
    image.header.set_xyzt_units("mm")
    return gzip.compress(image.to_bytes(), mtime=0)


def read_nifti(path: Path) -> NDArray[np.uint8]:
    """The mask (rows, columns) of a file that ``nifti`` made; BadFileError for anything else.

    At most as much is unpacked as the largest mask needs.
    """
    try:
        with gzip.open(path, "rb") as file:
            content = file.read(MAX_SIDE * MAX_SIDE + 4_096)
            if len(content) > MAX_PIXEL_BYTES or file.read(1):
                raise BadFileError(
                    message("{file} unpacks to more than a mask can need and was not read.", file=path.name)
                )
        image = nib.nifti1.Nifti1Image.from_bytes(content)
        data = np.asanyarray(image.dataobj)
    except (OSError, EOFError, ValueError, nib.filebasedimages.ImageFileError) as error:
        raise BadFileError(message("{file} is not a readable NIfTI file.", file=path.name)) from error
    if data.ndim != 3 or data.shape[2] != 1 or data.dtype != np.uint8 or data.max(initial=0) > 1:
        raise BadFileError(
            message("{file} is not a mask: uint8 of the shape (columns, rows, 1) was expected.", file=path.name)
        )
    return np.ascontiguousarray(data[..., 0].T)


NIFTI = MaskFiles(
    what="Masks of lesions and fine annotations as NIfTI", layout=_LAYOUT, suffix=SUFFIX, encode=nifti
)
export_nifti = partial(export_masks, files=NIFTI)
