"""The data of a run: written down when it begins, used by every later start, compared with the study as it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from core.data.data_snapshot import DataChanges, DataSnapshot, changes_between, missing_lesions
from core.data.training_set import RoiRequest, take_snapshot
from core.domain.errors import ModelError
from core.domain.messages import decode_sentence, encode_sentence, message
from core.platform.atomic import atomic_write
from core.store.study import Study
from core.training.config import TrainingConfig

FILE = "data.json"


@dataclass(frozen=True, kw_only=True)
class ChangedData:
    """The differences between the study and the data that a run began with."""

    changes: DataChanges
    missing: int
    """Lesions that the run began with and that are no longer in the study: it cannot go on."""

    def __bool__(self) -> bool:
        return bool(self.changes) or bool(self.missing)


def roi_request(config: TrainingConfig) -> RoiRequest:
    """The ROIs that a configuration trains on."""
    return RoiRequest(
        transform=config.transform, class_names=config.class_names, label=config.label, labels=config.labels
    )


def read_snapshot(folder: Path) -> DataSnapshot | None:
    """Read the data snapshot at the start of this folder's run; None before its first start.

    Raises: ModelError if it is damaged.
    """
    try:
        return msgspec.json.decode((folder / FILE).read_bytes(), type=DataSnapshot, dec_hook=decode_sentence)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise ModelError(message("{path} is damaged: start a new training.", path=folder / FILE)) from error


def keep_snapshot(study: Study, config: TrainingConfig, folder: Path) -> DataSnapshot:
    """The snapshot of the run's folder, taken and written down now where there is none."""
    snapshot = read_snapshot(folder)
    if snapshot is None:
        snapshot = take_snapshot(study, roi_request(config))
        atomic_write(folder / FILE, msgspec.json.encode(snapshot, enc_hook=encode_sentence))
    return snapshot


def changed_data(study: Study, config: TrainingConfig, patients: set[str], folder: Path) -> ChangedData:
    """Return the changes in these patients' lesions since this folder's run began; none before its start."""
    then = read_snapshot(folder)
    if then is None:
        return ChangedData(changes=DataChanges(), missing=0)
    now = take_snapshot(study, roi_request(config))
    return ChangedData(changes=changes_between(then, now, patients), missing=missing_lesions(study, then))
