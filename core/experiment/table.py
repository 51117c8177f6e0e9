"""Table 1 of the paper and its tests, from the predictions of the methods on one set of test lesions."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass

from core.evaluation.repeated import Figures, Method, compare_methods, precision_ratio, summarise_method
from core.explain.report import Table, number
from core.statistics.estimate import Comparison, Estimate, p_text
from core.statistics.multiplicity import holm

NOT_BELOW, POST_HOC = "ᵃ", "ᵇ"
SIGNIFICANT = 0.05
MARGIN_OF_NON_INFERIORITY = -0.03


@dataclass(frozen=True, kw_only=True)
class TestSet:
    """Test lesions that are judged together."""

    __test__ = False  # no test, whatever its name begins with

    title: str
    sources: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Judged:
    """Methods on one test set, with their figures; the first method is the one that is compared with the rest."""

    test_set: TestSet
    methods: tuple[Method, ...]
    figures: tuple[Figures, ...]
    draws: int

    @property
    def class_names(self) -> tuple[str, ...]:
        return next(method.first.class_names for method in self.methods if method.margins)


def judge_methods(test_set: TestSet, methods: Sequence[Method], *, draws: int) -> Judged:
    here = tuple(method.of_sources(test_set.sources) for method in methods)
    return Judged(
        test_set=test_set,
        methods=here,
        figures=tuple(summarise_method(method, draws=draws) for method in here),
        draws=draws,
    )


def short(estimate: Estimate | None, digits: int = 3) -> str:
    """Return "0.951 [0.905, 0.996]", as the paper prints it."""
    if estimate is None or estimate.value is None:
        return "undefined"
    value = number(estimate.value, digits)
    if estimate.low is None or estimate.high is None:
        return f"{value} [no interval]"
    return f"{value} [{number(estimate.low, digits)}, {number(estimate.high, digits)}]"


_ONE_SIDED = " An AUROC of exactly 1 or 0 has no interval but an exact one-sided 95% bound."
NOT_PREDICTED = "–"


def cell(figures: Figures, key: str, digits: int = 3) -> str:
    """Format as ``short``; a dash if the model does not predict this at all (a black box of margins,
    malignancy)."""
    return short(figures.estimates[key], digits) if key in figures.estimates else NOT_PREDICTED


_LOCALISATION = (
    ("fine", "Fine-scale activation precision"),
    ("lesion", "Lesion-scale activation precision"),
    ("fine_drawn", "Fine-scale precision, random ROIs"),
    ("lesion_drawn", "Lesion-scale precision, random ROIs"),
)
_CONTROLS = ("_position", "_over_position")
"""Ends of the keys of rows that are a control, or a difference from one: none of them is the best."""


def localisation_rows(known: Container[str]) -> list[tuple[str, str]]:
    """Return (key, name of the row): every row of localisation with the position-only control below it."""
    rows = []
    for scale, label in _LOCALISATION:
        if scale in ("fine", "lesion") or f"{scale}_precision" in known:
            rows.append((f"{scale}_precision", label))
        if f"{scale}_position" in known:
            rows.append((f"{scale}_position", "– position only (a constant map)"))
            rows.append((f"{scale}_over_position", "– minus position only (paired)"))
    return rows


def table_rows(class_names: Sequence[str], known: Container[str] = ()) -> list[tuple[str, str]]:
    """Return (key, name of the row), in the paper's order; ``known``: the keys that the first method has."""
    return [
        ("margin_auroc", "Mass margin classification (AUROC)"),
        *((f"auroc_{name}", f"{name.capitalize()} versus all (AUROC)") for name in reversed(class_names)),
        ("kappa", "Cohen's κ"),
        *localisation_rows(known),
    ]


