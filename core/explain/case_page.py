"""The page of one explained lesion: Fig. 4 with every number that belongs to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from core.domain.geometry import Box
from core.explain import render
from core.explain.explanation import Explanation, PrototypeRow
from core.explain.prototype_patches import PrototypePatch, patches_for
from core.explain.render import HeatStyle
from core.explain.report import Provenance, class_colour, render_template


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A bar from ``start`` to ``end`` on an axis, in percent of its width."""

    left: float
    width: float
    zero: float
    positive: bool


@dataclass(frozen=True, kw_only=True)
class EvidenceRow:
    """A row of Fig. 4 as the template shows it; pictures are PNG or JPEG bytes."""

    row: PrototypeRow
    colour: str
    activation: bytes
    """(b)"""
    part: bytes | None
    """(c)"""
    source: bytes | None
    """(d)"""
    source_box: Box | None
    self_activation: bytes | None
    """(e)"""
    weight: float
    contribution: float
    running: float
    """The class score so far: the sum of this contribution and all above it."""
    bar: Bar


@dataclass(frozen=True, kw_only=True)
class ContributionTable:
    """A sum by prototype: largest share first, with its total."""

    title: str
    question: str
    head: tuple[str, ...]
    """Names of the columns of ``lines`` between similarity and share."""
    lines: tuple[tuple[PrototypeRow, str, tuple[float, ...], float, Bar], ...]
    """(row, colour, factors, share, bar)"""
    rest: tuple[tuple[str, float], ...]
    """Further terms, by name (the intercept)."""
    total_name: str
    total: float


@dataclass(frozen=True, kw_only=True)
class View:
    """The class activation view of one class."""

    name: str
    colour: str
    picture: bytes
    logit: float
    probability: float
    bar: Bar


@dataclass(frozen=True, kw_only=True)
class CaseFacts:
    """The study's facts about the case, shown beside the model's answer."""

    model: str = ""
    """Name of the run."""
    day: str = ""
    """Date of the page, ISO 8601."""
    voices: tuple[tuple[str, str, float | None], ...] = ()
    """Name of the reader ("" for the data set), their word, and their probability of malignancy where given."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """One voice as the page shows it."""

    who: str
    word: str
    colour: str
    probability: float | None
    agrees: bool | None
    """True if the model gives the same class; None if it was not trained on this word or gives no class."""


def render_case(
    explanation: Explanation,
    provenance: Provenance,
    *,
    patches: Sequence[PrototypePatch] = (),
    title: str = "",
    colours: render.ColourMap = "magma",
    index_href: str = "",
    facts: CaseFacts | None = None,
) -> str:
    """The page. ``patches`` of the model or the one it was pruned from; none where it came without its sources.

    ``title`` names the case by a pseudonym; the lesion's study identifier where empty. ``index_href`` leads back.
    ``facts``: with them the page names the data set, each reader and the model side by side; without them it
    names the label of the training set.
    """
    shown = explanation.predicted
    others = [b for b in range(len(explanation.class_names)) if b != shown]
    maps = np.stack([row.activation for row in explanation.rows])
    style = HeatStyle(high=float(maps.max()), colours=colours)
    context = {
        "title": title or f"Lesion {explanation.roi.lesion_id[:13]}",
        "index_href": index_href,
        "facts": facts or CaseFacts(),
        "calls": _calls(explanation, facts or CaseFacts()),
        "explanation": explanation,
        "class_name": explanation.class_names[shown],
        "class_index": shown,
        "size": explanation.roi.pixels.shape[0],
        "roi": render.png(explanation.roi.pixels),
        "evidence": evidence_rows(explanation, patches, shown, style=style),
        "why_not": tuple(why_not(explanation, shown, b) for b in others),
        "malignancy": malignancy_ledger(explanation),
        "views": class_views(explanation, style),
        "style": style,
        "colour_bar": render.png(render.colour_bar(style)),
        "provenance": provenance,
        "class_colours": tuple(class_colour(c) for c in range(len(explanation.class_names))),
    }
    return render_template("case.html.j2", context)


def evidence_rows(
    explanation: Explanation,
    patches: Sequence[PrototypePatch],
    class_index: int,
    *,
    style: HeatStyle,
) -> tuple[EvidenceRow, ...]:
    """Rows by their contribution to one class, with the running sum that ends in its score.

    ``style`` is that of this lesion's maps; a prototype's map on its own lesion has its own scale.
    """
    ranked = explanation.ranked(class_index)
    pictured = patches_for(explanation, patches)
    values = [float(row.contributions[class_index]) for row in ranked]
    running = np.cumsum(values)
    bars = waterfall(values)
    rows = []
    for row, value, total, bar in zip(ranked, values, running, bars, strict=True):
        patch = pictured[row.index]
        rows.append(
            EvidenceRow(
                row=row,
                colour=class_colour(row.class_index),
                activation=render.jpeg(render.overlay(explanation.roi.pixels, row.activation, style)),
                part=None if patch is None else render.png(patch.crop()),
                source=None if patch is None else render.png(patch.source),
                source_box=None if patch is None else patch.relevant_box,
                self_activation=None
                if patch is None
                else render.jpeg(render.overlay(patch.source, patch.activation, own_style(patch, style))),
                weight=float(row.weights[class_index]),
                contribution=value,
                running=float(total),
                bar=bar,
            )
        )
    return tuple(rows)


def own_style(patch: PrototypePatch, style: HeatStyle) -> HeatStyle:
    """The colours of ``style`` on the own scale of a prototype's map."""
    low, high = render.own_scale(patch.activation)
    return replace(style, low=low, high=high)


