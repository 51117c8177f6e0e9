"""Readers' assessments of a lesion before any model was seen, as numbers: comparators for predicted malignancy."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from core.domain.study import Labels
from core.domain.vocabulary import BiradsCategory
from core.store.study import Study

Float = NDArray[np.float64]

CATEGORY, PROBABILITY = "reader's BI-RADS category", "reader's probability of malignancy"
_ORDER = (
    BiradsCategory.NEGATIVE,
    BiradsCategory.BENIGN,
    BiradsCategory.PROBABLY_BENIGN,
    BiradsCategory.LOW_SUSPICION,
    BiradsCategory.SUSPICIOUS,
    BiradsCategory.MODERATE_SUSPICION,
    BiradsCategory.HIGH_SUSPICION,
    BiradsCategory.HIGHLY_SUGGESTIVE,
)
"""From the least to the most suspicious; 4 alone stands with 4b, the middle of its range. 0 (incomplete) has no
place in the order, and 6 is given after the biopsy."""
_RANK = {category: float(rank) for rank, category in enumerate(_ORDER)} | {
    BiradsCategory.SUSPICIOUS: float(_ORDER.index(BiradsCategory.MODERATE_SUSPICION))
}


def category_rank(category: BiradsCategory | None) -> float | None:
    """Place of an assessment in the order of suspicion; None for 0 and 6."""
    return None if category is None else _RANK.get(category)


def reader_values(study: Study, lesion_ids: Sequence[str]) -> dict[str, Float]:
    """(n,) values by comparator, NaN where nobody gave one; comparators without any value are missing.

    The data set's own word counts, else the mean of the readers'.
    """
    by_reader = [study.lesions.labels_of_reader(reader.id) for reader in study.readers.all()]
    own = {lesion.id: lesion.labels for lesion in study.lesions.all()}
    kinds: dict[str, Callable[[Labels], float | None]] = {
        CATEGORY: lambda labels: category_rank(labels.category),
        PROBABILITY: lambda labels: labels.probability_of_malignancy,
    }
    found = {}
    for name, value in kinds.items():
        column = np.full(len(lesion_ids), np.nan)
        for row, lesion in enumerate(lesion_ids):
            given = value(own[lesion]) if lesion in own else None
            if given is None:
                said = [value(labels[lesion]) for labels in by_reader if lesion in labels]
                known = [one for one in said if one is not None]
                given = float(np.mean(known)) if known else None
            if given is not None:
                column[row] = given
        if not np.isnan(column).all():
            found[name] = column
    return found
