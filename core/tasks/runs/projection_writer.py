"""Writes the pictures of the prototypes after each projection of a training, and reports it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.data.roi_set import RoiSet
from core.domain.errors import StorageFullError
from core.domain.events import Emit, Message, Projected
from core.domain.messages import sentence_of
from core.domain.study import Prototype
from core.explain.prototype_patches import prototype_patches
from core.model.card import ModelCard
from core.model.network import PrototypeNetwork
from core.tasks.runs.projection_file import FILE, ProjectedPictures, write_projected
from core.training.config import TrainingConfig


@dataclass(frozen=True)
class PicturesOfProjection:
    folder: Path
    """The folder of the run."""
    config: TrainingConfig
    emit: Emit

    def keep(
        self, network: PrototypeNetwork, prototypes: tuple[Prototype, ...], training: RoiSet, epoch: int
    ) -> None:
        """A picture that cannot be written is no reason to stop a training."""
        own = tuple(network.prototype_class.tolist())
        card = ModelCard(
            method=self.config.method,
            label=self.config.label,
            class_names=self.config.class_names,
            prototype_class=own,
            transform=self.config.transform,
            architecture=self.config.architecture,
            prototypes=prototypes,
        )
        patches = prototype_patches(network, card, training)
        boxes = [patch.relevant_box for patch in patches]
        found = ProjectedPictures(
            source=np.stack([patch.source for patch in patches]),
            box=np.array([(box.x0, box.y0, box.x1, box.y1) for box in boxes], dtype=np.float32),
            prototype_class=np.array(own, dtype=np.int64),
        )
        try:
            write_projected(self.folder / FILE, found)
        except StorageFullError as error:
            self.emit(Message(level="warning", text=sentence_of(error)))
            return
        self.emit(Projected(epoch=epoch, file=FILE))
