"""The picture of each prototype: its source ROI, self-activation and most relevant part (Fig. 4 c, d, e).

Computed once per model from the training ROIs and kept as derived arrays: they can be rebuilt at any time, and
a model that is shared without its patients' images simply has none.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import msgspec
import numpy as np
from numpy.typing import NDArray

from core.data.roi_set import RoiSet
from core.domain.errors import BadFileError, Cancelled, ModelError
from core.domain.events import IsCancelled, never
from core.domain.geometry import Box
from core.domain.messages import message
from core.explain.explanation import Explanation, forward_one
from core.explain.relevance import most_relevant_box
from core.model.card import ModelCard
from core.model.network import PrototypeNetwork
from core.model.similarity import upsample
from core.platform.atomic import atomic_write
from core.store.hdf5 import open_guarded
from core.training.inference import exact

SCHEMA = 1


@dataclass(frozen=True, kw_only=True, eq=False)
class PrototypePatch:
    """One prototype as its source shows it."""

    index: int
    class_name: str
    lesion_id: str
    source: NDArray[np.uint8]
    """(I, I) the learned prototypical lesion."""
    activation: NDArray[np.float32]
    """(I, I) the prototype's activation map on its own source."""
    relevant_box: Box
    """Bounding box of the top 5% of that map, in network-input pixels."""
    cell: tuple[int, int]

    def crop(self) -> NDArray[np.uint8]:
        """The most relevant part of the source (Fig. 4c); a view."""
        b = self.relevant_box
        return self.source[int(b.y0) : int(b.y1), int(b.x0) : int(b.x1)]


def prototype_patches(
    network: PrototypeNetwork, card: ModelCard, training: RoiSet, *, cancelled: IsCancelled = never
) -> tuple[PrototypePatch, ...]:
    """The patches of all prototypes, in the layer's order; each source ROI is computed once.

    ``training`` holds at least the sources. ModelError where the model was never projected, where a source is
    missing, or where its pixels are no longer those that the prototype was taken from.
    """
    if not card.prototypes:
        raise ModelError(
            message("The model's prototypes do not come from images: it was never projected (stage A2).")
        )
    by_id = {lesion: row for row, lesion in enumerate(training.lesion_ids)}
    sources: dict[str, NDArray[np.uint8]] = {}
    for lesion_id in sorted({p.lesion_id for p in card.prototypes}):
        chosen = [j for j, p in enumerate(card.prototypes) if p.lesion_id == lesion_id]
        row = _source_row(card, training, by_id, chosen)
        sources[lesion_id] = np.ascontiguousarray(training.central(training.pixels[row]))
    return patches_of_sources(network, card, sources, cancelled=cancelled)


def patches_of_sources(
    network: PrototypeNetwork,
    card: ModelCard,
    sources: Mapping[str, NDArray[np.uint8]],
    *,
    cancelled: IsCancelled = never,
) -> tuple[PrototypePatch, ...]:
    """The same from the pictures (I, I) of the source ROIs by lesion, which the caller has checked."""
    patches: dict[int, PrototypePatch] = {}
    for lesion_id, pixels in sources.items():
        if cancelled():
            raise Cancelled
        chosen = [j for j, p in enumerate(card.prototypes) if p.lesion_id == lesion_id]
        with exact(network):
            similarities = forward_one(network, pixels, card.transform).similarities[:, chosen]
            maps = upsample(similarities, card.transform.input_size)[0].cpu().numpy()
        for j, activation in zip(chosen, maps, strict=True):
            patches[j] = PrototypePatch(
                index=j,
                class_name=card.prototypes[j].class_name,
                lesion_id=lesion_id,
                source=pixels,
                activation=activation,
                relevant_box=most_relevant_box(activation),
                cell=card.prototypes[j].cell,
            )
    return tuple(patches[j] for j in range(len(card.prototypes)))


def _source_row(card: ModelCard, training: RoiSet, by_id: dict[str, int], chosen: list[int]) -> int:
    lesion_id = card.prototypes[chosen[0]].lesion_id
    row = by_id.get(lesion_id)
    if row is None:
        raise ModelError(
            message(
                "Prototype {prototype} comes from lesion {lesion}, which is not among these ROIs: open the "
                "study that the model was trained on.",
                prototype=chosen[0] + 1,
                lesion=lesion_id,
            )
        )
    found = training.roi_sha256(row)
    if any(card.prototypes[j].roi_sha256 != found for j in chosen):
        raise ModelError(
            message(
                "The ROI of lesion {lesion} is no longer the one that prototype {prototype} was taken from "
                "(its pixels differ): restore the image and its lesion box, or train again.",
                lesion=lesion_id,
                prototype=chosen[0] + 1,
            )
        )
    return row


def patches_for(explanation: Explanation, patches: Sequence[PrototypePatch]) -> tuple[PrototypePatch | None, ...]:
    """The patch of each row of the explanation, or Nones where there are no patches at all.

    ``patches`` are those of the model or, after pruning, of the unpruned model: each row finds its own by its
    source (lesion, cell and class). ModelError where one is missing: a picture beside numbers that it does not
    belong to would explain a model that is not in use.
    """
    if not patches:
        return (None,) * len(explanation.rows)
    by_source = {(patch.lesion_id, patch.cell, patch.class_name): patch for patch in patches}
    found = []
    for row in explanation.rows:
        origin = row.prototype
        key = None if origin is None else (origin.lesion_id, origin.cell, origin.class_name)
        if key not in by_source:
            raise ModelError(
                message(
                    "The picture of prototype {number} is of another model or revision: rebuild the prototype "
                    "patches.",
                    number=row.number,
                )
            )
        found.append(by_source[key])
    return tuple(found)


def save_patches(path: Path, patches: tuple[PrototypePatch, ...], model_sha256: str) -> None:
    """Keep the patches as HDF5 beside the model they belong to; built in memory, written whole or not at all."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.attrs["schema"], file.attrs["model_sha256"] = SCHEMA, model_sha256
        file.create_dataset("source", data=np.stack([p.source for p in patches]), compression="gzip")
        file.create_dataset("activation", data=np.stack([p.activation for p in patches]), compression="gzip")
        records = [(p.index, p.class_name, p.lesion_id, p.relevant_box, p.cell) for p in patches]
        file.attrs["records"] = msgspec.json.encode(records).decode()
    atomic_write(path, buffer.getvalue())


def load_patches(path: Path, model_sha256: str) -> tuple[PrototypePatch, ...]:
    """The kept patches of this very model; BadFileError where they are another's, damaged or missing."""
    kind = list[tuple[int, str, str, Box, tuple[int, int]]]
    try:
        with open_guarded(path) as file:
            if file.attrs.get("schema") != SCHEMA or file.attrs.get("model_sha256") != model_sha256:
                raise BadFileError(
                    message("{file} holds the prototype patches of another model; rebuild it.", file=path.name)
                )
            source, activation = file["source"][:], file["activation"][:]
            records = msgspec.json.decode(file.attrs["records"], type=kind)
    except (OSError, KeyError, ValueError, TypeError, RuntimeError, MemoryError, msgspec.MsgspecError) as error:
        raise BadFileError(
            message("{file} cannot be read as prototype patches; rebuild it.", file=path.name)
        ) from error
    return tuple(
        PrototypePatch(
            index=index,
            class_name=name,
            lesion_id=lesion,
            source=source[i],
            activation=activation[i],
            relevant_box=box,
            cell=cell,
        )
        for i, (index, name, lesion, box, cell) in enumerate(records)
    )
