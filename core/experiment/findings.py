"""The figures per finding: all views of one mass together, as a reader would judge them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from core.evaluation.repeated import Method, summarise_method
from core.evaluation.report import merged_by_finding
from core.experiment.table import Judged, cell
from core.explain.report import Section, Table


def findings_section(judged: Sequence[Judged]) -> tuple[Section, ...]:
    """() where every finding was seen in one view."""
    tables = tuple(table for one in judged if (table := findings_table(one)) is not None)
    if not tables:
        return ()
    text = (
        "The margin scores of the views of one mass are averaged, as are their malignancy scores. Where a "
        "model looks is evaluated per image only.",
    )
    return (Section(title="Per finding (all views of one mass)", text=text, tables=tables),)


def findings_table(judged: Judged) -> Table | None:
    """Make the table of findings; None if no finding of the test set was seen in more than one view."""
    first = judged.methods[0].first
    if len(set(first.finding_ids)) == len(first):
        return None
    keys = (("margin_auroc", "Margin AUROC"), ("kappa", "κ"), ("malignancy_auroc", "Malignancy AUROC"))
    rows, known = [], 0
    for method in judged.methods:
        merged = _merged(method)
        if len(merged.first) == 0 or _says_the_same(method, judged.methods):
            continue
        figures = summarise_method(merged, draws=judged.draws)
        known = max(known, figures.count)
        rows.append((_plain(method), *(cell(figures, key) for key, _ in keys)))
    left_out = len(set(first.finding_ids)) - known
    return Table(
        caption=f"{judged.test_set.title}: {known} findings, {len(first)} images",
        columns=("", *(label for _, label in keys)),
        rows=tuple(rows),
        note="95% intervals, clustered by patient. A dash: the model does not predict it."
        + (f" {left_out} findings whose views were given different margins are left out." if left_out else ""),
    )


def _merged(method: Method) -> Method:
    return replace(method, runs=tuple(merged_by_finding(run) for run in method.runs))


def _says_the_same(method: Method, methods: Sequence[Method]) -> bool:
    """Return True for GradCAM++ beside GradCAM: another map of the same answer."""
    before = methods[: methods.index(method)]
    return method.post_hoc and any(one.post_hoc for one in before)


def _plain(method: Method) -> str:
    return method.name.split(" with ")[0] if method.post_hoc else method.name
