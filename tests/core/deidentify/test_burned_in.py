from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.deidentify.burned_in import suspicious_regions
from core.imaging.opencv import cv2
from core.imaging.reader import read_image


def breast(rows: int = 800, columns: int = 600) -> np.ndarray:
    """A bright half disc with texture and small bright spots, as glands and calcifications are."""
    y, x = np.mgrid[:rows, :columns]
    inside = (x / (0.6 * columns)) ** 2 + ((y - rows / 2) / (0.45 * rows)) ** 2 < 1
    rng = np.random.default_rng(4)
    noise = cv2.GaussianBlur(rng.normal(size=(rows, columns)), (0, 0), 12)
    picture = inside * (1_500 + 900 * noise / noise.std())
    for _ in range(30):
        cv2.circle(picture, (int(rng.integers(60, 240)), int(rng.integers(200, 600))), 2, 3_000.0, -1)
    return (
        (cv2.GaussianBlur(picture, (0, 0), 1.5) + rng.normal(size=picture.shape) * 20)
        .clip(0, 4_095)
        .astype(np.uint16)
    )


def written(picture: np.ndarray, text: str, at: tuple[int, int], size: float) -> tuple[np.ndarray, np.ndarray]:
    ink = np.zeros(picture.shape, np.uint8)
    cv2.putText(ink, text, at, cv2.FONT_HERSHEY_SIMPLEX, size, 255, 2)
    return np.where(ink > 0, 4_095, picture).astype(np.uint16), ink > 0


def test_a_picture_without_text_has_nothing_suspicious() -> None:
    assert suspicious_regions(breast()) == ()


@pytest.mark.parametrize(("text", "at", "size"), [("L CC", (450, 60), 1.0), ("DOE JANE 1947", (330, 780), 0.9)])
def test_text_beside_the_breast_is_inside_a_region(text: str, at: tuple[int, int], size: float) -> None:
    picture, ink = written(breast(), text, at, size)
    found = suspicious_regions(picture)
    covered = np.zeros(picture.shape, bool)
    for region in found:
        covered[region.top : region.bottom, region.left : region.right] = True
    assert covered[ink].mean() > 0.8
    assert covered.mean() < 0.1
    dark = suspicious_regions(4_095 - picture)
    assert dark, "the same in a picture whose black is white"


def test_a_constant_picture_has_nothing() -> None:
    assert suspicious_regions(np.full((50, 40), 7, np.uint8)) == ()


@pytest.mark.shared
def test_labels_of_real_mammograms_are_found_and_most_others_left_alone(real_mammograms: Path) -> None:
    """The two pictures of png16 have their view burned in; GH133 and the CDD-CESM pictures have nothing."""
    labelled = [
        suspicious_regions(read_image(p).pixels) for p in sorted((real_mammograms / "png16").glob("*.png"))
    ]
    assert [len(found) for found in labelled] == [1, 1]
    plain = [real_mammograms / "dicom" / "GH133.dcm", *sorted((real_mammograms / "cdd-cesm/full").glob("*.jpg"))]
    wrong = sum(bool(suspicious_regions(read_image(path).pixels)) for path in plain)
    assert wrong <= 0.1 * len(plain)