def _calls(explanation: Explanation, facts: CaseFacts) -> tuple[Call, ...]:
    names, found = explanation.class_names, explanation.precedent.found
    shown = names[explanation.predicted]
    return tuple(
        Call(
            who=who or "Data set",
            word=word,
            colour=class_colour(names.index(word)) if word in names else "#7d8998",
            probability=probability,
            agrees=word == shown if found and word in names else None,
        )
        for who, word, probability in facts.voices
    )


def why_not(explanation: Explanation, a: int, b: int) -> ContributionTable:
    """Why class ``a`` and not ``b``: ``(W_aj - W_bj) s_j`` by prototype."""
    first, second = explanation.class_names[a], explanation.class_names[b]
    shares = explanation.differences(a, b)
    factors = [(float(row.weights[a]), float(row.weights[b])) for row in explanation.rows]
    return ContributionTable(
        title=f"{first}, not {second}",
        question=f"What each prototype adds to {first} over {second}.",
        head=(f"weight {first}", f"weight {second}"),
        lines=_lines(explanation, shares, factors),
        rest=(),
        total_name="difference of the scores",
        total=float(explanation.logits[a] - explanation.logits[b]),
    )


def malignancy_ledger(explanation: Explanation) -> ContributionTable | None:
    """``(sum_c v_c W_cj) s_j`` by prototype, and the intercept; None where the model predicts no malignancy."""
    if explanation.malignancy_logit is None:
        return None
    shares = np.array([row.malignancy_contribution for row in explanation.rows])
    return ContributionTable(
        title="Malignancy",
        question="What each prototype adds to the malignancy score, through the margin scores alone.",
        head=("weight",),
        lines=_lines(explanation, shares, [(row.malignancy_weight,) for row in explanation.rows]),
        rest=(("intercept", explanation.malignancy_bias),),
        total_name="malignancy score",
        total=explanation.malignancy_logit,
    )


def class_views(explanation: Explanation, style: HeatStyle) -> tuple[View, ...]:
    bars = from_zero([float(z) for z in explanation.logits])
    return tuple(
        View(
            name=name,
            colour=class_colour(c),
            picture=render.jpeg(
                render.overlay(explanation.roi.pixels, explanation.class_activation(c), style), 92
            ),
            logit=float(explanation.logits[c]),
            probability=float(explanation.probabilities[c]),
            bar=bars[c],
        )
        for c, name in enumerate(explanation.class_names)
    )


def _lines(
    explanation: Explanation, shares: NDArray[np.float64], factors: Sequence[tuple[float, ...]]
) -> tuple[tuple[PrototypeRow, str, tuple[float, ...], float, Bar], ...]:
    bars = from_zero([float(v) for v in shares])
    order = sorted(range(len(shares)), key=lambda j: -shares[j])
    return tuple(
        (
            explanation.rows[j],
            class_colour(explanation.rows[j].class_index),
            factors[j],
            float(shares[j]),
            bars[j],
        )
        for j in order
    )


def waterfall(values: Sequence[float]) -> tuple[Bar, ...]:
    """Bars that each start where the one before ended, on one axis that holds them all and zero."""
    ends = np.concatenate([[0.0], np.cumsum(values)])
    low, span = _axis(ends)
    return tuple(_bar(ends[i], ends[i + 1], low, span) for i in range(len(values)))


def from_zero(values: Sequence[float]) -> tuple[Bar, ...]:
    """Bars that all start at zero, on one axis."""
    low, span = _axis(np.array([0.0, *values]))
    return tuple(_bar(0.0, value, low, span) for value in values)


def _axis(ends: NDArray[np.float64]) -> tuple[float, float]:
    low, high = float(ends.min()), float(ends.max())
    return low, (high - low) or 1.0


def _bar(start: float, end: float, low: float, span: float) -> Bar:
    left, right = min(start, end), max(start, end)
    return Bar(
        left=100 * (left - low) / span,
        width=100 * (right - left) / span,
        zero=100 * (0.0 - low) / span,
        positive=end >= start,
    )
