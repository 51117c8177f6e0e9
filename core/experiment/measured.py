"""Measurements of the maps of finished models: stability and faithfulness. Kept beside the model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import msgspec

from core.baselines.judge import explainers_of
from core.domain.events import Emit, IsCancelled, Message
from core.domain.messages import message
from core.domain.vocabulary import Part
from core.evaluation.map_figures import joined
from core.evaluation.map_tests import SAMPLE, Explainer, MapRecord, explainer_of, measure, sample
from core.experiment.parts import Data, FinishedPart
from core.experiment.plan import VGG
from core.platform.atomic import atomic_write

MAPS = "maps.json"


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    data_fingerprint: str
    records: dict[str, MapRecord]
    """By kind: "model", or "GradCAM" and "GradCAM++"."""


def map_records(
    folds: Sequence[FinishedPart], data: Sequence[Data], *, emit: Emit, cancelled: IsCancelled
) -> dict[str, MapRecord]:
    """Return the measurements of one training of a model, its folds joined, by kind of map.

    ``SAMPLE`` ROIs of each data set in all, the same for every model.

    What was measured before is read again; Cancelled between lesions.
    """
    most = math.ceil(SAMPLE / len(data))
    each = [_of_part(done, one, most, emit, cancelled) for done, one in zip(folds, data, strict=True)]
    return {kind: joined([records[kind] for records in each]) for kind in each[0]}


def _of_part(
    done: FinishedPart, data: Data, most: int, emit: Emit, cancelled: IsCancelled
) -> dict[str, MapRecord]:
    """Up to ``most`` test ROIs of each data set."""
    path = done.folder / MAPS
    known = _read(path)
    if known is not None and known.data_fingerprint == data.fingerprint:
        return known.records
    emit(Message(level="info", text=message("Measuring the maps of {trial}.", trial=done.trial.name)))
    rois = sample(data.of_part(Part.TEST), most=most)
    records = {kind: measure(one, rois, cancelled=cancelled) for kind, one in _explainers(done).items()}
    kept = _Kept(data_fingerprint=data.fingerprint, records=records)
    atomic_write(path, msgspec.json.encode(kept))
    return records


def _explainers(done: FinishedPart) -> dict[str, Explainer]:
    name = done.trial.name
    if done.trial.key == VGG:
        return {str(kind): one for kind, one in explainers_of(done.classifier(), name=name).items()}
    return {"model": explainer_of(done.model(), name=name)}


def _read(path: Path) -> _Kept | None:
    """Read the file; None if it is missing or damaged, and it is measured again."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Kept)
    except (OSError, msgspec.MsgspecError):
        return None
