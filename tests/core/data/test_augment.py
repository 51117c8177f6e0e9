import time

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from core.data.augment import (
    Augmentation,
    AugmentParameters,
    BatchPlan,
    apply,
    augment,
    balanced_draws,
    draw_parameters,
    epoch_batches,
    generator,
    no_augmentation,
)
from core.data.roi_set import InputTransform

T = InputTransform(input_size=48, context="compact")
S, I = T.stored_size, T.input_size  # noqa: E741


def _rois(n: int = 5) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (n, S, S)).astype(np.uint8)
    masks = (random.random((n, 2, S, S)) < 0.3).astype(np.uint8)
    return pixels, masks


def _one(**changes: float | bool) -> AugmentParameters:
    base = no_augmentation(1)
    fields = {name: getattr(base, name) for name in base.__dataclass_fields__}
    fields |= {name: np.array([value]) for name, value in changes.items()}
    return AugmentParameters(**fields)


def test_no_augmentation_is_exactly_the_central_crop() -> None:
    pixels, masks = _rois()
    grey, cut = apply(no_augmentation(5), pixels, masks, T)
    o = T.crop_offset
    assert grey.dtype == np.float32 and grey.shape == (5, 1, I, I)
    assert np.array_equal(np.rint(grey[:, 0] * 255), pixels[:, o : o + I, o : o + I])
    assert np.array_equal(cut, masks[:, :, o : o + I, o : o + I])


def test_flips_mirror_the_central_crop() -> None:
    pixels, masks = _rois(1)
    grey, cut = apply(_one(flip_x=True), pixels, masks, T)
    o = T.crop_offset
    assert np.array_equal(np.rint(grey[0, 0] * 255), pixels[0, o : o + I, o : o + I][:, ::-1])
    _, cut = apply(_one(flip_y=True), pixels, masks, T)
    assert np.array_equal(cut[0, 1], masks[0, 1, o : o + I, o : o + I][::-1])


def test_a_quarter_turn_is_a_rotation_of_the_pixels() -> None:
    pixels, masks = _rois(1)
    grey, cut = apply(_one(angle_deg=90.0), pixels, masks, T)
    o = T.crop_offset
    centre = pixels[0, o : o + I, o : o + I]
    # the crop is turned clockwise, so its content turns the other way
    assert np.abs(np.rint(grey[0, 0] * 255) - np.rot90(centre, 1)).max() <= 1
    assert (cut[0, 0] == np.rot90(masks[0, 0, o : o + I, o : o + I], 1)).mean() > 0.999


