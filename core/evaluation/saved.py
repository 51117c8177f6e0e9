"""Predictions on disk, as JSON; an undefined number is null."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np

from core.domain.errors import ModelError
from core.domain.messages import message
from core.evaluation.predictions import Float, Position, Predictions, ScalePrecision
from core.platform.atomic import atomic_write
from core.statistics.activation_summary import PairTable

Numbers = list[float | None]


class _Scale(msgspec.Struct, frozen=True, kw_only=True):
    image: list[int]
    prototype: list[int]
    klass: list[int]
    value: Numbers
    chance: Numbers
    attainable: Numbers
    blob: Numbers
    energy: Numbers | None = None
    position: Numbers | None = None
    position_source: Literal["training", "others"] = "training"


class _Saved(msgspec.Struct, frozen=True, kw_only=True):
    model: str
    class_names: tuple[str, ...]
    lesion_ids: tuple[str, ...]
    finding_ids: tuple[str, ...]
    patient_ids: tuple[str, ...]
    sources: tuple[str, ...]
    label: list[int]
    malignant: list[int]
    logits: list[list[float]]
    malignancy: Numbers
    no_precedent: list[bool]
    evidence: Numbers | None = None
    scales: dict[str, _Scale] = {}
    lesion_scale: _Scale | None = None
    """Written by earlier versions instead of ``scales``, as is ``fine_scale``."""
    fine_scale: _Scale | None = None


_TEXT = ("model", "class_names", "lesion_ids", "finding_ids", "patient_ids", "sources")


def save_predictions(path: Path, predictions: Predictions) -> None:
    """Write predictions whole or not at all; read again they are equal to the bit."""
    values: dict[str, Any] = {name: getattr(predictions, name) for name in _TEXT}
    saved = _Saved(
        **values,
        label=predictions.label.tolist(),
        malignant=predictions.malignant.tolist(),
        logits=predictions.logits.tolist(),
        malignancy=_listed(predictions.malignancy),
        no_precedent=predictions.no_precedent.tolist(),
        evidence=None if predictions.evidence is None else _listed(predictions.evidence),
        scales={name: _scale(found) for name, found in predictions.scales.items()},
    )
    atomic_write(path, msgspec.json.encode(saved))


def load_predictions(path: Path) -> Predictions:
    """Read predictions.

    Raises: ModelError if the file is missing or damaged.
    """
    try:
        saved = msgspec.json.decode(path.read_bytes(), type=_Saved)
    except (OSError, msgspec.MsgspecError) as error:
        raise ModelError(
            message("{path} is missing or damaged: delete its folder and repeat this part.", path=path)
        ) from error
    values: dict[str, Any] = {name: getattr(saved, name) for name in _TEXT}
    earlier = {"lesion": saved.lesion_scale, "fine": saved.fine_scale}
    scales: dict[str, _Scale | None] = {**earlier, **saved.scales}
    return Predictions(
        **values,
        label=np.array(saved.label, np.int64),
        malignant=np.array(saved.malignant, np.int64),
        logits=np.array(saved.logits, np.float64).reshape(len(saved.label), len(saved.class_names)),
        malignancy=_array(saved.malignancy),
        no_precedent=np.array(saved.no_precedent, np.bool_),
        evidence=None if saved.evidence is None else _array(saved.evidence),
        scales={name: _precision(found) for name, found in scales.items() if found is not None},
    )


def _listed(values: Float) -> Numbers:
    return [None if np.isnan(v) else float(v) for v in values]


def _array(values: Numbers) -> Float:
    return np.array([np.nan if v is None else v for v in values], np.float64)


def _scale(found: ScalePrecision) -> _Scale:
    pairs = found.pairs
    return _Scale(
        image=pairs.image.tolist(),
        prototype=pairs.prototype.tolist(),
        klass=pairs.klass.tolist(),
        value=_listed(pairs.value),
        chance=_listed(found.chance),
        attainable=_listed(found.attainable),
        blob=_listed(found.blob),
        energy=None if found.energy is None else _listed(found.energy),
        position=None if found.position is None else _listed(found.position.precision),
        position_source="training" if found.position is None else found.position.source,
    )


def _precision(saved: _Scale) -> ScalePrecision:
    return ScalePrecision(
        pairs=PairTable(
            image=np.array(saved.image, np.int64),
            prototype=np.array(saved.prototype, np.int64),
            klass=np.array(saved.klass, np.int64),
            value=_array(saved.value),
        ),
        chance=_array(saved.chance),
        attainable=_array(saved.attainable),
        blob=_array(saved.blob),
        energy=None if saved.energy is None else _array(saved.energy),
        position=None
        if saved.position is None
        else Position(precision=_array(saved.position), source=saved.position_source),
    )
