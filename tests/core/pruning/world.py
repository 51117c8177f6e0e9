"""A similarity table with known structure, and a small trained model over it."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import torch

from core.data.roi_set import RoiSet
from core.domain.vocabulary import Part
from core.model.checkpoint import LoadedModel
from core.pruning.prune import PrunableState, prunable_state
from core.training.inference import infer
from core.training.last_layers import fit_heads
from core.training.similarity_table import SimilarityTable, make_table
from tests.core.explain.world import make_rois, make_world

NAMES = ("circumscribed", "indistinct", "spiculated")


def random_table(
    *, training: int = 300, validation: int = 60, test: int = 60, m: int = 15, seed: int = 0
) -> SimilarityTable:
    """Similarities that tend to be higher for the own class; two images a patient; biopsy follows the margin."""
    rng = np.random.default_rng(seed)
    n = training + validation + test
    label = rng.integers(0, 3, n)
    own = np.arange(m) % 3
    scores = rng.gamma(2.0, 1.0, (n, m)) + 1.5 * (own[None] == label[:, None]) * rng.random((n, m))
    malignant = (rng.random(n) < np.array([0.1, 0.4, 0.85])[label]).astype(np.int64)
    malignant[::17] = -1
    part = [Part.TRAINING] * training + [Part.VALIDATION] * validation + [Part.TEST] * test
    return SimilarityTable(
        scores=scores.astype(np.float32),
        label=label.astype(np.int64),
        malignant=malignant,
        patient_ids=tuple(f"{p.value}-{i // 2}" for i, p in enumerate(part)),
        lesion_ids=tuple(f"lesion-{i}" for i in range(n)),
        part=tuple(p.value for p in part),
    )


def random_state(table: SimilarityTable, *, ridge: float = 0.01) -> PrunableState:
    own = [j % 3 for j in range(table.scores.shape[1])]
    heads = fit_heads(table.of_part(Part.TRAINING), own, 3, malignancy_fit="out-of-fold", ridge=ridge)
    return PrunableState(
        class_names=NAMES,
        prototype_class=tuple(own),
        kept=tuple(range(len(own))),
        heads=heads,
        precedent_threshold=1.0,
    )


def small_model() -> tuple[LoadedModel, SimilarityTable, RoiSet]:
    """A model fitted on its table, with 12 training, 9 validation and 9 test ROIs."""
    network, card, training = make_world()
    rest = make_rois(18, seed=9, first=50)
    parts = np.array([Part.VALIDATION.value] * 9 + [Part.TEST.value] * 9)
    first = make_table(infer(network, training).scores, training, np.full(12, Part.TRAINING.value))
    second = make_table(infer(network, rest).scores, rest, parts)
    table = SimilarityTable(
        scores=np.concatenate([first.scores, second.scores]),
        label=np.concatenate([first.label, second.label]),
        malignant=np.concatenate([first.malignant, second.malignant]),
        patient_ids=first.patient_ids + second.patient_ids,
        lesion_ids=first.lesion_ids + second.lesion_ids,
        part=first.part + second.part,
    )
    heads = fit_heads(first, list(card.prototype_class), 3, malignancy_fit="in-sample", ridge=0.05)
    assert heads.malignancy is not None
    with torch.no_grad():
        network.last.weight.copy_(torch.from_numpy(heads.weights))
        network.malignancy.weight.copy_(torch.from_numpy(heads.malignancy.weights)[None])
        network.malignancy.bias.fill_(heads.malignancy.bias)
    card = msgspec.structs.replace(card, ridge=0.05, precedent_threshold=0.5)
    return LoadedModel(network=network.eval(), card=card, sha256="ab" * 32), table, rest


def state_of(model: LoadedModel) -> PrunableState:
    return prunable_state(model.network, model.card)


def without_malignancy(state: PrunableState) -> PrunableState:
    return replace(state, heads=replace(state.heads, malignancy=None))
