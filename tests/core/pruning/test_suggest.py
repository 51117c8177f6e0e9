from __future__ import annotations

from dataclasses import replace

import msgspec
import torch

from core.explain.gallery import Gallery, PrototypeGallery, PrototypeLikeness, analyse
from core.pruning.suggest import Reason, removable, suggest
from tests.core.explain.world import make_world
from tests.core.pruning.world import random_state, random_table

NETWORK, CARD, ROIS = make_world()


def gallery(purity: list[tuple[int, int]], inside: list[tuple[int, int]] | None = None) -> Gallery:
    entries = tuple(
        PrototypeGallery(
            index=j,
            class_index=CARD.prototype_class[j],
            training=(),
            test=(),
            purity=purity[j],
            inside_margin=(0, 0) if inside is None else inside[j],
        )
        for j in range(6)
    )
    return Gallery(prototypes=entries, likeness=())


def likeness(first: int, second: int) -> PrototypeLikeness:
    return PrototypeLikeness(
        first=first, second=second, same_class=True, same_source=False, same_patch=False, latent_distance=3.0,
        score_correlation=0.5, map_overlap=0.2,
    )  # fmt: skip


def test_fewer_than_three_of_five_is_impure() -> None:
    found = suggest(CARD, gallery([(5, 5), (3, 5), (2, 5), (0, 5), (0, 0), (4, 5)]))
    assert [(one.index, one.reason) for one in found] == [(2, Reason.IMPURE), (3, Reason.IMPURE)]
    assert found[0].sentence == "Only 2 of its 5 nearest training patches are indistinct."


def test_never_firing_inside_the_margin_is_named_only_where_there_were_margins() -> None:
    found = suggest(CARD, gallery([(5, 5)] * 6, [(0, 4), (1, 4), (0, 0), (0, 0), (4, 4), (2, 2)]))
    assert [(one.index, one.reason) for one in found] == [(0, Reason.OUTSIDE_THE_MARGIN)]
    assert "none of the 4 finely annotated circumscribed lesions" in found[0].sentence


def test_what_is_to_be_kept_is_never_suggested_and_its_twin_goes_in_its_place() -> None:
    exact = replace(likeness(0, 1), same_source=True, same_patch=True, latent_distance=0.0)
    found = suggest(CARD, replace(gallery([(5, 5), (5, 5), (0, 5), *[(5, 5)] * 3]), likeness=(exact,)), {1, 2})
    assert [(one.index, one.twin, one.reason) for one in found] == [(0, 1, Reason.EXACT_DUPLICATE)]
    assert suggest(CARD, replace(gallery([(5, 5)] * 6), likeness=(exact,)), {0, 1}) == ()


def test_exact_and_near_duplicates_name_their_twin_and_the_first_stays() -> None:
    base = gallery([(5, 5)] * 6)
    exact = replace(likeness(0, 1), same_source=True, same_patch=True, latent_distance=0.0)
    near = replace(likeness(2, 3), latent_distance=0.05)
    alike = replace(likeness(4, 5), score_correlation=0.995, map_overlap=0.95)
    found = suggest(CARD, replace(base, likeness=(exact, near, alike)))
    assert [(one.index, one.twin, one.reason) for one in found] == [
        (1, 0, Reason.EXACT_DUPLICATE),
        (3, 2, Reason.NEAR_DUPLICATE),
        (5, 4, Reason.NEAR_DUPLICATE),
    ]


def test_alike_prototypes_of_two_classes_are_no_duplicates() -> None:
    other = replace(likeness(0, 2), same_class=False, latent_distance=0.0)
    assert suggest(CARD, replace(gallery([(5, 5)] * 6), likeness=(other,))) == ()


def test_a_real_copy_is_suggested() -> None:
    network, card, rois = make_world()
    with torch.no_grad():
        network.prototypes[5].copy_(network.prototypes[4])
    twin = msgspec.structs.replace(card.prototypes[4], index=5)
    card = msgspec.structs.replace(card, prototypes=(*card.prototypes[:5], twin))
    found = [one for one in suggest(card, analyse(network, card, rois)) if one.twin is not None]
    assert (5, 4, Reason.EXACT_DUPLICATE) in [(one.index, one.twin, one.reason) for one in found]


def test_suggestions_of_a_pruned_model_count_as_the_unpruned_one() -> None:
    card = msgspec.structs.replace(
        CARD,
        prototypes=tuple(msgspec.structs.replace(p, index=p.index + 10) for p in CARD.prototypes),
    )
    assert [one.index for one in suggest(card, gallery([(0, 5)] + [(5, 5)] * 5))] == [10]


def test_what_can_go_together_leaves_every_class_one() -> None:
    table = random_table(m=6)
    state = random_state(table)  # classes 0 1 2 0 1 2
    found = suggest(CARD, gallery([(0, 5), (0, 5), (5, 5), (0, 5), (5, 5), (5, 5)]))
    assert removable(found, state) == (1, 3)
