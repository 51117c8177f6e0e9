"""Stability and faithfulness of maps, against models whose answers are known by construction."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from core.data.roi_set import RoiSet
from core.domain.errors import Cancelled, MarginaliaError
from core.evaluation.map_figures import compare_gains, faithfulness, joined, of_sources, stability
from core.evaluation.map_tests import SHARES, Explainer, MapRecord, OwnMaps, measure, sample
from core.evaluation.perturb import (
    JPEG_QUALITY,
    common_part,
    recompressed,
    shift_of,
    shifted,
    with_noise,
)
from tests.core.training.tiny import tiny_rois

GRID = 8


def brightness(rois: RoiSet) -> np.ndarray:
    """(n, g, g) mean grey of each cell: a map that follows the picture."""
    crops = rois.central(rois.pixels).astype(np.float32)
    side = crops.shape[1] // GRID
    return crops.reshape(len(rois), GRID, side, GRID, side).mean(axis=(2, 4))


def model(maps: str = "brightness") -> Explainer:
    """Its probability of every class is the detail in the upper left quarter, which is what it looks at."""

    def own(rois: RoiSet) -> OwnMaps:
        here = brightness(rois)
        if maps == "corner":
            here = np.zeros_like(here)
            here[:, : GRID // 2, : GRID // 2] = 1
        elif maps == "elsewhere":
            here = np.zeros_like(here)
            here[:, GRID // 2 :, GRID // 2 :] = 1
        elif maps == "nothing":
            here = np.ones_like(here)
        rows = np.arange(len(rois))
        return OwnMaps(image=rows, prototype=rois.label, maps=here, predicted=rois.label)

    def probabilities(grey: np.ndarray) -> np.ndarray:
        half = grey.shape[1] // 2
        detail = np.abs(np.diff(grey[:, :half, :half], axis=2)).mean(axis=(1, 2))
        return np.repeat(np.minimum(1, 4 * detail)[:, None].astype(np.float64), 3, axis=1)

    return Explainer(name=maps, maps=own, probabilities=probabilities)


def textured() -> RoiSet:
    """Detail everywhere, so that any quarter can be taken away."""
    rois = tiny_rois(12)
    pixels = np.random.default_rng(0).integers(0, 256, rois.pixels.shape).astype(np.uint8)
    return replace(rois, pixels=pixels)


def test_a_shift_moves_the_content_and_shows_the_mammograms_own_pixels() -> None:
    rois = tiny_rois(4)
    by = shift_of(rois)
    assert by == 1
    before, after = rois.central(rois.pixels), rois.central(shifted(rois).pixels)
    np.testing.assert_array_equal(after[:, by:, by:], before[:, :-by, :-by])
    o = rois.transform.crop_offset
    np.testing.assert_array_equal(after[:, 0, by:], rois.pixels[:, o - by, o : o + after.shape[2] - by])
    a, b = common_part(before.astype(np.float32), after.astype(np.float32), by)
    np.testing.assert_array_equal(a, b)


def test_without_stored_context_nothing_is_shifted() -> None:
    rois = tiny_rois(2)
    bare = replace(
        rois,
        transform=msgspec.structs.replace(rois.transform, stored_share=1.0),
        pixels=np.ascontiguousarray(rois.central(rois.pixels)),
    )
    assert shift_of(bare) == 0
    np.testing.assert_array_equal(shifted(bare).pixels, bare.pixels)


def test_noise_and_recompression_change_little_and_repeat_themselves() -> None:
    rois = tiny_rois(6)
    for change, most in ((with_noise, 6), (recompressed, 25)):
        once = change(rois).pixels.astype(int)
        assert 0 < np.abs(once - rois.pixels).mean() < most, (change, JPEG_QUALITY)
        np.testing.assert_array_equal(once, change(rois).pixels)
        reordered = rois.rows([3, 0])
        np.testing.assert_array_equal(change(reordered).pixels, change(rois).pixels[[3, 0]])


def test_a_map_that_ignores_the_picture_is_perfectly_stable() -> None:
    record = measure(model("corner"), textured())
    found = {one.key: one for one in stability(record, draws=50)}
    for key in ("noise", "recompression"):
        assert found[key].overlap.value == pytest.approx(1.0)
        assert found[key].correlation.value == pytest.approx(1.0)
        assert found[key].kept_class.value == 1.0
    assert found["shift"].overlap.value is not None and found["shift"].overlap.value < 1.0


def test_a_map_that_moves_with_the_picture_is_stable_under_a_shift_of_whole_cells() -> None:
    """A shift by one cell (4 of 32 pixels), undone on the maps, leaves what both show."""
    rois = textured()
    before = brightness(rois)
    moved = replace(rois, pixels=np.roll(rois.pixels, 4, axis=(1, 2)))
    a, b = common_part(before, brightness(moved), 1)
    np.testing.assert_allclose(a, b)


def test_a_map_that_says_nothing_is_undefined_and_counted() -> None:
    record = measure(model("nothing"), tiny_rois(6))
    for one in stability(record, draws=50):
        assert one.overlap.value is None
        assert one.overlap.undefined == 6
        assert one.correlation.value is None


def test_taking_away_what_the_model_looks_at_hurts_more_than_a_random_order() -> None:
    rois = textured()
    right, wrong = measure(model("corner"), rois), measure(model("elsewhere"), rois)
    good, bad = faithfulness(right, draws=200), faithfulness(wrong, draws=200)
    for gain in (good.deletion_gain, good.insertion_gain):
        assert gain.low is not None and gain.low > 0
    for gain in (bad.deletion_gain, bad.insertion_gain):
        assert gain.high is not None and gain.high < 0
    compared = compare_gains(right, wrong, draws=200)
    for key in ("deletion", "insertion"):
        value = compared[key].difference.value
        assert value is not None and value > 0
        assert compared[key].p_value is not None


def test_a_random_order_is_the_same_for_every_model_and_its_area_is_that_of_scikit_learn() -> None:
    from sklearn.metrics import auc

    rois = textured()
    one, two = measure(model("corner"), rois), measure(model("elsewhere"), rois)
    assert one.curves["deletion_random"] == two.curves["deletion_random"]
    assert len(one.curves["deletion"]) == len(rois)
    assert one.area("deletion") == pytest.approx([auc(SHARES, c) for c in one.curves["deletion"]])
    # nothing taken away is the picture itself, everything put back as well
    assert [c[0] for c in one.curves["deletion"]] == pytest.approx([c[-1] for c in one.curves["insertion"]])


def test_records_are_joined_cut_and_survive_json() -> None:
    rois = replace(tiny_rois(8), sources=("film",) * 3 + ("digital",) * 5)
    whole = measure(model(), rois)
    parts = [measure(model(), rois.rows(list(range(*ends)))) for ends in ((0, 3), (3, 8))]
    both = joined(parts)
    assert both.lesion_ids == whole.lesion_ids
    assert both.overlap == whole.overlap
    assert both.curves == whole.curves
    assert max(both.prototype) > max(whole.prototype)
    film = of_sources(both, ["film"])
    assert film.overlap == parts[0].overlap
    assert film.image == parts[0].image
    assert msgspec.json.decode(msgspec.json.encode(whole), type=MapRecord) == whole


def test_the_sample_is_of_every_source_and_the_same_again() -> None:
    rois = replace(tiny_rois(24), sources=("film",) * 12 + ("digital",) * 12)
    label = rois.label.copy()
    label[:4] = -1
    some = sample(replace(rois, label=label), most=6)
    assert [some.sources.count(s) for s in ("film", "digital")] == [6, 6]
    assert (some.label >= 0).all()
    assert some.lesion_ids == sample(replace(rois, label=label), most=6).lesion_ids


def test_nothing_to_measure_and_other_lesions_are_refused() -> None:
    rois = tiny_rois(4)
    record = measure(model(), rois)
    with pytest.raises(MarginaliaError, match="different lesions"):
        compare_gains(record, measure(model(), rois.rows([0, 1])), draws=20)
    with pytest.raises(MarginaliaError, match="No lesion"):
        faithfulness(of_sources(record, []), draws=20)
    with pytest.raises(Cancelled):
        measure(model(), rois, cancelled=lambda: True)
