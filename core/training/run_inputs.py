"""The regions that a run trains and validates on, its draws of them, and the features of a frozen trunk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from core.data.roi_set import RoiSet
from core.domain.events import Emit, IsCancelled, Message
from core.domain.messages import message
from core.domain.vocabulary import Part
from core.model.network import PrototypeNetwork
from core.training.batches import Cached, Source
from core.training.begin_or_resume import check_classes
from core.training.config import TrainingConfig
from core.training.fixed_draws import EarlyMaps, KeptFeatures
from core.training.forgotten_patches import ForgottenPatch
from core.training.frozen_source import ParentRun, folders_of, frozen_source
from core.training.inference import device_of
from core.training.request import training_rois
from core.training.resident import drawn_source


@dataclass(frozen=True, kw_only=True, eq=False)
class RunRegions:
    """The regions of interest of a run by part; those without a trained class are in none."""

    everything: RoiSet
    parts: NDArray[np.str_]
    training: RoiSet
    validation: RoiSet

    @classmethod
    def of(cls, rois: RoiSet, parts: NDArray[np.str_], config: TrainingConfig) -> RunRegions:
        """Return the regions by part. Raises: TrainingError where a class has no training region."""
        known = rois.label >= 0
        regions = cls(
            everything=rois,
            parts=parts,
            training=training_rois(rois.rows((parts == Part.TRAINING.value) & known), config),
            validation=rois.rows((parts == Part.VALIDATION.value) & known),
        )
        check_classes(regions.training)
        return regions


@dataclass(frozen=True, kw_only=True, eq=False)
class RunInputs:
    """The training draws of a run, and the early features of its un-augmented regions if its trunk is frozen."""

    source: Source
    early: EarlyMaps | None = None
    validation_early: EarlyMaps | None = None

    def features(self, network: PrototypeNetwork) -> torch.Tensor | None:
        """Return the trunk's output (n, C0, h, w) for the un-augmented training regions as the network is now.

        None where no block of the trunk is frozen.
        """
        return None if self.early is None else self.early.features(network)

    def validation_features(self, network: PrototypeNetwork) -> torch.Tensor | None:
        """Return the same of the validation regions."""
        return None if self.validation_early is None else self.validation_early.features(network)


@dataclass(frozen=True, kw_only=True, eq=False)
class RunStart:
    """Everything that a run begins with besides its regions and its configuration."""

    kept: KeptFeatures | None = None
    """Features of a frozen trunk, computed before for these regions, this trunk and this augmentation."""
    parent: ParentRun | None = None
    """Run whose add-on, prototypes, heads and features the run begins with."""
    forgotten: Sequence[ForgottenPatch] = ()
    """Patches that no prototype starts from or is projected onto."""

    def inputs(
        self,
        network: PrototypeNetwork,
        regions: RunRegions,
        config: TrainingConfig,
        own: Path | None,
        *,
        emit: Emit,
        cancelled: IsCancelled,
    ) -> RunInputs:
        """Return what the run draws from; features of a frozen trunk are computed where they are not known.

        ``own``: folder of the run, which keeps the features of an update; None in a process that does not lead.
        Cancelled between batches.
        """
        if not config.frozen_backbone:
            return RunInputs(source=drawn_source(regions.training, config, device_of(network), emit))
        if self.kept is not None:
            cached = Cached(regions.training, config, self.kept.of(regions.training))
            held_out = self.kept.early_of(regions.validation)
        else:
            emit(Message(level="info", text=message("Computing the features of the frozen backbone once.")))
            cached, held_out = frozen_source(
                network, regions.training, regions.validation, config, folders_of(self.parent, own), cancelled
            )
        early = EarlyMaps(blocks=cached.blocks, maps=cached.plain)
        return RunInputs(source=cached, early=early, validation_early=held_out)


FROM_NOTHING = RunStart()
