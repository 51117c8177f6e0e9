"""Paired tests of a study's own runs, on the test patients that they share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec

from core.domain.errors import ModelError
from core.domain.events import IsCancelled
from core.domain.messages import message
from core.domain.vocabulary import Part
from core.evaluation.repeated import Method, compare_methods
from core.statistics.bootstrap import DRAWS
from core.statistics.estimate import Comparison, p_text
from core.statistics.multiplicity import holm
from core.store.study import Study
from core.tasks.review.evaluate_runs import predictions_of
from core.tasks.runs.lifecycle import active_model, finished_run


class RunComparison(msgspec.Struct, frozen=True, kw_only=True):
    """The first run minus another."""

    first: str
    second: str
    synthetic: bool
    comparisons: dict[str, Comparison]
    corrected: dict[str, float | None]
    """Holm-corrected p-values over the other runs, by figure."""


def compare_runs(
    study: Study, names: Sequence[str], *, draws: int = DRAWS, cancelled: IsCancelled
) -> list[RunComparison]:
    """Return the first run against each of the others.

    ModelError for a run that was never projected; MarginaliaError for runs of other splits or classes.
    """
    methods = []
    for name in names:
        run = finished_run(study, name)
        if not active_model(study, run).card.prototypes:
            raise ModelError(
                message(
                    "Run {run} was never projected (stage A2): its prototypes are not patches of an image, and "
                    "its maps cannot be compared with those of a projected one.",
                    run=run.name,
                )
            )
        found = predictions_of(study, run, part=Part.TEST, cancelled=cancelled)
        methods.append(Method(name=run.name, runs=(replace(found, model=run.name),)))
    compared = [compare_methods(methods[0], other, draws=draws) for other in methods[1:]]
    keys = list(dict.fromkeys(key for one in compared for key in one))
    corrected = {key: holm([one[key].p_value if key in one else None for one in compared]) for key in keys}
    synthetic = study.is_synthetic
    return [
        RunComparison(
            first=methods[0].name,
            second=other.name,
            synthetic=synthetic,
            comparisons=one,
            corrected={key: corrected[key][i] for key in one},
        )
        for i, (other, one) in enumerate(zip(methods[1:], compared, strict=True))
    ]


def comparison_text(found: Sequence[RunComparison]) -> str:
    lines = []
    for one in found:
        lines.append(("SYNTHETIC DATA. " if one.synthetic else "") + f"{one.first} minus {one.second}:")
        width = max(len(key) for key in one.comparisons)
        for key, comparison in one.comparisons.items():
            p = one.corrected[key]
            said = "p undefined" if p is None else p_text(p)
            lines.append(f"  {key:<{width}}  {comparison.difference}, {said}")
    lines.append(
        "95% intervals and tests, paired and clustered by patient; p-values Holm-corrected over the runs."
    )
    return "\n".join(lines)