def table_one(judged: Judged) -> Table:
    """Return every row with intervals, the best in bold, ᵃ what is not significantly below it, ᵇ post-hoc
    maps."""
    methods = [i for i, method in enumerate(judged.methods) if method.margins]
    tests = _PairedTests(judged)
    rows, strong = [], set()
    known = judged.figures[methods[0]].estimates
    for row_number, (key, label) in enumerate(table_rows(judged.class_names, known)):
        estimates = [judged.figures[i].estimates.get(key) for i in methods]
        best = None if key.endswith(_CONTROLS) else _best(estimates)
        marks = _marks(tests, methods, key, best)
        cells = []
        for column, (i, estimate) in enumerate(zip(methods, estimates, strict=True)):
            post_hoc = POST_HOC if judged.methods[i].post_hoc and key.endswith("precision") else ""
            is_best = best is not None and estimate is not None and estimate.value == _value(estimates[best])
            cells.append(short(estimate) + ("" if is_best else marks[column]) + post_hoc)
            if is_best:
                strong.add((row_number, column + 1))
        rows.append((label, *cells))
    first = judged.figures[methods[0]]
    bounded = any("one-sided" in e.method for i in methods for e in judged.figures[i].estimates.values())
    runs = f", means over {first.runs} trainings (seeds)" if first.runs > 1 else ""
    return Table(
        caption=f"{judged.test_set.title}: {first.count} images of {first.patients} patients{runs}",
        columns=("", *(judged.methods[i].name for i in methods)),
        rows=tuple(rows),
        strong=frozenset(strong),
        note="The best value of a row is in bold. 95% intervals, clustered by patient. "
        f"{NOT_BELOW} Not significantly below the best (paired test clustered by patient, Holm-corrected over the "
        f"row, p ≥ {SIGNIFICANT}); κ is not tested. {POST_HOC} Post-hoc: nothing guarantees that the map shows "
        "what the model computed its answer from." + (_ONE_SIDED if bounded else ""),
    )


def _value(estimate: Estimate | None) -> float | None:
    return None if estimate is None else estimate.value


def _best(estimates: Sequence[Estimate | None]) -> int | None:
    known = [(e.value, -i) for i, e in enumerate(estimates) if e is not None and e.value is not None]
    return -max(known)[1] if known else None


class _PairedTests:
    """Each pair of methods is compared once, whatever rows ask for it."""

    def __init__(self, judged: Judged) -> None:
        self.judged = judged
        self.found: dict[tuple[int, int], dict[str, Comparison]] = {}

    def of(self, first: int, second: int) -> dict[str, Comparison]:
        pair = (first, second)
        if pair not in self.found:
            methods = self.judged.methods
            self.found[pair] = compare_methods(methods[first], methods[second], draws=self.judged.draws)
        return self.found[pair]


def _marks(tests: _PairedTests, methods: Sequence[int], key: str, best: int | None) -> list[str]:
    """Return ᵃ for each method that no test shows to lie below the best."""
    marks = [""] * len(methods)
    if best is None or key == "kappa":
        return marks
    others = [column for column in range(len(methods)) if column != best]
    found = [tests.of(methods[best], methods[column]).get(key) for column in others]
    corrected = holm([None if test is None else test.p_value for test in found])
    for column, p in zip(others, corrected, strict=True):
        if p is not None and p >= SIGNIFICANT:
            marks[column] = NOT_BELOW
    return marks


@dataclass(frozen=True, kw_only=True)
class Against:
    """The first method against one other."""

    other: str
    comparisons: dict[str, Comparison]
    ratios: dict[str, Estimate | None]
    """Ratios of the activation precisions, by scale."""
    corrected: dict[str, float | None]
    """Holm-corrected p-values, over the other methods, by key."""


def against_the_rest(judged: Judged, others: Sequence[int] | None = None) -> list[Against]:
    """Return the first method compared with each of the others (by default all that know margins)."""
    chosen = (
        list(others)
        if others is not None
        else [i for i, method in enumerate(judged.methods) if i and method.margins]
    )
    first = judged.methods[0]
    comparisons = [compare_methods(first, judged.methods[i], draws=judged.draws) for i in chosen]
    keys = sorted({key for found in comparisons for key in found})
    corrected = {
        key: holm([found[key].p_value if key in found else None for found in comparisons]) for key in keys
    }
    return [
        Against(
            other=judged.methods[i].name,
            comparisons=found,
            ratios={
                s: precision_ratio(first, judged.methods[i], s, draws=judged.draws) for s in ("lesion", "fine")
            },
            corrected={key: corrected[key][position] for key in found},
        )
        for position, (i, found) in enumerate(zip(chosen, comparisons, strict=True))
    ]


def paired_table(judged: Judged, found: Sequence[Against]) -> Table:
    """Return differences from the first method with corrected p-values, and ratios of activation precision."""
    rows = []
    for one in found:
        rows.append(
            (
                one.other,
                _difference(one, "margin_auroc"),
                _difference(one, "fine_precision"),
                _difference(one, "lesion_precision"),
                short(one.ratios.get("lesion"), 2) if one.ratios.get("lesion") is not None else "undefined",
            )
        )
    name = judged.methods[0].name
    return Table(
        caption=f"{judged.test_set.title}: {name} minus each other model, paired",
        columns=(
            "Against",
            "Margin AUROC",
            "Fine-scale precision",
            "Lesion-scale precision",
            "Lesion-scale ratio",
        ),
        rows=tuple(rows),
        note="Areas: paired DeLong test clustered by patient. Activation precision: bootstrap over patients. "
        "p-values are Holm-corrected over the models of the column.",
    )


