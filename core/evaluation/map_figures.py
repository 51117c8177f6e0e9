"""Figures of stability and faithfulness from what was measured lesion by lesion, with intervals over patients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from core.domain.errors import MarginaliaError
from core.domain.messages import message
from core.evaluation.map_tests import MapRecord, Numbers
from core.evaluation.perturb import PERTURBATIONS
from core.statistics.bootstrap import DRAWS, compare, mean_draws, mean_estimate, resample
from core.statistics.estimate import Comparison, Estimate
from core.statistics.grouping import Float
from core.statistics.proportion import proportion


@dataclass(frozen=True, kw_only=True)
class Stability:
    """One model under one kind of change."""

    key: str
    label: str
    overlap: Estimate
    """Mean over pairs of the intersection over union of the top 5% before and after."""
    correlation: Estimate
    """Mean over pairs of the rank correlation of the maps."""
    kept_class: Estimate
    """Share of the lesions whose predicted class stays."""
    per_prototype: dict[int, Estimate]
    """Overlap of each prototype."""


@dataclass(frozen=True, kw_only=True)
class Faithfulness:
    """Areas under the curves of the true class's probability, and what the map gains over a random order."""

    deletion: Estimate
    deletion_gain: Estimate
    """Random order minus map: above 0 where losing what the map marks hurts more than losing as much at random."""
    insertion: Estimate
    insertion_gain: Estimate
    """Map minus random order."""


def joined(records: Sequence[MapRecord]) -> MapRecord:
    """Return the folds of one model as one record; prototypes of several folds count on. MarginaliaError for
    none."""
    if not records:
        raise MarginaliaError(message("Nothing was measured of these maps."))
    first, *rest = records
    for more in rest:
        rows, prototypes = len(first.lesion_ids), max(first.prototype, default=-1) + 1
        first = msgspec.structs.replace(
            first,
            lesion_ids=first.lesion_ids + more.lesion_ids,
            patient_ids=first.patient_ids + more.patient_ids,
            sources=first.sources + more.sources,
            label=first.label + more.label,
            image=first.image + [i + rows for i in more.image],
            prototype=first.prototype + [j + prototypes for j in more.prototype],
            overlap={key: first.overlap[key] + more.overlap[key] for key in first.overlap},
            correlation={key: first.correlation[key] + more.correlation[key] for key in first.correlation},
            kept_class={key: first.kept_class[key] + more.kept_class[key] for key in first.kept_class},
            curves={key: first.curves[key] + more.curves[key] for key in first.curves},
        )
    return first


def of_sources(record: MapRecord, sources: Sequence[str]) -> MapRecord:
    """Return the lesions of these data sets and their pairs."""
    rows = [i for i, source in enumerate(record.sources) if source in sources]
    new = {old: i for i, old in enumerate(rows)}
    pairs = [k for k, i in enumerate(record.image) if i in new]

    def picked(values: Numbers) -> Numbers:
        return [values[k] for k in pairs]

    return msgspec.structs.replace(
        record,
        lesion_ids=tuple(record.lesion_ids[i] for i in rows),
        patient_ids=tuple(record.patient_ids[i] for i in rows),
        sources=tuple(record.sources[i] for i in rows),
        label=[record.label[i] for i in rows],
        image=[new[record.image[k]] for k in pairs],
        prototype=[record.prototype[k] for k in pairs],
        overlap={key: picked(one) for key, one in record.overlap.items()},
        correlation={key: picked(one) for key, one in record.correlation.items()},
        kept_class={key: [one[i] for i in rows] for key, one in record.kept_class.items()},
        curves={key: [one[i] for i in rows] for key, one in record.curves.items()},
    )


def stability(record: MapRecord, *, draws: int = DRAWS) -> tuple[Stability, ...]:
    """Return the stability by kind of change.

    Raises: MarginaliaError for a record without a lesion.
    """
    _check(record)
    found = resample(record.patient_ids, len(record.lesion_ids), draws=draws)
    cluster = found.cluster[np.array(record.image, dtype=np.int64)]
    prototype = np.array(record.prototype, dtype=np.int64)
    rows = []
    for change in PERTURBATIONS:
        overlap, correlation = _array(record.overlap[change.key]), _array(record.correlation[change.key])
        rows.append(
            Stability(
                key=change.key,
                label=change.label,
                overlap=mean_estimate(overlap, found, cluster),
                correlation=mean_estimate(correlation, found, cluster),
                kept_class=proportion(record.kept_class[change.key], record.patient_ids),
                per_prototype={
                    int(j): mean_estimate(np.where(prototype == j, overlap, np.nan), found, cluster)
                    for j in np.unique(prototype)
                },
            )
        )
    return tuple(rows)


def faithfulness(record: MapRecord, *, draws: int = DRAWS) -> Faithfulness:
    """Return the faithfulness.

    Raises: MarginaliaError for a record without a lesion.
    """
    _check(record)
    found = resample(record.patient_ids, len(record.lesion_ids), draws=draws)
    gains = _gains(record)
    return Faithfulness(
        deletion=mean_estimate(record.area("deletion"), found),
        deletion_gain=mean_estimate(gains["deletion"], found),
        insertion=mean_estimate(record.area("insertion"), found),
        insertion_gain=mean_estimate(gains["insertion"], found),
    )


def compare_gains(first: MapRecord, second: MapRecord, *, draws: int = DRAWS) -> dict[str, Comparison]:
    """Return gains over a random order, first minus second, paired over the same lesions; by "deletion",
    "insertion".

    MarginaliaError where the records were measured on different lesions.
    """
    if first.lesion_ids != second.lesion_ids:
        raise MarginaliaError(
            message(
                "{first} and {second} were measured on different lesions.", first=first.model, second=second.model
            )
        )
    _check(first)
    found = resample(first.patient_ids, len(first.lesion_ids), draws=draws)
    a, b = _gains(first), _gains(second)

    def drawn(values: Float) -> tuple[float, Float]:
        return float(values.mean()), mean_draws(values, found)[:, 0]

    return {key: compare(drawn(a[key]), drawn(b[key]), found) for key in a}


def _gains(record: MapRecord) -> dict[str, Float]:
    """Return (n,) how much better the map's order is than a random one: it takes away earlier and puts back
    earlier."""
    return {
        "deletion": record.area("deletion_random") - record.area("deletion"),
        "insertion": record.area("insertion") - record.area("insertion_random"),
    }


def _check(record: MapRecord) -> None:
    if not record.lesion_ids:
        raise MarginaliaError(
            message("No lesion with a trained class was measured, so the stability of the maps is unknown.")
        )


def _array(values: Numbers) -> Float:
    return np.array([np.nan if v is None else v for v in values], dtype=np.float64)
