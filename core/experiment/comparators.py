"""Simple comparators on the experiment's own folds: a linear probe on the frozen trunk, and hand-made features."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.data.roi_set import RoiSet
from core.domain.errors import ModelError
from core.domain.events import Emit, IsCancelled, Message
from core.domain.messages import message
from core.domain.vocabulary import Part
from core.evaluation.comparators import HAND_MADE, PROBE, Features, Float, linear_predictions, pooled_features
from core.evaluation.hand_features import hand_made_features
from core.evaluation.predictions import Predictions, pooled
from core.evaluation.repeated import Method
from core.experiment.parts import Data
from core.experiment.table import Judged, against_the_rest, cell, short
from core.explain.report import Section, Table
from core.statistics.estimate import p_text
from core.training.begin_or_resume import make_network
from core.training.config import TrainingConfig


def comparator_methods(
    config: TrainingConfig, data: Sequence[Data], *, runs: int, emit: Emit, cancelled: IsCancelled
) -> list[Method]:
    """Return each comparator, fitted on the training part of every fold and evaluated on its test part.

    Nothing in them is random, so that each stands for every one of ``runs`` seeds. Without the trunk's weights
    the probe is left out, with a message.
    """
    found = []
    for name, features in _features(config, data, emit, cancelled).items():
        folds = [
            linear_predictions(name, features, one.of_part(Part.TRAINING), one.of_part(Part.TEST)) for one in data
        ]
        joined: Predictions = folds[0] if len(folds) == 1 else pooled(folds)
        found.append(Method(name=name, runs=(joined,) * runs))
    return found


def _features(
    config: TrainingConfig, data: Sequence[Data], emit: Emit, cancelled: IsCancelled
) -> dict[str, Features]:
    """Measure the features of each comparator; every lesion is measured once, whatever the number of folds."""
    everything = data[0].rois
    kinds = {HAND_MADE: _kept(everything, hand_made_features(everything))}
    try:
        network = make_network(config, fresh=True)
    except ModelError as error:
        emit(Message(level="warning", text=message("The linear probe is left out: {error}", error=error)))
        return kinds
    random = " (random weights)" if config.architecture.weights == "random" else ""
    return {PROBE + random: _kept(everything, pooled_features(network, everything, cancelled=cancelled)), **kinds}


def _kept(rois: RoiSet, values: Float) -> Features:
    row_of = {lesion: row for row, lesion in enumerate(rois.lesion_ids)}

    def features(asked: RoiSet) -> Float:
        return np.asarray(values[[row_of[lesion] for lesion in asked.lesion_ids]])

    return features


def comparators_section(judged: Sequence[Judged]) -> Section:
    """Return the first model beside each comparator, on every test set; () for none."""
    return Section(
        title="Simple comparators",
        text=(
            "What is reached without the network's training: logistic regression on the mean features inside the "
            "lesion of the same trunk, frozen as it was before any training, and on 72 hand-made features of "
            "edge, spiculation, brightness and size. Both are fitted on the training lesions of the model, with a "
            "patient-grouped choice of the ridge. They are given the lesion's outline.",
        ),
        tables=tuple(_table(one) for one in judged),
    )


def _table(judged: Judged) -> Table:
    names = judged.class_names
    keys = (
        ("margin_auroc", "Margin AUROC"),
        *((f"auroc_{name}", name) for name in names),
        ("malignancy_auroc", "Malignancy AUROC"),
    )
    against = {one.other: one for one in against_the_rest(judged)}
    rows = []
    for figures in judged.figures:
        gap = ""
        one = against.get(figures.model)
        if one is not None and "margin_auroc" in one.comparisons:
            p = one.corrected["margin_auroc"]
            difference = short(one.comparisons["margin_auroc"].difference)
            gap = f"{difference}, {'p undefined' if p is None else p_text(p)}"
        rows.append((figures.model, *(cell(figures, key) for key, _ in keys), gap))
    return Table(
        caption=f"{judged.test_set.title}: the model beside simple comparators",
        columns=("", *(label for _, label in keys), f"{judged.methods[0].name} minus this (margin, paired)"),
        rows=tuple(rows),
        note="95% intervals, clustered by patient; paired DeLong tests, Holm-corrected over the comparators.",
    )
