"""Where the maps lie: activation precision by class and prototype beside chance and the attainable maximum,
energy, firing inside the mask, and how far the prototypes moved when they were projected."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.evaluation.map_figures import of_sources, stability
from core.evaluation.predictions import SCALES, Float, Predictions
from core.experiment.facts import Experiment
from core.experiment.parts import FinishedPart
from core.experiment.plan import IAIA
from core.experiment.table import Judged, short
from core.explain.report import Section, Table
from core.model.card import ModelCard
from core.statistics.activation_summary import PairTable, summarise
from core.statistics.bootstrap import resample
from core.statistics.estimate import Estimate

_TITLES = {
    "lesion": "Lesion scale",
    "fine": "Fine scale",
    "lesion_drawn": "Lesion scale, ROIs with random centre and scale",
    "fine_drawn": "Fine scale, ROIs with random centre and scale",
}


POSITION_ROWS = {
    "training": "Position only: mean mask of the training lesions",
    "others": "Position only: mean mask of the other patients",
}


def where_the_maps_lie(experiment: Experiment) -> Section:
    tables: list[Table] = []
    for judged in experiment.judged:
        tables += [table for scale in SCALES if (table := precision_by_class(judged, scale)) is not None]
        tables.append(energy_and_firing(judged))
    tables.append(by_prototype(experiment))
    tables.append(distances_moved(experiment))
    return Section(
        title="Where the maps lie",
        text=(
            "Activation precision is the share of the top 5% of a map that lies inside the mask. Chance is "
            "what a random map would have, the attainable maximum what a map that marks nothing but the mask "
            "would have. Maps of the true class only.",
            "Position only is one constant map that never sees an image: the mean mask of the training lesions. "
            "In ROIs of one context the lesion always lies at the same place, so that this map scores high. A "
            "model is shown to look at the image only where it is above that map, pair by pair, with its whole "
            "interval. ROIs with random centre (up to a quarter of the side) and scale (lesion 0.25 to 0.6 of the "
            "side) take away the advantage of position.",
        ),
        tables=tuple(tables),
    )


def precision_by_class(judged: Judged, scale: str) -> Table | None:
    """Return rows of methods, then what chance, a blob and a perfect map would have; None without a mask of
    the scale."""
    names = judged.class_names
    shown = [(m, f) for m, f in zip(judged.methods, judged.figures, strict=True) if m.margins]
    first = shown[0][0].scales(scale)
    if first is None:
        return None
    keys = [*(f"{scale}_precision_{name}" for name in names), f"{scale}_precision", f"{scale}_precision_images"]
    rows = [
        (figures.model, *(short(figures.estimates.get(key)) for key in (*keys, f"{scale}_over_position")))
        for _, figures in shown
    ]
    label = shown[0][0].first.label
    position = first[0].position
    for name, values in (
        *(((POSITION_ROWS[position.source], position.precision),) if position is not None else ()),
        ("Attainable maximum", first[0].attainable),
        ("Central blob", first[0].blob),
        ("Chance", first[0].chance),
    ):
        each = [_mean(values[label == c]) for c in range(len(names))]
        rows.append((name, *each, _mean(values), _mean(values), ""))
    known = int((~np.isnan(first[0].chance)).sum())
    return Table(
        caption=f"{judged.test_set.title}: {_TITLES[scale].lower()}, by class",
        columns=("", *names, "all, over pairs", "all, over images", "minus position only (paired)"),
        rows=tuple(rows),
        note=f"{known} of {len(label)} images have a mask of this scale; undefined for the others. Pairs of an "
        "image and a prototype of its class, as in the paper; over images, each image counts once.",
    )


def _mean(values: Float) -> str:
    known = values[~np.isnan(values)]
    return f"{known.mean():.3f}" if len(known) else "undefined"


def energy_and_firing(judged: Judged) -> Table:
    keys = (
        ("lesion_energy", "energy inside the outline"),
        ("fine_energy", "energy inside the margin"),
        ("lesion_ever_fires", "ever fires in the outline"),
        ("fine_ever_fires", "ever fires in the margin"),
    )
    shown = [f for m, f in zip(judged.methods, judged.figures, strict=True) if m.margins]
    undefined = [
        f"{one.model}: {label}, {estimate.undefined} of {estimate.n + estimate.undefined}"
        for one in shown
        for key, label in keys
        if (estimate := one.estimates.get(key)) is not None and estimate.undefined
    ]
    return Table(
        caption=f"{judged.test_set.title}: energy inside the mask, and images in which a map ever fires inside",
        columns=("", *(label for _, label in keys)),
        rows=tuple((one.model, *(short(one.estimates.get(key)) for key, _ in keys)) for one in shown),
        note="Energy: share of the sum of a map that lies inside (a similarity map is nowhere 0: its energy "
        "lies near chance). Ever fires: share of the annotated images in which some of the top 5% of at least one "
        "map of the true class lies inside; post-hoc methods have one map, prototype networks one a prototype."
        + (f" Undefined (no mask, or a map of zeros): {'; '.join(undefined)}." if undefined else ""),
    )


def by_prototype(experiment: Experiment) -> Table:
    """Explain the first training of IAIA-BL, on the first test set that it was evaluated on."""
    done, judged = experiment.first(IAIA), experiment.judged[0]
    given = done.predictions("model")
    here = given.rows(np.array([source in judged.test_set.sources for source in given.sources], dtype=np.bool_))
    precision = {scale: _per_prototype(here, scale, judged.draws) for scale in ("lesion", "fine")}
    fires = _fires(here)
    steady = _steady(experiment, judged)
    card = done.model().card
    rows = []
    for j, class_index in enumerate(card.prototype_class):
        moved = f"{card.prototypes[j].distance_moved:.3g}" if card.prototypes else "undefined"
        rows.append(
            (
                str(j + 1),
                card.class_names[class_index],
                *(short(precision[scale].get(j)) for scale in ("lesion", "fine")),
                fires.get(j, "undefined"),
                *(short(one.get(j), 2) for one in steady.values()),
                moved,
            )
        )
    fold = ", fold 1" if experiment.folds else ""
    return Table(
        caption=f"IAIA-BL, first training{fold}, prototype by prototype: {judged.test_set.title}",
        columns=(
            "prototype",
            "class",
            "lesion scale",
            "fine scale",
            "fires in the margin",
            *(f"steady: {name}" for name in steady),
            "moved",
        ),
        rows=tuple(rows),
        note="Steady: overlap (intersection over union) of the top 5% before and after. Fires: images of "
        "its class with some of its top 5% inside the margin, of those with a marked one. Moved: squared latent "
        "distance at the last projection.",
    )


def _per_prototype(given: Predictions, scale: str, draws: int) -> dict[int, Estimate]:
    found = given.scales.get(scale)
    if found is None or not len(given):
        return {}
    resamples = resample(given.patient_ids, len(given), draws=draws)
    return summarise(found.pairs, given.class_names, resamples).per_prototype


def _fires(given: Predictions) -> dict[int, str]:
    if given.fine_scale is None:
        return {}
    table: PairTable = given.fine_scale.fires
    found = {}
    for j in np.unique(table.prototype):
        mine = table.value[(table.prototype == j) & ~np.isnan(table.value)]
        found[int(j)] = f"{int(mine.sum())} of {len(mine)}" if len(mine) else "undefined"
    return found


def _steady(experiment: Experiment, judged: Judged) -> dict[str, dict[int, Estimate]]:
    """Return the stability by kind of change; {} if nothing was measured. With folds the first one's
    prototypes come first."""
    if not experiment.maps:
        return {}
    record = of_sources(experiment.maps[0], judged.test_set.sources)
    if not record.lesion_ids:
        return {}
    return {one.key: one.per_prototype for one in stability(record, draws=judged.draws)}


def distances_moved(experiment: Experiment) -> Table:
    """Measure how far projection (stage A2) moved the prototypes: the less, the more they were patches
    already."""
    rows = []
    for trial in experiment.trials:
        every: Sequence[FinishedPart] = [done for folds in experiment.done[trial.key] for done in folds]
        if (every[0].folder / "model").is_dir():
            rows.append((trial.name, *_moved(every)))
    return Table(
        caption="Distance moved at the last projection, over all trainings",
        columns=("", "prototypes", "median", "largest", "less than 0.001", "on a patch of another"),
        rows=tuple(rows),
        note="Squared latent distance from where training had left a prototype to the nearest patch of its class. "
        "Undefined where the prototypes were never projected. On a patch of another: prototypes of a training "
        "that are the same patch as an earlier one of their class.",
    )


def twins(card: ModelCard) -> int:
    """Return prototypes that were projected onto a patch which an earlier one of their class is already."""
    places = [(one.class_name, one.lesion_id, one.cell) for one in card.prototypes]
    return len(places) - len(set(places))


def _moved(every: Sequence[FinishedPart]) -> tuple[str, ...]:
    cards = [done.model().card for done in every]
    moved = np.array([prototype.distance_moved for card in cards for prototype in card.prototypes])
    if not len(moved):
        return (str(sum(len(card.prototype_class) for card in cards)), *["undefined"] * 4)
    small = int((moved < 1e-3).sum())
    spread = (f"{np.median(moved):.3g}", f"{moved.max():.3g}", f"{small} of {len(moved)}")
    return (str(len(moved)), *spread, str(sum(twins(card) for card in cards)))
