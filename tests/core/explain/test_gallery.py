from __future__ import annotations

import numpy as np
import pytest
import torch

from core.domain.errors import Cancelled
from core.explain.gallery import analyse, sweep
from core.training.inference import infer
from tests.core.explain.world import make_rois, make_world

NETWORK, CARD, ROIS = make_world()
TEST = make_rois(7, seed=5, first=100)
GALLERY = analyse(NETWORK, CARD, ROIS, TEST)


def test_the_nearest_training_patch_of_a_projected_prototype_is_its_own_source() -> None:
    for gallery, prototype in zip(GALLERY.prototypes, CARD.prototypes, strict=True):
        nearest = gallery.training[0]
        assert (nearest.lesion_id, nearest.cell) == (prototype.lesion_id, prototype.cell)
        assert nearest.similarity == pytest.approx(np.log(1e4))
        assert nearest.patch_box == prototype.patch_box_roi
        assert nearest.patch_box_image == prototype.patch_box_image


def test_neighbours_are_the_most_similar_patches_of_as_many_images() -> None:
    maps = infer(NETWORK, TEST, keep_maps=True).maps
    assert maps is not None
    for gallery in GALLERY.prototypes:
        best = np.sort(maps[:, gallery.index].reshape(len(TEST), -1).max(axis=1))[::-1][:5]
        np.testing.assert_allclose([patch.similarity for patch in gallery.test], best, rtol=1e-6)
        assert len({patch.lesion_id for patch in gallery.test}) == 5


def test_purity_counts_the_own_class_among_the_nearest_training_patches() -> None:
    for gallery in GALLERY.prototypes:
        own = [ROIS.label[ROIS.lesion_ids.index(p.lesion_id)] == gallery.class_index for p in gallery.training]
        assert gallery.purity == (sum(own), 5)


def test_with_fewer_images_than_asked_for_the_purity_says_how_many_were_looked_at() -> None:
    few = analyse(NETWORK, CARD, ROIS.rows(np.arange(3)))
    assert all(gallery.purity[1] == 3 for gallery in few.prototypes)
    assert few.prototypes[0].test == ()


def test_scores_of_the_sweep_are_those_of_inference() -> None:
    np.testing.assert_array_equal(sweep(NETWORK, ROIS).scores, infer(NETWORK, ROIS).scores)


def test_a_copied_prototype_is_found_by_every_measure() -> None:
    network, card, rois = make_world()
    with torch.no_grad():
        network.prototypes[1].copy_(network.prototypes[0])
    pair = analyse(network, card, rois).likeness[0]
    assert (pair.first, pair.second, pair.same_class) == (0, 1, True)
    assert pair.latent_distance == 0.0
    assert pair.score_correlation == pytest.approx(1.0)
    assert pair.map_overlap == pytest.approx(1.0)
    found = analyse(network, card, rois)
    for criterion in ("latent", "correlation", "overlap"):
        assert any({0, 1} <= set(group) for group in found.groups(criterion))


def test_groups_by_source_hold_the_prototypes_of_one_lesion() -> None:
    by_lesion: dict[str, list[int]] = {}
    for j, prototype in enumerate(CARD.prototypes):
        by_lesion.setdefault(prototype.lesion_id, []).append(j)
    expected = sorted(tuple(group) for group in by_lesion.values() if len(group) > 1)
    assert list(GALLERY.groups("source")) == expected
    assert all(0 <= pair.map_overlap <= 1 for pair in GALLERY.likeness)
    with pytest.raises(ValueError, match="no criterion"):
        GALLERY.groups("colour")


def test_links_join_into_one_group() -> None:
    assert GALLERY.groups("latent", limit=1e9) == (tuple(range(6)),)


def test_the_pass_can_be_cancelled() -> None:
    with pytest.raises(Cancelled):
        analyse(NETWORK, CARD, ROIS, cancelled=lambda: True)


def test_firing_inside_the_margin_is_counted_over_the_finely_annotated_images_of_the_class() -> None:
    network, card, rois = make_world()
    everywhere, nowhere = rois.label == 0, rois.label == 1
    rois.has_fine[everywhere | nowhere] = True
    rois.fine[everywhere] = 1
    rois.fine[nowhere, :2, :2] = 1  # outside the un-augmented crop: the mask is empty, and says nothing
    counts = [entry.inside_margin for entry in analyse(network, card, rois).prototypes]
    assert counts == [(4, 4), (4, 4), (0, 0), (0, 0), (0, 0), (0, 0)]