def _difference(one: Against, key: str) -> str:
    comparison = one.comparisons.get(key)
    if comparison is None:
        return "undefined"
    p = one.corrected[key]
    return f"{short(comparison.difference)}, {'p undefined' if p is None else p_text(p)}"


def verdicts(judged: Judged, found: Sequence[Against]) -> list[str]:
    """State in words whether attention is closer to the lesion, and at what price in accuracy."""
    name = judged.methods[0].name
    said = []
    for one in found:
        gap = one.comparisons.get("margin_auroc")
        ratio = one.ratios.get("lesion")
        if gap is None or gap.difference.low is None or ratio is None or ratio.value is None:
            continue
        kept = gap.difference.low > MARGIN_OF_NON_INFERIORITY
        accuracy = (
            f"its margin AUROC is not lower by {-MARGIN_OF_NON_INFERIORITY} or more"
            if kept
            else f"a margin AUROC lower by {-MARGIN_OF_NON_INFERIORITY} or more is not excluded"
        )
        said.append(
            f"Against {one.other}: {name}'s lesion-scale activation precision is {short(ratio, 2)} times as high, "
            f"and {accuracy} (difference {short(gap.difference)})." + _placed_at_random(one)
        )
    return said


def _placed_at_random(one: Against) -> str:
    """State the difference in ROIs where position alone tells nothing; "" where it was not measured."""
    drawn = one.comparisons.get("lesion_drawn_precision")
    if drawn is None or drawn.difference.value is None:
        return ""
    low, high = drawn.difference.low, drawn.difference.high
    shown = "its maps lie in the lesion more often"
    if low is None or high is None or low <= 0 <= high:
        shown = "no difference is shown"
    elif high < 0:
        shown = "its maps lie in the lesion less often"
    return f" In ROIs with random centre and scale {shown} (difference {short(drawn.difference)})."


def agreement_table(judged: Judged) -> Table:
    """Return Cohen's kappa overall and per class."""
    keys = [("kappa", "overall"), *((f"kappa_{name}", name) for name in judged.class_names)]
    chosen = [(m, f) for m, f in zip(judged.methods, judged.figures, strict=True) if m.margins and not m.post_hoc]
    black_box = [(m, f) for m, f in zip(judged.methods, judged.figures, strict=True) if m.margins and m.post_hoc][
        :1
    ]
    return Table(
        caption=f"{judged.test_set.title}: Cohen's κ with the reader",
        columns=("Model", *(label for _, label in keys)),
        rows=tuple((m.name, *(short(f.estimates.get(key), 2) for key, _ in keys)) for m, f in chosen + black_box),
        note="Between radiologists the paper cites κ of 0.48 to 0.65 on real mammograms.",
    )


def figures_table(caption: str, figures: Sequence[Figures], note: str = "") -> Table:
    """Return a row a model: margin AUROC, kappa, activation precision at both scales, malignancy."""
    optional = (
        ("lesion_over_position", "Lesion-scale minus position only"),
        ("fine_over_position", "Fine-scale minus position only"),
        ("lesion_drawn_over_position", "the same, random ROIs: lesion scale"),
        ("fine_drawn_over_position", "random ROIs: fine scale"),
    )
    keys = (
        ("margin_auroc", "Margin AUROC"),
        ("kappa", "κ"),
        ("lesion_precision", "Lesion-scale precision"),
        ("fine_precision", "Fine-scale precision"),
        *(one for one in optional if any(one[0] in each.estimates for each in figures)),
        ("malignancy_auroc", "Malignancy AUROC"),
    )
    return Table(
        caption=caption,
        columns=("Model", *(label for _, label in keys)),
        rows=tuple((one.model, *(cell(one, key) for key, _ in keys)) for one in figures),
        note=note,
    )


def seeds_table(judged: Judged) -> Table:
    """Make the table of seeds: the same figures run by run."""
    keys = (
        ("margin_auroc", "Margin AUROC"),
        ("lesion_precision", "Lesion-scale precision"),
        ("fine_precision", "Fine-scale precision"),
        ("malignancy_auroc", "Malignancy AUROC"),
    )

    def each(values: Sequence[float | None]) -> str:
        return ", ".join("undefined" if v is None else number(v, 3) for v in values) or NOT_PREDICTED

    return Table(
        caption=f"{judged.test_set.title}: run by run",
        columns=("Model", *(label for _, label in keys)),
        rows=tuple((one.model, *(each(one.per_run.get(key, ())) for key, _ in keys)) for one in judged.figures),
    )
