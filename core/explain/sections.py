"""Sections of a composed page that show a model's prototypes and lead to explained cases."""

from __future__ import annotations

from collections.abc import Sequence

from core.explain import render
from core.explain.explanation import Explanation
from core.explain.gallery import Gallery
from core.explain.prototype_patches import PrototypePatch
from core.explain.render import HeatStyle
from core.explain.report import Link, PagePicture, Section, Table, number, percent
from core.model.card import ModelCard


def prototype_section(card: ModelCard, patches: Sequence[PrototypePatch], gallery: Gallery) -> Section:
    """Every prototype on its own lesion, with its neighbourhood in a table. ``patches`` may be ()."""
    own = HeatStyle(high=float(max((p.activation.max() for p in patches), default=1.0)))
    numbers = [p.index + 1 for p in card.prototypes] or [j + 1 for j in range(len(card.prototype_class))]
    pictures = [
        PagePicture(
            data=render.jpeg(
                render.with_box(render.overlay(patch.source, patch.activation, own), patch.relevant_box, width=1)
            ),
            alt=f"Prototype {numbers[j]}, {patch.class_name}, on the lesion it was learned from",
            caption=f"{numbers[j]}  {patch.class_name}",
        )
        for j, patch in enumerate(patches)
    ]
    rows = []
    for entry in gallery.prototypes:
        inside, images = entry.inside_margin
        rows.append(
            (
                f"{numbers[entry.index]}  {card.class_names[entry.class_index]}",
                card.prototypes[entry.index].lesion_id[:8] if card.prototypes else "",
                f"{entry.purity[0]} of {entry.purity[1]}",
                f"{inside} of {images}" if images else "no fine annotations",
                _twin(gallery, entry.index, numbers),
            )
        )
    table = Table(
        caption="The neighbourhood of each prototype among the training lesions",
        columns=("prototype", "lesion", "own class among the nearest", "most active inside the margin", "closest"),
        rows=tuple(rows),
        note="Closest: the prototype at the smallest latent distance, and the correlation of their scores.",
    )
    return Section(
        title="Prototypes",
        text=(
            "Each prototype is one patch of one training lesion. The colours show its activation on that "
            "lesion, the box the top 5% of the map.",
        ),
        pictures=tuple(pictures),
        tables=(table,),
    )


def _twin(gallery: Gallery, index: int, numbers: Sequence[int]) -> str:
    pairs = [pair for pair in gallery.likeness if index in (pair.first, pair.second)]
    if not pairs:
        return ""
    nearest = min(pairs, key=lambda pair: pair.latent_distance)
    other = nearest.second if nearest.first == index else nearest.first
    correlation = "" if nearest.score_correlation is None else f", r {number(nearest.score_correlation)}"
    return f"{numbers[other]} at {nearest.latent_distance:.2f}{correlation}"


def case_link(explanation: Explanation, href: str, title: str) -> Link:
    """A card that leads to a case page."""
    if explanation.precedent.found:
        c = explanation.predicted
        said = f"scored {explanation.class_names[c]} ({percent(float(explanation.probabilities[c]))})"
    else:
        said = "no precedent, no prediction"
    read = f"read as {explanation.roi.class_name}; " if explanation.roi.class_name else ""
    picture = PagePicture(data=render.png(explanation.roi.pixels), alt=f"{title}: region of interest")
    return Link(href=href, title=title, note=read + said, thumbnail=picture)
