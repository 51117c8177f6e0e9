"""Card beside the weights of a model: everything needed to use it and to trace its origin."""

from __future__ import annotations

from typing import Literal

import msgspec

from core.data.roi_set import InputTransform
from core.domain.study import Prototype
from core.model.architecture import Architecture

SCHEMA = 1
"""Version of the card's layout; a card of a newer one is refused."""
AUTOMATIC_BAND = "automatic band"
"""Note of a card: training lesions that had a band along their outline in place of a fine annotation."""
LABELS = "labels"
"""Note of a card: whose labels it was trained on, and the rule where readers differ."""
CONTENTS = "contents.json"
"""File of a shared model that lists what of patients it holds; in the folder of a run that was imported."""
PICTURES = "pictures"
"""Folder of a shared model's prototype pictures, in its archive and beside its card."""


class ModelCard(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    schema: int = SCHEMA
    method: str
    """iaia-bl, protopnet or the name of another baseline."""
    label: str
    """margin or shape."""
    class_names: tuple[str, ...]
    prototype_class: tuple[int, ...]
    """Class index of each prototype, in the order of the prototype layer."""
    transform: InputTransform
    architecture: Architecture
    prototypes: tuple[Prototype, ...] = ()
    """Empty until the first projection (stage A2)."""
    ridge: float | None = None
    """Strength of the ridge towards the initial +1/-1 weights, chosen once per training (stage A3)."""
    malignancy_ridge: float | None = None
    precedent_threshold: float | None = None
    """5th percentile of the validation ROIs' largest own evidence; below it there is no precedent."""
    inference_precision: Literal["float32"] = "float32"
    """Precision of projection, similarity tables, metrics and explanations: a prototype is a patch in this
    arithmetic."""
    warm_start: str = ""
    """Warm start of a backbone without pretrained weights; named wherever models are compared."""
    seed: int = 0
    code_version: str = ""
    data_fingerprint: str = ""
    training_lesions: int = 0
    training_patients: int = 0
    synthetic: bool = False
    contains_patient_images: bool = False
    notes: dict[str, str] = {}
