"""Malignancy on the page: the equation in the paper's form, the reader's estimate as a comparator."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.data.reader_values import Float
from core.evaluation.predictions import Predictions
from core.evaluation.repeated import Method
from core.experiment.risk import risk_picture, risk_table, risks
from core.experiment.table import Against, Judged, against_the_rest, short
from core.explain.report import Section, Table
from core.model.checkpoint import LoadedModel
from core.statistics.auroc import auroc
from core.statistics.estimate import Comparison, Estimate, p_text
from core.statistics.repeated import compare_mean_auroc


def equation(model: LoadedModel) -> tuple[str, ...]:
    """Return eq. 2 and 3 with this model's coefficients, in hundredths as the paper prints them; () where
    undefined."""
    if model.card.malignancy_ridge is None or "malignancy" in model.card.notes:
        return ()
    weights = model.network.malignancy.weight.detach().numpy()[0] * 100
    bias = float(model.network.malignancy.bias.detach()[0]) * 100
    terms = [f"{w:+.0f} ŷ_{name}" for w, name in zip(weights, model.card.class_names, strict=True)]
    line = " ".join(terms).replace("+", "+ ").replace("-", "− ").removeprefix("+ ")
    sign = "+" if bias >= 0 else "−"
    return (f"ŷ_mal = {line}", f"Prob(malignancy) = σ((ŷ_mal {sign} {abs(bias):.0f})/100)")


def reader_auroc(predictions: Predictions, estimates: NDArray[np.float64]) -> Estimate | None:
    """Return AUROC of a reader's estimates (n,) on the biopsied lesions that have one; None where none has."""
    known = (predictions.malignant >= 0) & ~np.isnan(estimates)
    if not known.any():
        return None
    patients = tuple(p for p, k in zip(predictions.patient_ids, known, strict=True) if k)
    return auroc(predictions.malignant[known] == 1, estimates[known], patients)


def against_reader(method: Method, estimates: NDArray[np.float64]) -> Comparison | None:
    """Return the model minus the reader, paired, on the biopsied lesions that the reader estimated; None
    without any."""
    first, scores = method.first, method.malignancy()
    known = (first.malignant >= 0) & ~np.isnan(estimates) & ~np.isnan(scores).any(axis=0)
    if not known.any():
        return None
    reader = np.repeat(estimates[None, known], len(scores), axis=0)
    patients = tuple(p for p, k in zip(first.patient_ids, known, strict=True) if k)
    return compare_mean_auroc(first.malignant[known] == 1, scores[:, known], reader, patients)


def malignancy_section(model: LoadedModel, judged: list[Judged], readers: list[dict[str, Float]]) -> Section:
    """Return the equation, and a table a test set; ``readers``: what people said of its lesions, by
    comparator."""
    lines = equation(model)
    text = (
        "Malignancy is predicted from the margin scores alone (first training), as in eq. 2 and 3:",
        *lines,
        "The paper's: ŷ_mal = − 16 ŷ_circumscribed − 10 ŷ_indistinct + 6 ŷ_spiculated, σ((ŷ_mal − 155)/100). The "
        "coefficients depend on the scale of the scores; only their signs and order compare.",
    )
    if not lines:
        text = ("Malignancy is undefined: the biopsied training lesions do not show both outcomes.",)
    tables, pictures = [], []
    for one, reader in zip(judged, readers, strict=True):
        found = risks(one)
        if not found:
            text = (*text, f"{one.test_set.title}: no lesion with a biopsy result, so nothing can be evaluated.")
            continue
        tables += [_table(one, reader), risk_table(one, found)]
        pictures.append(risk_picture(one, found))
    return Section(title="Malignancy", text=text, tables=tuple(tables), pictures=tuple(pictures))


def _table(judged: Judged, readers: dict[str, Float]) -> Table:
    with_malignancy = [i for i, figures in enumerate(judged.figures) if "malignancy_auroc" in figures.estimates]
    others = [i for i in with_malignancy if i]
    tests = {one.other: one for one in against_the_rest(judged, others)}
    rows = []
    for i in with_malignancy:
        figures = judged.figures[i]
        estimate = figures.estimates["malignancy_auroc"]
        rows.append((figures.model, short(estimate), str(estimate.n), _test(tests.get(figures.model))))
    known = []
    for name, values in readers.items():
        reader = reader_auroc(judged.methods[0].first, values)
        if reader is None:
            continue
        known.append(name)
        gap = against_reader(judged.methods[0], values)
        said = "" if gap is None else f"{short(gap.difference)}, {_p(gap.p_value)}"
        rows.append((name[0].upper() + name[1:], short(reader), str(reader.n), said))
    return Table(
        caption=f"{judged.test_set.title}: malignancy AUROC on the biopsied lesions",
        columns=("", "AUROC", "lesions", f"{judged.methods[0].name} minus this, paired"),
        rows=tuple(rows),
        note="Paired DeLong tests clustered by patient, Holm-corrected over the models"
        + (
            "; those against the reader, on the lesions that the reader assessed, are single tests. Categories 0 "
            "(incomplete) and 6 (given after the biopsy) do not count."
            if known
            else ". This data set has no reader's assessment of malignancy to compare with."
        ),
    )


def _test(one: Against | None) -> str:
    if one is None or "malignancy_auroc" not in one.comparisons:
        return ""
    p = one.corrected["malignancy_auroc"]
    return f"{short(one.comparisons['malignancy_auroc'].difference)}, {_p(p)}"


def _p(p: float | None) -> str:
    return "p undefined" if p is None else p_text(p)
