"""The similarity table: all that stage A3, stage B and pruning need to know of the images."""

from __future__ import annotations

import io
from collections.abc import Sized
from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from core.data.roi_set import RoiSet
from core.domain.errors import ModelError
from core.domain.messages import message
from core.domain.vocabulary import Part
from core.platform.atomic import atomic_write
from core.store.hdf5 import open_guarded

SCHEMA = 1
_TEXT = ("patient_ids", "lesion_ids", "part")


@dataclass(frozen=True, kw_only=True, eq=False)
class SimilarityTable:
    """``n`` rows of similarities to ``m`` prototypes. The table of a run holds its three parts."""

    scores: NDArray[np.float32]
    """(n, m), ``s_j`` of eq. 5."""
    label: NDArray[np.int64]
    """(n,) class index, -1 where the lesion has none of the trained classes."""
    malignant: NDArray[np.int64]
    """(n,) 1 malignant, 0 benign, -1 no biopsy."""
    patient_ids: tuple[str, ...]
    lesion_ids: tuple[str, ...]
    part: tuple[str, ...]
    """(n,) value of ``Part`` of each row."""

    def __post_init__(self) -> None:
        n = len(self.scores)
        if self.scores.ndim != 2 or any(len(column) != n for column in self._columns()):
            raise ValueError("every column of a similarity table needs one entry a row")

    def _columns(self) -> tuple[Sized, ...]:
        return self.label, self.malignant, self.patient_ids, self.lesion_ids, self.part

    def __len__(self) -> int:
        return len(self.scores)

    def rows(self, chosen: NDArray[np.bool_]) -> SimilarityTable:
        index = np.flatnonzero(chosen)
        return replace(
            self,
            scores=self.scores[index],
            label=self.label[index],
            malignant=self.malignant[index],
            patient_ids=tuple(self.patient_ids[i] for i in index),
            lesion_ids=tuple(self.lesion_ids[i] for i in index),
            part=tuple(self.part[i] for i in index),
        )

    def of_part(self, *parts: Part) -> SimilarityTable:
        """Return the rows of these parts that have a trained class."""
        wanted = {part.value for part in parts}
        return self.rows(np.array([p in wanted for p in self.part], dtype=np.bool_) & (self.label >= 0))

    def columns(self, kept: NDArray[np.int64]) -> SimilarityTable:
        """Return the table of the model that keeps these prototypes, in this order."""
        return replace(self, scores=np.ascontiguousarray(self.scores[:, kept]))


def make_table(scores: NDArray[np.float32], rois: RoiSet, parts: NDArray[np.str_]) -> SimilarityTable:
    """Return the table of similarities (n, m) of these ROIs, whose parts are ``parts``."""
    return SimilarityTable(
        scores=np.ascontiguousarray(scores, dtype=np.float32),
        label=rois.label.astype(np.int64),
        malignant=rois.malignant.astype(np.int64),
        patient_ids=rois.patient_ids,
        lesion_ids=rois.lesion_ids,
        part=tuple(str(part) for part in parts),
    )


def save_table(path: Path, table: SimilarityTable) -> None:
    """Write the table as HDF5, whole or not at all; StorageFullError where there is no room."""
    # in memory: on a full disk the HDF5 library can end the process
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.attrs["schema"] = SCHEMA
        file["scores"], file["label"], file["malignant"] = table.scores, table.label, table.malignant
        for name in _TEXT:
            file.create_dataset(name, data=list(getattr(table, name)), dtype=h5py.string_dtype())
    atomic_write(path, buffer.getvalue())


def load_table(path: Path) -> SimilarityTable:
    """Return the table at ``path``; ModelError where it is missing, cut short or of another kind."""
    try:
        with open_guarded(path) as file:
            if file.attrs.get("schema") != SCHEMA:
                raise ModelError(
                    message("{file} is not a similarity table that this version can read.", file=path.name)
                )
            text = {name: tuple(file[name].asstr()[:].tolist()) for name in _TEXT}
            return SimilarityTable(
                scores=file["scores"][:].astype(np.float32),
                label=file["label"][:].astype(np.int64),
                malignant=file["malignant"][:].astype(np.int64),
                **text,
            )
    except (OSError, KeyError, ValueError, TypeError, RuntimeError, MemoryError) as error:
        raise ModelError(
            message(
                "{file} cannot be read as a similarity table; train or project again to rebuild it.",
                file=path.name,
            )
        ) from error
