"""Several runs of a method on the same lesions: figures as means over the runs, and paired tests of methods."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import msgspec
import numpy as np

from core.domain.errors import MarginaliaError
from core.domain.messages import message
from core.evaluation.predictions import SCALES, Bool, Float, Predictions, ScalePrecision
from core.statistics.activation_summary import (
    PairTable,
    compare_tables,
    image_values,
    over_pairs,
    pair_draws,
    summarise,
)
from core.statistics.agreement import agreement_draws, class_tables, confusion, kappa_of
from core.statistics.bootstrap import Resamples, interval, mean_estimate, resample
from core.statistics.estimate import Comparison, Estimate
from core.statistics.repeated import (
    compare_mean_auroc,
    compare_mean_multiclass,
    mean_auroc,
    mean_multiclass_auroc,
)

Measure = Literal["precision", "energy"]


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one method on one set of lesions, means over its runs."""

    model: str
    runs: int
    count: int
    """Lesions (images)."""
    patients: int
    estimates: dict[str, Estimate]
    """By the keys of ``core.evaluation.report``: margin_auroc, kappa, fine_precision, ..."""
    per_run: dict[str, tuple[float | None, ...]]
    """The same figures run by run: what another seed does."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Method:
    """The predictions of one method, one entry a run, over the same lesions in the same order."""

    name: str
    runs: tuple[Predictions, ...]
    post_hoc: bool = False
    """True where its maps are no part of what it computes (GradCAM)."""
    margins: bool = True
    """False for the end-to-end classifier of malignancy, which knows no margin."""

    def __post_init__(self) -> None:
        for run in self.runs[1:]:
            check_same_lesions(self.runs[0], run)

    @property
    def first(self) -> Predictions:
        return self.runs[0]

    def rows(self, chosen: Bool) -> Method:
        return replace(self, runs=tuple(run.rows(chosen) for run in self.runs))

    def of_sources(self, sources: Iterable[str]) -> Method:
        wanted = set(sources)
        return self.rows(np.array([source in wanted for source in self.first.sources], dtype=np.bool_))

    def probabilities(self) -> Float:
        """Return (R, n, K) logits."""
        return np.stack([run.probabilities for run in self.runs])

    def malignancy(self) -> Float:
        """Return (R, n); NaN where a run predicts none."""
        return np.stack([run.malignancy for run in self.runs])

    def scales(self, scale: str) -> list[ScalePrecision] | None:
        """Return each run's values at one scale of mask; None if a run has none."""
        found = [run.scales.get(scale) for run in self.runs]
        kept = [one for one in found if one is not None]
        return kept if len(kept) == len(found) else None

    def table(self, scale: str, what: Measure = "precision") -> PairTable | None:
        """Return the pairs of all runs at one scale of mask; prototypes count on from run to run."""
        found = self.scales(scale)
        if found is None:
            return None
        if what == "energy":
            measured = [one.energies for one in found]
            tables = [one for one in measured if one is not None]
            if len(tables) < len(found):
                return None
        else:
            tables = [one.pairs for one in found]
        counts = np.cumsum([0, *(int(table.prototype.max(initial=-1)) + 1 for table in tables[:-1])])
        return PairTable(
            image=np.concatenate([table.image for table in tables]),
            prototype=np.concatenate([t.prototype + first for t, first in zip(tables, counts, strict=True)]),
            klass=np.concatenate([table.klass for table in tables]),
            value=np.concatenate([table.value for table in tables]),
        )


def check_same_lesions(first: Predictions, second: Predictions) -> None:
    """Raise MarginaliaError if two predictions cannot be paired: other lesions or other classes."""
    if first.class_names != second.class_names:
        raise MarginaliaError(
            message(
                "{first} and {second} have different classes ({classes}; {other_classes}) and cannot be compared.",
                first=first.model,
                second=second.model,
                classes=", ".join(first.class_names),
                other_classes=", ".join(second.class_names),
            )
        )
    if first.lesion_ids != second.lesion_ids:
        differ = set(first.patient_ids) ^ set(second.patient_ids)
        what = (
            message("{count} of their test patients differ", count=len(differ))
            if differ
            else message("their test lesions differ")
        )
        raise MarginaliaError(
            message(
                "{first} and {second} were trained on different splits ({what}): only models that "
                "are tested "
                "on the same patients can be compared.",
                first=first.model,
                second=second.model,
                what=what,
            )
        )


