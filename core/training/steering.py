"""A run whose prototypes are those of a finished run, except for those that a reader placed.

A placed prototype becomes the latent patch under the reader's place in a training ROI, as the network computes it
for that ROI alone: it equals its patch as a projected prototype does. Both last layers are fitted again on the
data as they are now, at the strength of the parent run. Nothing else of the network changes.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from core.data.roi_set import RoiSet
from core.domain.errors import Cancelled, TrainingError
from core.domain.events import IsCancelled, never
from core.domain.geometry import Point
from core.domain.messages import message
from core.domain.study import Prototype
from core.domain.vocabulary import Part
from core.model.accelerator import device_here, resolve_device
from core.model.checkpoint import LoadedModel
from core.model.network import PrototypeNetwork
from core.platform.atomic import make_folder
from core.training.config import TrainingConfig
from core.training.feature_cache import key_of, read_features
from core.training.forgotten_patches import ForgottenPatch, forgotten_cells
from core.training.inference import Latents, exact, infer_one
from core.training.last_layers import Heads, fit_heads
from core.training.machine import write_config
from core.training.projection import patch_record
from core.training.request import check_request, data_fingerprint, training_rois
from core.training.run_record import RunResult, write_outcome
from core.training.state import EpochRecord, Facts, RunState
from core.training.table_rows import fit_table
from core.training.validation import evaluate


class SteeredPlace(msgspec.Struct, frozen=True, kw_only=True):
    """A place that a reader marked for a prototype: "look here instead"."""

    number: int
    """Number of the prototype in the unpruned model of the parent run, from 1."""
    lesion_id: str
    place: Point
    """In pixels of the mammogram."""
    reason: str = ""

    @property
    def words(self) -> str:
        x, y = self.place
        said = f"prototype {self.number}: lesion {self.lesion_id[:8]} at {x:.0f}, {y:.0f} px"
        return f"{said} ({self.reason})" if self.reason else said


@dataclass(frozen=True, kw_only=True, eq=False)
class Steering:
    """The model whose prototypes are steered, and where they are to look."""

    model: LoadedModel
    """The parent's model as trained."""
    features: Path
    """Folder of the run that keeps the features of the frozen trunk, if one does."""
    places: tuple[SteeredPlace, ...]
    forgotten: tuple[ForgottenPatch, ...] = ()
    """Patches that no prototype may become."""


def steer(
    rois: RoiSet,
    parts: NDArray[np.str_],
    config: TrainingConfig,
    folder: Path,
    steering: Steering,
    cancelled: IsCancelled = never,
) -> RunResult:
    """Write the model, table and record of a steered run into ``folder``; it takes one pass over the ROIs.

    ``config``: that of the parent run. TrainingError where a place cannot become the prototype
    (``move_prototypes``) or where the parent's last layer was never fitted; Cancelled leaves nothing that counts.
    """
    check_request(rois, parts, config)
    if steering.model.card.ridge is None:
        raise TrainingError(
            message("The model's last layer was never fitted (stage A3): train it to the end before this.")
        )
    make_folder(folder)
    write_config(config, folder)
    device = device_here(resolve_device(config.device).type)
    network = copy.deepcopy(steering.model.network).to(device).eval()
    known = rois.label >= 0
    training, validation = (rois.rows((parts == part.value) & known) for part in (Part.TRAINING, Part.VALIDATION))
    records = move_prototypes(
        network, steering.model.card.prototypes, training, steering.places, steering.forgotten
    )
    plain, held_out = _features(network, training, validation, config, steering.features)
    table = fit_table(network, training, config, features=plain, kept=Latents(), cancelled=cancelled)
    own = network.prototype_class.tolist()
    heads = fit_heads(
        table, own, len(config.class_names), malignancy_fit=config.malignancy_fit, ridge=steering.model.card.ridge
    )
    _set_heads(network, heads)
    figures = evaluate(network, validation, features=held_out, cancelled=cancelled)
    if cancelled():
        raise Cancelled
    facts = Facts(
        config=config,
        fingerprint=data_fingerprint(rois, parts),
        device=device.type,
        ridge=heads.ridge,
        prototypes=records,
        steered=tuple(one.words for one in steering.places),
        best_epoch=0,
        history=[EpochRecord(stage="A3", epoch=0, values=figures.values())],
    )
    if heads.malignancy is not None:
        facts.malignancy_used, facts.malignancy_left_out = heads.malignancy.used, heads.malignancy.left_out
    return write_outcome(folder, RunState(facts=facts, network=network), rois, parts, table=table, figures=figures)


