"""Similarity tables of a network: the rows that ``h1`` is fitted on, and the table of the whole run."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from core.data.augment import BatchPlan, epoch_batches, generator
from core.data.roi_set import RoiSet
from core.domain.errors import Cancelled
from core.domain.events import IsCancelled, never
from core.domain.vocabulary import Part
from core.model.network import PrototypeNetwork
from core.training.batches import TABLE_POSITION, Augmented, Source, prefetched
from core.training.config import TrainingConfig
from core.training.inference import INFERENCE_BATCH, Latents, device_of, exact, infer
from core.training.similarity_table import SimilarityTable, make_table


def fit_table(
    network: PrototypeNetwork,
    training: RoiSet,
    config: TrainingConfig,
    *,
    source: Source | None = None,
    features: torch.Tensor | None = None,
    kept: Latents | None = None,
    cancelled: IsCancelled = never,
) -> SimilarityTable:
    """Return the training rows of stage A3 and B: the un-augmented ROIs, or ``epochs.draws`` augmented draws
    of them.

    ``source``: what cuts the draws, on an accelerator the device itself; by default the processor.
    """
    if config.table_rows == "unaugmented":
        scores = infer(network, training, features=features, kept=kept, cancelled=cancelled).scores
        return make_table(scores, training, np.full(len(training), Part.TRAINING.value))
    source = source or Augmented(training, config)
    rows, scores = _augmented_scores(network, training, config, source, cancelled)
    return make_table(scores, training.rows(rows), np.full(len(rows), Part.TRAINING.value))


def _augmented_scores(
    network: PrototypeNetwork, training: RoiSet, config: TrainingConfig, source: Source, cancelled: IsCancelled
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    batches = BatchPlan(batch_lesion=INFERENCE_BATCH, batch_fine=0, draws=config.epochs.draws)
    order = epoch_batches(training.label, training.has_fine, batches, generator(config.seed, TABLE_POSITION, 0))
    scores = []
    for batch in prefetched(source, order, TABLE_POSITION):
        if cancelled():
            raise Cancelled
        with exact(network):
            scores.append(network(batch.inputs.to(device_of(network))).scores)
    return np.concatenate(order), torch.cat(scores).cpu().numpy()


def run_table(
    network: PrototypeNetwork, fitted: SimilarityTable, rois: RoiSet, parts: NDArray[np.str_]
) -> SimilarityTable:
    """Return the table of a run: the rows that the heads were fitted on, then every other ROI, un-augmented."""
    others = rois.rows(~((parts == Part.TRAINING.value) & (rois.label >= 0)))
    kept = parts[~((parts == Part.TRAINING.value) & (rois.label >= 0))]
    more = make_table(infer(network, others).scores, others, kept)
    return SimilarityTable(
        scores=np.concatenate([fitted.scores, more.scores]),
        label=np.concatenate([fitted.label, more.label]),
        malignant=np.concatenate([fitted.malignant, more.malignant]),
        patient_ids=fitted.patient_ids + more.patient_ids,
        lesion_ids=fitted.lesion_ids + more.lesion_ids,
        part=fitted.part + more.part,
    )
