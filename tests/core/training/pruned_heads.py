"""An oracle for pruning: the heads fitted anew from the kept columns of the table, by the code of training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.domain.errors import TrainingError
from core.domain.messages import message
from core.training.last_layers import Heads, MalignancyFit, fit_heads
from core.training.refit import Labels
from core.training.similarity_table import SimilarityTable


def prune_heads(
    training: SimilarityTable,
    prototype_class: Sequence[int],
    kept: Labels,
    heads: Heads,
    *,
    malignancy_fit: MalignancyFit,
) -> Heads:
    """The heads of the model that keeps the prototypes ``kept``, refitted at the stored strength.

    ``training`` and ``heads`` are those of the model before. TrainingError where a class would lose its last
    prototype. Milliseconds: nothing but the table is touched.
    """
    own = np.asarray(prototype_class, dtype=np.int64)
    left = own[kept]
    if set(left.tolist()) != set(own.tolist()):
        raise TrainingError(message("Every class keeps at least one prototype: choose fewer to prune."))
    return fit_heads(
        training.columns(kept),
        left.tolist(),
        len(heads.weights),
        malignancy_fit=malignancy_fit,
        ridge=heads.ridge,
        start=np.ascontiguousarray(heads.weights[:, kept]),
    )
