"""Summary of a study that is not open, for lists of studies: size, progress, and one of its images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.domain.errors import MarginaliaError
from core.store.names import SERVER
from core.store.study import Study
from core.store.trusted_studies import is_known
from core.tasks.studies.queries import StudyQueries


@dataclass(frozen=True, kw_only=True, eq=False)
class StudyGlance:
    images: int
    lesions: int
    annotated: int
    """Lesions with a fine annotation by any reader."""
    picture: NDArray[np.uint8] | None
    """8-bit grey; None where the study has no image or its pixels are gone."""


def glance_at(folder: Path, image_id: str | None, side: int) -> StudyGlance | None:
    """Read a study without changing it; ``image_id``: the image to show, else the first one.

    Returns None for a study that is foreign, on a server, locked away or damaged: opening it says why.
    """
    try:
        if (folder / SERVER).is_file() or not is_known(folder):
            return None
        with Study.open(folder, writable=False) as study:
            counts = study.counts()
            return StudyGlance(
                images=sum(one.images for one in counts),
                lesions=sum(one.lesions for one in counts),
                annotated=sum(one.finely_annotated for one in counts),
                picture=_picture(study, image_id, side),
            )
    except (MarginaliaError, OSError):
        return None


def _picture(study: Study, image_id: str | None, side: int) -> NDArray[np.uint8] | None:
    first = study.images.page(0, 1)
    for wanted in (image_id, *(image.id for image in first)):
        if wanted is None:
            continue
        try:
            return StudyQueries(study, "").thumbnail(wanted, side)
        except (MarginaliaError, OSError):
            continue
    return None
