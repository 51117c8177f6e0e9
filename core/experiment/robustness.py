"""Do the maps hold still, and does what they mark matter? Tables and curves from what was measured."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from core.evaluation.map_figures import compare_gains, faithfulness, of_sources, stability
from core.evaluation.map_tests import SAMPLE, MapRecord
from core.experiment.facts import Experiment
from core.experiment.plots import line_colour, svg
from core.experiment.table import Judged, short
from core.explain.report import PagePicture, Section, Table
from core.statistics.estimate import Comparison, p_text
from core.statistics.multiplicity import holm


def stability_section(experiment: Experiment) -> Section:
    tables = []
    for judged, records in _by_set(experiment):
        tables.append(stability_table(judged, records))
    return Section(
        title="Are the maps stable?",
        text=(
            "The same lesion with a little noise, recompressed, and a little shifted (the map is shifted back). "
            f"First training of each model, at most {SAMPLE} lesions of each test set, drawn at random.",
        )
        if tables
        else ("No lesion was measured.",),
        tables=tuple(tables),
    )


def faithfulness_section(experiment: Experiment) -> Section:
    tables, pictures = [], []
    for judged, records in _by_set(experiment):
        tables.append(faithfulness_table(judged, records))
        pictures.append(
            PagePicture(
                data=curves_figure(records),
                alt=f"Deletion and insertion curves: {judged.test_set.title}",
                caption=judged.test_set.title,
                wide=True,
            )
        )
    return Section(
        title="Do the marked regions matter to the model?",
        text=(
            "Deletion blurs the image away in the order of the map, insertion brings it back out of the blur; the "
            "curve is the probability of the true class. The random order is as coarse as the map and is the same "
            "for every model. Models differ in how sure they are, so that only gains over a model's own random "
            "order compare. First training of each model, the lesions of the section above.",
        )
        if tables
        else ("No lesion was measured.",),
        tables=tuple(tables),
        pictures=tuple(pictures),
    )


def _by_set(experiment: Experiment) -> list[tuple[Judged, list[MapRecord]]]:
    found = []
    for judged in experiment.judged:
        records = [of_sources(record, judged.test_set.sources) for record in experiment.maps]
        if records and records[0].lesion_ids:
            found.append((judged, records))
    return found


def stability_table(judged: Judged, records: Sequence[MapRecord]) -> Table:
    rows, undefined, kinds = [], [], []
    for record in records:
        found = stability(record, draws=judged.draws)
        kinds = [one.key for one in found]
        rows.append(
            (record.model, *(short(one.overlap, 2) for one in found), *(short(one.kept_class, 2) for one in found))
        )
        lost = max(one.overlap.undefined for one in found)
        if lost:
            undefined.append(f"{record.model} {lost} of {len(record.image)}")
    first = records[0]
    return Table(
        caption=f"{judged.test_set.title}: {len(first.lesion_ids)} lesions of "
        f"{len(set(first.patient_ids))} patients",
        columns=("", *(f"overlap, {kind}" for kind in kinds), *(f"class kept, {kind}" for kind in kinds)),
        rows=tuple(rows),
        note="Overlap: intersection over union of the top 5% before and after, mean over pairs of image and "
        "prototype. Class kept: share of the lesions with the same predicted class."
        + (f" Undefined (a constant map): {', '.join(undefined)} maps." if undefined else ""),
    )


def faithfulness_table(judged: Judged, records: Sequence[MapRecord]) -> Table:
    first, *others = records
    compared = [compare_gains(first, other, draws=judged.draws) for other in others]
    corrected = {key: holm([one[key].p_value for one in compared]) for key in ("deletion", "insertion")}
    rows = []
    for i, record in enumerate(records):
        found = faithfulness(record, draws=judged.draws)
        tests = [
            "" if i == 0 else _gap(compared[i - 1][key], corrected[key][i - 1])
            for key in ("deletion", "insertion")
        ]
        rows.append(
            (
                record.model,
                short(found.deletion, 2),
                short(found.deletion_gain, 2),
                tests[0],
                short(found.insertion, 2),
                short(found.insertion_gain, 2),
                tests[1],
            )
        )
    return Table(
        caption=f"{judged.test_set.title}: areas under deletion and insertion curves",
        columns=(
            "",
            "deletion",
            "gain over random",
            f"{first.model} minus this",
            "insertion",
            "gain over random",
            f"{first.model} minus this",
        ),
        rows=tuple(rows),
        note="A faithful map has a small area on deletion and a large one on insertion: gains above 0 are better "
        "than the random order. Differences of gains are paired, clustered by patient, Holm-corrected by column.",
    )


def _gap(comparison: Comparison, p: float | None) -> str:
    return f"{short(comparison.difference, 2)}, {'p undefined' if p is None else p_text(p)}"


def curves_figure(records: Sequence[MapRecord]) -> bytes:
    """Return mean curves, a colour a model; dotted: its random order. SVG."""
    figure = Figure(figsize=(10.4, 4.2), layout="constrained")
    panels: Sequence[Axes] = figure.subplots(1, 2)
    for panel, kind, title in zip(
        panels,
        ("deletion", "insertion"),
        ("Deletion: share blurred away", "Insertion: share brought back"),
        strict=True,
    ):
        for colour, record in enumerate(records):
            for suffix, style in (("", "-"), ("_random", ":")):
                mean = np.array(record.curves[f"{kind}{suffix}"]).mean(axis=0)
                panel.plot(
                    record.shares,
                    mean,
                    style,
                    color=line_colour(colour),
                    linewidth=1.6 if not suffix else 1.0,
                    label=record.model if not suffix else None,
                )
        panel.set(title=title, xlabel="share of the image", ylabel="probability of the true class", xlim=(0, 1))
    figure.legend(
        *panels[1].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8, frameon=False
    )
    return svg(figure)
