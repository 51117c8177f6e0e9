"""Which prototypes a person may want to prune, and why; nothing is removed without being asked."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from core.domain.messages import Sentence, message
from core.explain.gallery import LIMITS, Gallery, PrototypeLikeness
from core.model.card import ModelCard
from core.pruning.prune import PrunableState

PURE = 3
"""Own-class patches needed among the 5 nearest training patches, or the prototype is impure (authors)."""


class Reason(StrEnum):
    EXACT_DUPLICATE = "exact duplicate"
    NEAR_DUPLICATE = "near duplicate"
    IMPURE = "impure"
    OUTSIDE_THE_MARGIN = "never inside the margin"


@dataclass(frozen=True, kw_only=True)
class Suggestion:
    """One prototype with one reason; a prototype can have several."""

    index: int
    """Among the prototypes of the unpruned model, as ``prune`` counts them."""
    reason: Reason
    sentence: Sentence
    twin: int | None = None
    """The near-duplicate prototype that would stay."""


def suggest(card: ModelCard, gallery: Gallery, keep: Collection[int] = ()) -> tuple[Suggestion, ...]:
    """All suggestions, by prototype and in the order of ``Reason``. Duplicates are sought within a class.

    ``keep``: prototypes (numbered as in ``Suggestion``) that somebody wants kept; they are never suggested.
    """
    base = [p.index for p in card.prototypes] or list(range(len(card.prototype_class)))
    found = [*_duplicates(gallery.likeness, base, keep)]
    for entry in gallery.prototypes:
        name = card.class_names[entry.class_index]
        own, looked_at = entry.purity
        if looked_at and own < PURE * looked_at / 5:
            found.append(
                Suggestion(
                    index=base[entry.index],
                    reason=Reason.IMPURE,
                    sentence=message(
                        "Only {own} of its {looked_at} nearest training patches are {name}.",
                        own=own,
                        looked_at=looked_at,
                        name=name,
                    ),
                )
            )
        inside, images = entry.inside_margin
        if images and not inside:
            found.append(
                Suggestion(
                    index=base[entry.index],
                    reason=Reason.OUTSIDE_THE_MARGIN,
                    sentence=message(
                        "In none of the {images} finely annotated {name} lesions is it most active inside "
                        "the marked margin.",
                        images=images,
                        name=name,
                    ),
                )
            )
    order = list(Reason)
    found = [one for one in found if one.index not in keep]
    return tuple(sorted(found, key=lambda one: (one.index, order.index(one.reason))))


def _duplicates(
    pairs: Sequence[PrototypeLikeness], base: Sequence[int], keep: Collection[int]
) -> Iterable[Suggestion]:
    """The later of two like prototypes is the one to go, the earlier where the later is to be kept; each is named
    once, for its closest twin."""
    named: set[int] = set()
    for pair in sorted(pairs, key=lambda pair: (not pair.same_patch, pair.latent_distance)):
        if not pair.same_class or pair.second in named or pair.first in named:
            continue
        stays, goes = (pair.first, pair.second) if base[pair.second] not in keep else (pair.second, pair.first)
        if pair.same_patch:
            yield Suggestion(
                index=base[goes],
                reason=Reason.EXACT_DUPLICATE,
                sentence=message("The same patch of the same lesion as prototype {base}.", base=base[stays] + 1),
                twin=base[stays],
            )
        elif _near(pair):
            yield Suggestion(
                index=base[goes],
                reason=Reason.NEAR_DUPLICATE,
                sentence=message(
                    "Nearly identical to prototype {base}: latent distance "
                    "{latent_distance:.3f}, correlation of the scores {score_correlation:.3f}, "
                    "overlap of the maps {map_overlap:.2f}.",
                    base=base[stays] + 1,
                    latent_distance=pair.latent_distance,
                    score_correlation=pair.score_correlation or 0,
                    map_overlap=pair.map_overlap,
                ),
                twin=base[stays],
            )
        else:
            continue
        named.add(goes)


def _near(pair: PrototypeLikeness) -> bool:
    close = pair.latent_distance <= LIMITS["latent"]
    alike = pair.score_correlation is not None and pair.score_correlation >= LIMITS["correlation"]
    return close or (alike and pair.map_overlap >= LIMITS["overlap"])


def removable(suggestions: Iterable[Suggestion], state: PrunableState) -> tuple[int, ...]:
    """The suggested prototypes that can go together; a class of which all are suggested keeps its first."""
    wanted = {one.index for one in suggestions} & set(state.kept)
    for c in range(len(state.class_names)):
        own = [j for j in state.kept if state.prototype_class[j] == c]
        if wanted.issuperset(own):
            wanted.discard(own[0])
    return tuple(sorted(wanted))