def summarise_method(method: Method, *, draws: int) -> Figures:
    """Return every figure of Table 1 with its patient-clustered interval, and run by run."""
    first = method.first
    resamples = resample(first.patient_ids, len(first), draws=draws)
    estimates: dict[str, Estimate] = {}
    if method.margins:
        estimates |= _margins(method, resamples)
    estimates |= _precisions(method, resamples)
    known = _known(method)
    if known.any():
        some = method.rows(known)
        estimates["malignancy_auroc"] = mean_auroc(
            some.first.malignant == 1, some.malignancy(), some.first.patient_ids
        )
    each = [replace(method, runs=(run,)) for run in method.runs]
    singles = [estimates] if len(each) == 1 else [_points(one) for one in each]
    return Figures(
        model=method.name,
        runs=len(method.runs),
        count=len(first),
        patients=len(set(first.patient_ids)),
        estimates=estimates,
        per_run={key: tuple(single[key].value for single in singles) for key in singles[0]},
    )


def _points(method: Method) -> dict[str, Estimate]:
    """Return the figures of a single run; few resamples, since only the values are used."""
    resamples = resample(method.first.patient_ids, len(method.first), draws=2)
    found = _margins(method, resamples) if method.margins else {}
    found |= _precisions(method, resamples)
    known = _known(method)
    if known.any():
        some = method.rows(known)
        positive = some.first.malignant == 1
        found["malignancy_auroc"] = mean_auroc(positive, some.malignancy(), some.first.patient_ids)
    return found


def _known(method: Method) -> Bool:
    """Return (n,) lesions with a biopsy result and a predicted malignancy."""
    return np.asarray((method.first.malignant >= 0) & ~np.isnan(method.malignancy()).any(axis=0))


def _margins(method: Method, resamples: Resamples) -> dict[str, Estimate]:
    first, names = method.first, method.first.class_names
    areas = mean_multiclass_auroc(first.label, method.probabilities(), names, first.patient_ids)
    tables = np.stack([confusion(run.label, run.predicted, len(names)) for run in method.runs])
    drawn = [agreement_draws(run.label, run.predicted, len(names), resamples) for run in method.runs]
    found = {"margin_auroc": areas.mean}
    found |= {f"auroc_{name}": areas.per_class[name] for name in names}
    found["kappa"] = _mean(kappa_of(tables), [d.overall for d in drawn], resamples)
    each = kappa_of(class_tables(tables))
    for k, name in enumerate(names):
        found[f"kappa_{name}"] = _mean(each[:, k], [d.per_class[:, k] for d in drawn], resamples)
    accuracy = np.array([float((run.predicted == run.label).mean()) for run in method.runs])
    found["accuracy"] = _mean(accuracy, [d.accuracy for d in drawn], resamples)
    return found


def _mean(values: Float, draws: Sequence[Float], resamples: Resamples) -> Estimate:
    return interval(float(np.mean(values)), np.mean(draws, axis=0), resamples)


def _precisions(method: Method, resamples: Resamples) -> dict[str, Estimate]:
    found = {}
    for scale in SCALES:
        table = method.table(scale)
        if table is None:
            continue
        summary = summarise(table, method.first.class_names, resamples)
        found[f"{scale}_precision"] = summary.over_pairs
        found[f"{scale}_precision_images"] = summary.over_images
        found |= {f"{scale}_precision_{name}": one for name, one in summary.per_class.items()}
        energy = method.table(scale, "energy")
        if energy is not None:
            found[f"{scale}_energy"] = over_pairs(energy, resamples)
        found[f"{scale}_ever_fires"] = _ever_fires(method, scale, resamples)
        one = (method.scales(scale) or [])[0]
        found[f"{scale}_blob"] = mean_estimate(one.blob, resamples)
        found[f"{scale}_chance"] = mean_estimate(one.chance, resamples)
        found[f"{scale}_attainable"] = mean_estimate(one.attainable, resamples)
        over = table.value - one.blob[table.image]
        found[f"{scale}_over_blob"] = mean_estimate(over, resamples, resamples.cluster[table.image])
        if one.position is not None:
            # every run of a method has the same training part, and so the same position-only map
            alone = one.position.precision
            found[f"{scale}_position"] = mean_estimate(alone, resamples)
            found[f"{scale}_over_position"] = mean_estimate(
                table.value - alone[table.image], resamples, resamples.cluster[table.image]
            )
    return found


