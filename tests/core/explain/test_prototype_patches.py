from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from core.domain.errors import BadFileError, ModelError
from core.explain.explanation import explain, roi_input
from core.explain.prototype_patches import load_patches, patches_for, prototype_patches, save_patches
from core.model.network import without_prototypes
from tests.core.explain.world import make_world

NETWORK, CARD, ROIS = make_world()


def test_a_patch_shows_its_source_with_the_peak_at_the_projected_cell() -> None:
    for patch, prototype in zip(prototype_patches(NETWORK, CARD, ROIS), CARD.prototypes, strict=True):
        row = ROIS.lesion_ids.index(prototype.lesion_id)
        np.testing.assert_array_equal(patch.source, ROIS.central(ROIS.pixels[row]))
        y, x = np.unravel_index(patch.activation.argmax(), patch.activation.shape)
        assert prototype.patch_box_roi.grown(2).contains((x + 0.5, y + 0.5))
        assert patch.class_name == prototype.class_name


def test_the_crop_is_the_most_relevant_part() -> None:
    patch = prototype_patches(NETWORK, CARD, ROIS)[0]
    b = patch.relevant_box
    assert patch.crop().shape == (b.height, b.width)
    assert patch.activation[int(b.y0) : int(b.y1), int(b.x0) : int(b.x1)].max() == patch.activation.max()


def test_a_source_whose_pixels_changed_is_refused_by_name() -> None:
    _, _, rois = make_world()
    row = rois.lesion_ids.index(CARD.prototypes[0].lesion_id)
    rois.pixels[row] += 1
    with pytest.raises(ModelError, match=f"{CARD.prototypes[0].lesion_id} is no longer the one"):
        prototype_patches(NETWORK, CARD, rois)


def test_a_missing_source_is_refused_by_name() -> None:
    keep = np.array([lesion != CARD.prototypes[0].lesion_id for lesion in ROIS.lesion_ids])
    with pytest.raises(ModelError, match="not among these ROIs"):
        prototype_patches(NETWORK, CARD, ROIS.rows(keep))


def test_a_model_that_was_never_projected_has_no_patches() -> None:
    with pytest.raises(ModelError, match="never projected"):
        prototype_patches(NETWORK, msgspec.structs.replace(CARD, prototypes=()), ROIS)


def test_kept_patches_come_back_equal_and_only_for_their_model(tmp_path: Path) -> None:
    patches = prototype_patches(NETWORK, CARD, ROIS)
    path = tmp_path / "patches.h5"
    save_patches(path, patches, "a" * 64)
    for before, after in zip(patches, load_patches(path, "a" * 64), strict=True):
        np.testing.assert_array_equal(before.source, after.source)
        np.testing.assert_array_equal(before.activation, after.activation)
        assert (before.index, before.relevant_box, before.cell) == (after.index, after.relevant_box, after.cell)
    with pytest.raises(BadFileError, match="another model"):
        load_patches(path, "b" * 64)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(BadFileError, match="cannot be read"):
        load_patches(path, "a" * 64)


def test_after_pruning_every_row_finds_its_own_picture() -> None:
    patches = prototype_patches(NETWORK, CARD, ROIS)
    kept = [1, 2, 3, 5]
    pruned = without_prototypes(NETWORK, {0, 4})
    card = msgspec.structs.replace(
        CARD,
        prototype_class=tuple(CARD.prototype_class[j] for j in kept),
        prototypes=tuple(CARD.prototypes[j] for j in kept),
    )
    found = patches_for(explain(pruned, card, roi_input(ROIS, 0)), patches)
    assert [patch.lesion_id for patch in found if patch] == [CARD.prototypes[j].lesion_id for j in kept]
    assert patches_for(explain(pruned, card, roi_input(ROIS, 0)), ()) == (None,) * 4


def test_pictures_of_another_model_are_refused() -> None:
    patches = prototype_patches(NETWORK, CARD, ROIS)
    other = tuple(replace(patch, lesion_id="elsewhere") for patch in patches)
    with pytest.raises(ModelError, match="picture of prototype 1 is of another model"):
        patches_for(explain(NETWORK, CARD, roi_input(ROIS, 0)), other)
