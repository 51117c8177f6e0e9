"""The folder of cases from the field, and what an import of one of them gives."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.data.importers.importing import ImportReport, run_import
from core.data.importers.layouts import make_plan
from core.data.windowing import grey_table, table_index
from core.domain.study import Image, Lesion
from core.store.study import Study

_BESIDE = (parent / "shared" / "cases" for parent in Path(__file__).parents)
CASES = Path(os.environ.get("MARGINALIA_CASES") or next(filter(Path.is_dir, _BESIDE), "shared/cases"))
"""Of ``MARGINALIA_CASES``, else in ``shared`` beside the project or above it."""


class Imported:
    """A case in a fresh study."""

    def __init__(self, study: Study, report: ImportReport) -> None:
        self.study = study
        self.report = report

    @property
    def said(self) -> str:
        return "\n".join(issue.sentence for issue in self.report.issues)

    @property
    def images(self) -> tuple[Image, ...]:
        return self.study.images.all()

    @property
    def lesions(self) -> tuple[Lesion, ...]:
        return self.study.lesions.all()

    @property
    def image(self) -> Image:
        (image,) = self.images
        return image

    @property
    def pixels(self) -> np.ndarray:
        return self.study.arrays.read_pixels(self.image.id)

    @property
    def greys(self) -> tuple[int, int, int]:
        """Grey values of background, breast and mass as the window first shows them."""
        image, pixels = self.image, self.pixels
        tables = self.study.arrays.read_voi_luts(image.id) if image.tables else ()
        grey = grey_table(image, pixels, "file", tables)[table_index(pixels)]
        return int(grey[5, -5]), int(grey[image.height // 2, 5]), int(grey.max())


@pytest.fixture(scope="session")
def cases() -> Path:
    if not CASES.is_dir():
        pytest.skip("the folder of cases is not beside the project (MARGINALIA_CASES)")
    return CASES


@pytest.fixture
def imported(cases: Path, tmp_path: Path) -> Callable[[str], Imported]:
    """Imports a case, named by its path below the folder, into a fresh study."""

    def make(name: str) -> Imported:
        study = Study.create(tmp_path / "study", name="s")
        studies.append(study)
        return Imported(study, run_import(study, make_plan(cases / name)))

    studies: list[Study] = []
    yield make  # type: ignore[misc]
    for study in studies:
        study.close()