def move_prototypes(
    network: PrototypeNetwork,
    records: Sequence[Prototype],
    training: RoiSet,
    places: Sequence[SteeredPlace],
    forgotten: Sequence[ForgottenPatch] = (),
) -> tuple[Prototype, ...]:
    """Put each named prototype of ``network`` on the patch under its place; returns the records of all.

    ``training``: the ROIs of the training part. TrainingError, one sentence, where a prototype does not exist or
    is named twice, where the lesion is not one of ``training`` or has another class, where the place lies outside
    its ROI or on a forgotten patch.
    """
    numbers = [one.number for one in places]
    if len(set(numbers)) < len(numbers) or not places:
        raise TrainingError(message("Name one place for each prototype that is to look elsewhere."))
    found = list(records)
    for one in places:
        if not 1 <= one.number <= len(records):
            raise TrainingError(
                message(
                    "Prototype {number} is not in the model; it has {count}.",
                    number=one.number,
                    count=len(records),
                )
            )
        index = one.number - 1
        row, cell = patch_of_place(network, training, one)
        if forgotten and forgotten_cells(forgotten, training, network.grid)[row][cell]:
            raise TrainingError(
                message(
                    "This patch was marked as not medically relevant: choose another place or take the mark back."
                )
            )
        latent = infer_one(network, training, row).latent[0][:, cell[0], cell[1]]
        with exact(network):
            patch = latent.reshape(network.prototypes[index].shape)
            moved = float((patch.double() - network.prototypes[index].double()).square().sum())
            network.prototypes[index] = patch
        found[index] = patch_record(network, training, row, cell, index=index, moved=moved)
    return tuple(found)


def patch_of_place(network: PrototypeNetwork, training: RoiSet, one: SteeredPlace) -> tuple[int, tuple[int, int]]:
    """Return the row of the ROI and the latent cell (row, column) under a place. TrainingError: see above."""
    rows = [row for row, lesion in enumerate(training.lesion_ids) if lesion == one.lesion_id]
    if len(rows) != 1:
        raise TrainingError(
            message(
                "Lesion {lesion} is not in the training part: a prototype is a patch of a training "
                "lesion, so that validation and test stay unseen.",
                lesion=one.lesion_id[:8],
            )
        )
    own = training.class_names[int(network.prototype_class[one.number - 1])]
    if training.class_names[int(training.label[rows[0]])] != own:
        raise TrainingError(
            message(
                "Prototype {number} stands for {own}: choose a place in a lesion of this class.",
                number=one.number,
                own=own,
            )
        )
    x, y = training.image_to_input[rows[0]](one.place)
    side = training.transform.input_size
    if not (0 <= x < side and 0 <= y < side):
        raise TrainingError(message("This place lies outside the part of the mammogram that the model sees."))
    height, width = network.grid
    return rows[0], (int(y * height / side), int(x * width / side))


def _set_heads(network: PrototypeNetwork, heads: Heads) -> None:
    with torch.no_grad():
        network.last.weight.copy_(torch.from_numpy(heads.weights.astype(np.float32)))
        network.malignancy.weight.zero_()
        network.malignancy.bias.zero_()
        if heads.malignancy is not None:
            network.malignancy.weight.copy_(torch.from_numpy(heads.malignancy.weights[None].astype(np.float32)))
            network.malignancy.bias.fill_(heads.malignancy.bias)


def _features(
    network: PrototypeNetwork, training: RoiSet, validation: RoiSet, config: TrainingConfig, folder: Path
) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    """The kept features of training and validation ROIs; None where the trunk is not fixed or none are kept."""
    if not config.frozen_backbone or config.tuned_blocks:
        return None, None
    kept = read_features(folder, key_of(network, training_rois(training, config), validation, config))
    return (None, None) if kept is None else (kept.plain, kept.validation)