@given(seed=st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_coordinates_follow_the_recorded_matrix(seed: int) -> None:
    y, x = (np.mgrid[0:S, 0:S] + 0.5) * 3
    parameters = draw_parameters(np.random.default_rng(seed), 1, Augmentation())
    empty = np.zeros((1, 1, S, S), np.uint8)
    along_x = apply(parameters, x[None].astype(np.uint8), empty, T)[0][0, 0] * 255 / 3
    along_y = apply(parameters, y[None].astype(np.uint8), empty, T)[0][0, 0] * 255 / 3
    m = parameters.matrices(T)[0]
    row, column = np.mgrid[0:I, 0:I] + 0.5
    expected_x = m[0, 0] * column + m[0, 1] * row + m[0, 2]
    expected_y = m[1, 0] * column + m[1, 1] * row + m[1, 2]
    inner = np.s_[1:-1, 1:-1]
    assert abs((along_x - expected_x)[inner].mean() + 0.5 / 3) < 0.2 and np.abs(along_x - expected_x).max() < 0.6
    assert abs((along_y - expected_y)[inner].mean() + 0.5 / 3) < 0.2 and np.abs(along_y - expected_y).max() < 0.6


def test_pixels_and_masks_share_their_parameters() -> None:
    # a bright disc and its mask stay one on the other
    y, x = np.mgrid[0:S, 0:S] + 0.5
    disc = (((x - 40) ** 2 + (y - 33) ** 2) < 64).astype(np.uint8)
    parameters = draw_parameters(np.random.default_rng(5), 20, Augmentation(rotation_deg=180))
    grey, cut = apply(parameters, np.repeat(disc[None] * 255, 20, 0), np.repeat(disc[None, None], 20, 0), T)
    bright = grey[:, 0] > 0.5
    assert (bright == (cut[:, 0] == 1)).mean() > 0.99 and bright.any()


def test_the_default_augmentation_stays_within_the_stored_square() -> None:
    parameters = draw_parameters(np.random.default_rng(1), 2000, Augmentation())
    m = parameters.matrices(T)
    corners = np.array([[0, 0, 1], [I, 0, 1], [0, I, 1], [I, I, 1]], dtype=float)
    reached = np.einsum("nij,cj->nci", m, corners)
    assert reached.min() > -0.5 and reached.max() < S + 0.5
    assert parameters.crop.min() >= 0.8 and parameters.crop.max() <= 1


def test_settings_of_zero_change_nothing() -> None:
    settings_ = Augmentation(flips=False, rotation_deg=0, smallest_crop=1, centre_jitter=0)
    pixels, masks = _rois()
    drawn = apply(draw_parameters(np.random.default_rng(1), 5, settings_), pixels, masks, T)
    plain = apply(no_augmentation(5), pixels, masks, T)
    assert np.array_equal(drawn[0], plain[0]) and np.array_equal(drawn[1], plain[1])


def test_a_crop_that_loses_a_mask_is_drawn_again() -> None:
    pixels, _ = _rois(200)
    masks = np.zeros((200, 2, S, S), np.uint8)
    masks[:, 0, 36, 36] = 1
    o = T.crop_offset
    masks[:100, 1, o + 1 : o + 4, o + 1 : o + 4] = 1  # in the corner of the ROI; the last 100 have no such mask
    _, cut, parameters = augment(generator(1, 0, 0), pixels, masks, T, Augmentation())
    assert cut[:, 0].any(axis=(1, 2)).all() and cut[:100, 1].any(axis=(1, 2)).all()
    _, again = apply(parameters, pixels, masks, T)
    assert np.array_equal(cut, again), "the record is what was applied"
    assert np.unique(parameters.crop).size > 100


def test_a_mask_that_only_the_plain_crop_shows_is_shown_plainly() -> None:
    pixels, masks = _rois(1)
    masks[:] = 0
    masks[0, 0, 0, 0] = 1  # outside the ROI: no crop without jitter shows it
    settings_ = Augmentation(centre_jitter=0, smallest_crop=1, rotation_deg=0)
    _, _, parameters = augment(generator(1, 0, 0), pixels, masks, T, settings_)
    assert not parameters.flip_x[0] and parameters.crop[0] == 1


def test_a_draw_is_the_same_whatever_came_before() -> None:
    pixels, masks = _rois()
    first = augment(generator(7, 3, 12), pixels, masks, T, Augmentation())[0]
    augment(generator(7, 3, 11), pixels, masks, T, Augmentation())
    assert np.array_equal(first, augment(generator(7, 3, 12), pixels, masks, T, Augmentation())[0])
    others = [generator(*key).random() for key in ((7, 3, 12), (7, 3, 13), (7, 4, 12), (8, 3, 12), (7, 12, 3))]
    assert len(set(others)) == len(others)


def test_draws_are_balanced_and_use_every_row_before_any_twice() -> None:
    label = np.array([0] * 10 + [1] * 3 + [2] * 2 + [-1] * 4)
    rows = balanced_draws(label, 32, generator(1, 0, 0))
    counts = np.bincount(label[rows], minlength=3)
    assert sorted(counts) == [10, 11, 11] and (label[rows] >= 0).all()
    times = np.bincount(rows, minlength=19)
    for c in range(3):
        assert np.ptp(times[label == c]) <= 1
    with pytest.raises(ValueError, match="no ROI"):
        balanced_draws([-1, -1], 3, generator(1, 0, 0))


def test_an_epoch_has_75_lesion_scale_and_10_fine_rois_a_batch() -> None:
    label = np.arange(120) % 3
    has_fine = np.arange(120) < 30
    batches = epoch_batches(
        label, has_fine, BatchPlan(batch_lesion=75, batch_fine=10, draws=850), generator(1, 0, 0)
    )
    assert len(batches) == 10 and all(len(rows) == 85 for rows in batches)
    assert not any(has_fine[rows[:75]].any() for rows in batches)
    assert all(has_fine[rows[75:]].all() for rows in batches)
    assert np.ptp(np.bincount(label[np.concatenate(batches)])) <= 2


def test_batches_without_or_with_only_fine_annotations_are_drawn_from_all() -> None:
    label = np.arange(30) % 3
    plan = BatchPlan(batch_lesion=8, batch_fine=2, draws=0)
    for has_fine in (np.zeros(30, bool), np.ones(30, bool)):
        batches = epoch_batches(label, has_fine, plan, generator(1, 0, 0))
        assert len(batches) == 3 and all(len(rows) == 10 for rows in batches)
        assert np.ptp(np.bincount(label[np.concatenate(batches)])) <= 2


@pytest.mark.benchmark
def test_85_rois_are_augmented_in_15_ms() -> None:
    transform = InputTransform(input_size=112, context="compact")
    size = transform.stored_size
    pixels = np.random.default_rng(0).integers(0, 256, (85, size, size)).astype(np.uint8)
    masks = (pixels[:, None] > 200).astype(np.uint8)
    times = []
    for i in range(20):
        start = time.perf_counter()
        augment(generator(1, 0, i), pixels, masks, transform, Augmentation())
        times.append(time.perf_counter() - start)
    print(f"85 ROIs, {size} -> 112 px: {1e3 * np.median(times):.1f} ms")  # noqa: T201


def test_draws_of_random_context_show_the_lesion_as_localisation_is_judged() -> None:
    """A lesion that fills a third of the ROI: its share of each draw, and where the draw's centre lies."""
    settings_ = Augmentation(rotation_deg=0, smallest_crop=1, centre_jitter=0, random_context=0.5)
    drawn = draw_parameters(np.random.default_rng(3), 4000, settings_, lesion_share=1 / 3)
    chosen = drawn.shift_x != 0
    assert 0.45 < chosen.mean() < 0.55
    share = 1 / 3 / drawn.crop[chosen]
    assert 0.25 <= share.min() < 0.26 and 0.59 < share.max() <= 0.6
    for shift in (drawn.shift_x, drawn.shift_y):
        relative = shift[chosen] / drawn.crop[chosen]
        assert -0.25 <= relative.min() < -0.24 and 0.24 < relative.max() <= 0.25
        assert (shift[~chosen] == 0).all()
    assert (drawn.crop[~chosen] == 1).all()


def test_quarter_turns_turn_the_pixels_exactly() -> None:
    pixels, masks = _rois(40)
    settings_ = Augmentation(flips=False, quarter_turns=True, rotation_deg=0, smallest_crop=1, centre_jitter=0)
    grey, cut, parameters = augment(np.random.default_rng(2), pixels, masks, T, settings_)
    plain, plain_masks = apply(no_augmentation(40), pixels, masks, T)
    turns = np.rint(parameters.angle_deg / 90).astype(int)
    assert set(turns.tolist()) == {0, 1, 2, 3}
    for row, turn in enumerate(turns):
        # a crop that is turned clockwise shows its content turned the other way
        np.testing.assert_array_equal(grey[row, 0], np.rot90(plain[row, 0], turn))
        np.testing.assert_array_equal(cut[row, 0], np.rot90(plain_masks[row, 0], turn))


def test_settings_that_are_off_leave_the_other_draws_as_they_were() -> None:
    plain = draw_parameters(np.random.default_rng(1), 8, Augmentation())
    turned = draw_parameters(np.random.default_rng(1), 8, Augmentation(quarter_turns=True))
    np.testing.assert_array_equal(plain.crop, turned.crop)
    np.testing.assert_array_equal((turned.angle_deg - plain.angle_deg) % 90 % 90, np.zeros(8))
