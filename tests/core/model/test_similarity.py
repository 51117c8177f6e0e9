from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.domain.errors import ModelError
from core.model.similarity import largest_similarity, pool_top_k, resolve_top_k, similarity, upsample


def test_is_log_of_one_over_epsilon_at_zero() -> None:
    assert similarity(torch.zeros(1)).item() == pytest.approx(math.log(1e4), rel=1e-7)
    assert largest_similarity() == pytest.approx(9.2103, abs=5e-5)


@settings(max_examples=50, deadline=None)
@given(st.floats(0, 1e3, width=32), st.floats(1.001, 100))
def test_falls_with_distance_and_stays_in_its_range(distance: float, factor: float) -> None:
    near = torch.tensor(distance, dtype=torch.float32)
    far = near * factor + 1e-6
    assert 0 < similarity(far) < similarity(near) <= largest_similarity() + 1e-6


@pytest.mark.parametrize("distance", [0.0, 1e-6, 1e-2, 1.0, 85.0, 1e6])
def test_value_and_slope_match_the_formula_in_float64(distance: float) -> None:
    d = torch.tensor(distance, requires_grad=True)
    s = similarity(d)
    s.backward()
    assert d.grad is not None
    true = float(torch.tensor(distance).double())
    # log1p of the exact quotient: the textbook form loses its digits at large d even in float64
    assert s.item() == pytest.approx(math.log1p((1 - 1e-4) / (true + 1e-4)), rel=2e-7)
    assert d.grad.item() == pytest.approx(-(1 - 1e-4) / ((true + 1) * (true + 1e-4)), rel=1e-5)


def test_one_cell_is_the_maximum_and_all_cells_the_mean() -> None:
    torch.manual_seed(0)
    maps = torch.rand(3, 4, 14, 14)
    assert torch.equal(pool_top_k(maps, 1), maps.amax((2, 3)))
    torch.testing.assert_close(pool_top_k(maps, 196), maps.mean((2, 3)))


def test_pools_the_largest_cells_by_hand() -> None:
    maps = torch.tensor([[1.0, 5.0], [2.0, 4.0]])[None, None]
    assert pool_top_k(maps, 2).item() == 4.5
    assert pool_top_k(maps, 3).item() == pytest.approx(11 / 3)


@pytest.mark.parametrize(
    ("top_k", "cells", "expected"), [(9, 196, 9), (0.05, 196, 9), (0.001, 196, 1), (1, 49, 1), (0.05, 49, 2)]
)
def test_number_of_cells_from_a_count_or_a_share(top_k: float, cells: int, expected: int) -> None:
    assert resolve_top_k(top_k, cells) == expected


@pytest.mark.parametrize("top_k", [50, 2.5])
def test_refuses_a_count_that_does_not_fit_the_grid(top_k: float) -> None:
    with pytest.raises(ModelError, match="top_k"):
        resolve_top_k(top_k, 49)


def test_upsampling_is_bilinear_with_half_pixel_centres_by_hand() -> None:
    up = upsample(torch.tensor([[0.0, 4.0]])[None, None], (1, 4))
    assert up.flatten().tolist() == [0.0, 1.0, 3.0, 4.0]
