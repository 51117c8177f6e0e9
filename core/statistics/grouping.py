"""Patients, findings and images: which rows belong together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Float = NDArray[np.float64]
Int = NDArray[np.int64]
Bool = NDArray[np.bool_]
Clusters = Sequence[str] | Sequence[int] | NDArray[np.generic]
"""One identifier a row, of the patient that the row belongs to."""


def codes(ids: Clusters | None, n: int) -> Int:
    """(n,) cluster number of each row, 0 to the number of clusters - 1, in order of the sorted identifiers.

    None means that every row is a cluster of its own. ValueError where the number of identifiers is not ``n``.
    """
    if ids is None:
        return np.arange(n)
    names = np.asarray(ids)
    if names.shape != (n,):
        raise ValueError(f"{n} rows need {n} cluster identifiers, not {names.shape}")
    return np.unique(names, return_inverse=True)[1].astype(np.int64).reshape(n)


def yes_or_no(values: ArrayLike) -> Bool:
    """Labels as booleans; ValueError for anything but 0 and 1 (-1 marks a lesion without a result)."""
    given = np.asarray(values)
    if given.dtype != np.bool_ and not np.isin(given, (0, 1)).all():
        raise ValueError("labels are 0 or 1; leave out images without a result first")
    return given.astype(np.bool_)


def sum_by(values: Float, code: Int, count: int) -> Float:
    """(count, ...) sums of the rows of ``values`` (n, ...) that share a code."""
    total = np.zeros((count, *values.shape[1:]))
    np.add.at(total, code, values)
    return total


def first_rows(ids: Clusters) -> Int:
    """(g,) row at which each identifier stands first, in order of the sorted identifiers."""
    return np.unique(np.asarray(ids), return_index=True)[1].astype(np.int64)


def by_finding(scores: ArrayLike, finding_ids: Clusters) -> Float:
    """(g, ...) mean over the views of each finding of logits or probabilities (n, ...).

    Findings stand in the order of their sorted identifiers, as with ``first_rows``, which picks what the views
    of a finding share (its patient, its biopsy).
    """
    values = np.asarray(scores, dtype=np.float64)
    code = codes(finding_ids, len(values))
    count = int(code.max(initial=-1)) + 1
    size = np.bincount(code, minlength=count).astype(np.float64)
    mean: Float = sum_by(values, code, count) / size.reshape(-1, *[1] * (values.ndim - 1))
    return mean


def label_by_finding(labels: ArrayLike, finding_ids: Clusters) -> Int:
    """(g,) class index that all views of a finding share; -1 where they differ or a view has none (-1)."""
    given = np.asarray(labels, dtype=np.int64)
    code = codes(finding_ids, len(given))
    shared = given[first_rows(finding_ids)]
    differs = np.bincount(code, weights=given != shared[code], minlength=len(shared)) > 0
    return np.where(differs, -1, shared)
