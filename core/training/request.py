"""The data of a training: whether ROIs and a configuration belong together, and what identifies them."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from core.data.automatic_band import with_automatic_bands
from core.data.roi_set import RoiSet
from core.domain.errors import TrainingError
from core.domain.messages import message
from core.training.begin_or_resume import check_normalisation
from core.training.config import TrainingConfig


def check_request(rois: RoiSet, parts: NDArray[np.str_], config: TrainingConfig) -> None:
    """Raise TrainingError if ROIs and configuration do not belong together."""
    if len(parts) != len(rois):
        raise ValueError("parts needs one entry a ROI")
    if rois.transform != config.transform or rois.class_names != config.class_names:
        raise TrainingError(
            message(
                "The ROIs were made with a different input transform or different classes: extract them again."
            )
        )
    check_normalisation(config)
    if config.feature_dropout > 0 and not config.frozen_backbone:
        raise TrainingError(
            message("feature_dropout works on the cache of a frozen backbone: set frozen_backbone=true.")
        )
    if config.frozen_backbone and config.table_rows == "augmented":
        raise TrainingError(
            message(
                "The cache of a frozen backbone holds un-augmented rows of the table only: set "
                "table_rows=unaugmented."
            )
        )


def data_fingerprint(rois: RoiSet, parts: NDArray[np.str_]) -> str:
    """Hash of the ROIs and of which part each belongs to."""
    content = rois.fingerprint() + "|" + "|".join(str(part) for part in parts)
    return hashlib.sha256(content.encode()).hexdigest()


def training_rois(rois: RoiSet, config: TrainingConfig) -> RoiSet:
    """Return the ROIs that the gradients see: with automatic bands if the configuration asks for them."""
    return with_automatic_bands(rois)[0] if config.automatic_bands else rois
