"""Small DICOM files for replicas of public data sets."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread

from core.domain.vocabulary import Laterality, ViewPosition
from core.imaging.write_dicom import MammogramHeader, write_mammogram

ROWS, COLUMNS = 96, 72


def texture(seed: int, rows: int = ROWS, columns: int = COLUMNS) -> NDArray[np.uint16]:
    return np.random.default_rng(seed).integers(100, 4000, (rows, columns)).astype(np.uint16)


def write_file(
    path: Path,
    pixels: NDArray[Any],
    *,
    patient: str = "",
    side: str = "L",
    view: str = "CC",
    uid: str = "",
) -> None:
    """``uid``: put as study, series and instance UID, valid or not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = MammogramHeader(
        patient_id=patient,
        laterality=Laterality(side),
        view=ViewPosition(view),
        spacing_mm=0.07,
        bits_stored=8 * pixels.itemsize if pixels.itemsize == 1 else 12,
        study_key=path.name,
    )
    write_mammogram(path, pixels, header)
    if not uid:
        return
    found = dcmread(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the very fault that is planted
        for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
            setattr(found, keyword, uid)
        found.file_meta.MediaStorageSOPInstanceUID = uid
        found.save_as(path)


def disc(rows: int, columns: int, x: float, y: float, radius: float) -> NDArray[np.uint8]:
    """255 within a circle about the continuous point (x, y), 0 outside."""
    down, right = np.mgrid[:rows, :columns] + 0.5
    return np.where((right - x) ** 2 + (down - y) ** 2 <= radius**2, 255, 0).astype(np.uint8)
