"""The validation part of a classifier's training, and its figures after an epoch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.baselines.config import ClassifierConfig
from core.baselines.inference import classify
from core.baselines.network import ClassifierNetwork
from core.baselines.tuned_trunk import frozen_blocks_of
from core.data.roi_set import RoiSet
from core.domain.events import IsCancelled
from core.statistics.multiclass import multiclass_auroc
from core.training.fixed_draws import EarlyMaps, KeptFeatures, features_of
from core.training.validation import Validation


@dataclass(frozen=True, kw_only=True, eq=False)
class HeldOut:
    """ROIs, all of which have a class of the network."""

    rois: RoiSet
    early: EarlyMaps | None = None
    """Features of the ROIs after the blocks that the training does not change; None where none are frozen."""

    @staticmethod
    def of(
        network: ClassifierNetwork,
        rois: RoiSet,
        config: ClassifierConfig,
        kept: KeptFeatures | None,
        cancelled: IsCancelled,
    ) -> HeldOut:
        """Return the part with what the frozen blocks make of it.

        ``kept``: features of these ROIs that were computed before. Cancelled between batches.
        """
        if not config.base.frozen_backbone:
            return HeldOut(rois=rois)
        if kept is not None:
            return HeldOut(rois=rois, early=kept.early_of(rois))
        blocks = frozen_blocks_of(network, config)
        maps = features_of(network, rois, blocks=blocks, cancelled=cancelled)
        return HeldOut(rois=rois, early=EarlyMaps(blocks=blocks, maps=maps))

    def figures(self, network: ClassifierNetwork, cancelled: IsCancelled) -> Validation:
        """Return AUROC and cross-entropy; undefined where there is no ROI."""
        rois = self.rois
        if len(rois) == 0:
            return Validation()
        found = classify(network, rois, early=self.early, cancelled=cancelled)
        logits = found.astype(np.float64)
        logits -= logits.max(axis=1, keepdims=True)
        probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        own = probabilities[np.arange(len(rois)), rois.label]
        return Validation(
            auroc=multiclass_auroc(rois.label, probabilities, rois.class_names).mean.value,
            cross_entropy=float(-np.log(np.maximum(own, 1e-300)).mean()),
        )