def _ever_fires(method: Method, scale: str, resamples: Resamples) -> Estimate:
    """Share of annotated images in which a prototype ever fires inside the mask, mean over the runs."""
    scales = method.scales(scale)
    assert scales is not None
    each = np.stack([image_values(one.fires, resamples.n, "max") for one in scales])
    return mean_estimate(each.mean(axis=0), resamples)


def compare_methods(first: Method, second: Method, *, draws: int) -> dict[str, Comparison]:
    """Return paired tests, first minus second: DeLong clustered by patient for areas, the patient bootstrap
    otherwise.

    MarginaliaError where the methods were not tested on the same lesions or not run equally often.
    """
    found: dict[str, Comparison] = {}
    if first.margins and second.margins:
        check_same_lesions(first.first, second.first)
        _check_runs(first, second)
        found |= _compare_margins(first, second)
        resamples = resample(first.first.patient_ids, len(first.first), draws=draws)
        for scale in SCALES:
            a, b = first.table(scale), second.table(scale)
            if a is not None and b is not None:
                found[f"{scale}_precision"] = compare_tables(a, b, resamples).over_pairs
    malignancy = _compare_malignancy(first, second)
    if malignancy is not None:
        found["malignancy_auroc"] = malignancy
    return found


def _check_runs(first: Method, second: Method) -> None:
    if len(first.runs) != len(second.runs):
        raise MarginaliaError(
            message(
                "{first} was run {first_times} times and {second} {second_times} times: compare "
                "methods with as many seeds each.",
                first=first.name,
                first_times=len(first.runs),
                second=second.name,
                second_times=len(second.runs),
            )
        )


def _compare_margins(first: Method, second: Method) -> dict[str, Comparison]:
    label, names, patients = first.first.label, first.first.class_names, first.first.patient_ids
    a, b = first.probabilities(), second.probabilities()
    found = {"margin_auroc": compare_mean_multiclass(label, a, b, names, patients)}
    for k, name in enumerate(names):
        found[f"auroc_{name}"] = compare_mean_auroc(label == k, a[:, :, k], b[:, :, k], patients)
    return found


def _compare_malignancy(first: Method, second: Method) -> Comparison | None:
    """Compare on the lesions for which both predict a malignancy and a biopsy is known; None if there are
    none."""
    mine, yours = _known(first), _known(second)
    shared = set(np.array(first.first.lesion_ids)[mine]) & set(np.array(second.first.lesion_ids)[yours])
    if not shared or len(first.runs) != len(second.runs):
        return None
    a = first.rows(np.array([lesion in shared for lesion in first.first.lesion_ids]))
    b = second.rows(np.array([lesion in shared for lesion in second.first.lesion_ids]))
    if a.first.lesion_ids != b.first.lesion_ids:
        return None
    return compare_mean_auroc(a.first.malignant == 1, a.malignancy(), b.malignancy(), a.first.patient_ids)


def precision_ratio(first: Method, second: Method, scale: str, *, draws: int) -> Estimate | None:
    """Divide the activation precision of ``second`` into that of ``first``, with a patient bootstrap."""
    a, b = first.table(scale), second.table(scale)
    if a is None or b is None:
        return None
    check_same_lesions(first.first, second.first)
    resamples = resample(first.first.patient_ids, len(first.first), draws=draws)
    top, bottom = pair_draws(a, resamples)[0], pair_draws(b, resamples)[0]
    ratio = np.divide(top, bottom, out=np.full(len(top), np.nan), where=bottom > 0)
    mine, base = (float(t.value[~np.isnan(t.value)].mean()) if _defined(t) else 0.0 for t in (a, b))
    return interval(mine / base if base > 0 and _defined(a) else None, ratio, resamples)


def _defined(table: PairTable) -> bool:
    return not bool(np.isnan(table.value).all())
