"""Predictions read back from a CSV, so that figures can be computed without the model that made them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.data.importers.table import Row, header_of, parsed_number, read_table
from core.domain.errors import BadTableError
from core.domain.messages import message
from core.evaluation.predictions import Predictions

REQUIRED = ("patient", "lesion", "labelled")
_SMALLEST = 1e-300


@dataclass(frozen=True, kw_only=True, eq=False)
class PredictionTable:
    predictions: Predictions
    synthetic: bool
    """True if a row is marked as synthetic."""


def read_predictions(path: Path, *, part: str = "", name: str = "") -> PredictionTable:
    """Read the labelled rows of a table such as ``predict`` writes; a probability is a column ``p_CLASS``.

    ``part``: only rows of this part of the split; "" for all. Columns patient_id, finding, source, malignant,
    malignancy, evidence, evidence_threshold and abstained are used if they are present. Raises: BadTableError with
    the first row that cannot be used, or if no row is labelled.
    """
    names = tuple(column.removeprefix("p_") for column in header_of(path) if column.startswith("p_"))
    if len(names) < 2:
        raise BadTableError(
            message("{file} has no probabilities: it needs a column p_CLASS for each class.", file=path.name)
        )
    rows = [
        row
        for row in read_table(path, required=REQUIRED)
        if (not part or row.get("part") == part) and row.get(f"p_{names[0]}") and row["labelled"] in names
    ]
    if not rows:
        where = f" in the {part} part" if part else ""
        raise BadTableError(
            message(
                "{file} has no labelled lesion with a prediction{where}: nothing to evaluate.",
                file=path.name,
                where=where,
            )
        )
    try:
        return PredictionTable(
            predictions=_predictions(rows, names, name or path.name),
            synthetic=any(row.get("synthetic").lower() == "true" for row in rows),
        )
    except _RowError as error:
        raise BadTableError(message("{file}, {error}", file=path.name, error=error)) from error


class _RowError(ValueError):
    """A row that cannot be used, with its place."""


def _predictions(rows: list[Row], names: tuple[str, ...], model: str) -> Predictions:
    probabilities = np.array([[_number(row, f"p_{name}") for name in names] for row in rows])
    malignancy = np.array([_optional(row, "malignancy") for row in rows])
    evidence = np.array([_optional(row, "evidence") - _optional(row, "evidence_threshold") for row in rows])
    inside = np.clip(malignancy, 1e-12, 1 - 1e-12)
    return Predictions(
        model=model,
        class_names=names,
        lesion_ids=tuple(row["lesion"] for row in rows),
        finding_ids=tuple(row.get("finding") or row["lesion"] for row in rows),
        patient_ids=tuple(row.get("patient_id") or row["patient"] for row in rows),
        sources=tuple(row.get("source") or "all" for row in rows),
        label=np.array([names.index(row["labelled"]) for row in rows], dtype=np.int64),
        malignant=np.array([{"1": 1, "0": 0}.get(row.get("malignant"), -1) for row in rows], dtype=np.int64),
        logits=np.log(np.maximum(probabilities, _SMALLEST)),
        malignancy=np.log(inside / (1 - inside)),
        no_precedent=np.array([row.get("abstained").lower() == "true" for row in rows], dtype=np.bool_),
        evidence=None if np.isnan(evidence).any() else evidence,
    )


def _number(row: Row, column: str) -> float:
    value = _optional(row, column)
    if np.isnan(value):
        raise _RowError(f"{row.where}: the column {column} is empty.")
    return value


def _optional(row: Row, column: str) -> float:
    """NaN where the cell is empty."""
    largest = 1.0 if column.startswith("p_") or column == "malignancy" else 1e9
    try:
        value = parsed_number(row, column, smallest=0.0, largest=largest)
    except ValueError as error:
        raise _RowError(f"{row.where}: {error}") from error
    return float("nan") if value is None else value
