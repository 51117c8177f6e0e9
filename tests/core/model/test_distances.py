from __future__ import annotations

import pytest
import torch

from core.model.distances import distances, squared_distances
from tests.core.model import naive


@pytest.mark.parametrize("wanted", [1e-6, 1e-3, 1.0, 30.0, 1e3])
@pytest.mark.parametrize("channels", [64, 512])
def test_matches_float64_brute_force_to_one_millionth(wanted: float, channels: int) -> None:
    torch.manual_seed(1)
    prototypes = torch.rand(5, channels, 1, 1)
    step = torch.randn(2, channels, 4, 3)
    step *= (wanted / step.square().sum(1, keepdim=True)).sqrt()
    latent = prototypes[:1] + step
    found = squared_distances(latent, prototypes)
    true = naive.squared_distances(latent, prototypes)
    assert ((found.double() - true).abs() / true).max() < 1e-6
    assert true[:, 0].median() == pytest.approx(wanted, rel=0.2)


def test_is_exactly_zero_at_a_patch() -> None:
    torch.manual_seed(2)
    latent = torch.rand(3, 512, 14, 14)
    prototypes = torch.stack([latent[2, :, 5, 7], latent[0, :, 0, 13]])[:, :, None, None]
    found = squared_distances(latent, prototypes)
    assert found[2, 0, 5, 7] == 0.0
    assert found[0, 1, 0, 13] == 0.0
    assert (found == 0).sum() == 2


def test_an_image_has_the_same_distances_in_any_batch() -> None:
    torch.manual_seed(3)
    latent, prototypes = torch.rand(7, 96, 14, 14), torch.rand(15, 96, 1, 1)
    together = squared_distances(latent, prototypes)
    for i in range(7):
        assert torch.equal(squared_distances(latent[i : i + 1], prototypes)[0], together[i])


def test_memory_layout_does_not_matter() -> None:
    torch.manual_seed(4)
    latent, prototypes = torch.rand(2, 33, 5, 6), torch.rand(4, 33, 1, 1)
    as_pixels = latent.contiguous(memory_format=torch.channels_last)
    assert torch.equal(squared_distances(latent, prototypes), squared_distances(as_pixels, prototypes))


@pytest.mark.parametrize("measure", ["squared", "l2"])
def test_gradient_is_that_of_the_brute_force(measure: str) -> None:
    torch.manual_seed(5)
    latent = torch.rand(3, 40, 4, 4, requires_grad=True)
    prototypes = torch.rand(6, 40, 1, 1, requires_grad=True)
    weight = torch.randn(3, 6, 4, 4)
    found = distances(latent, prototypes, "l2" if measure == "l2" else "squared")
    gradients = torch.autograd.grad((found * weight).sum(), (latent, prototypes))
    true = naive.squared_distances(latent, prototypes)
    if measure == "l2":
        true = true.sqrt()
    expected = torch.autograd.grad((true * weight.double()).sum(), (latent, prototypes))
    for one, other in zip(gradients, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


def test_unsquared_distance_by_hand_and_its_gradient_at_zero() -> None:
    latent = torch.tensor([3.0, 4.0]).reshape(1, 2, 1, 1).requires_grad_()
    prototypes = torch.tensor([[0.0, 0.0], [3.0, 4.0]]).reshape(2, 2, 1, 1)
    found = distances(latent, prototypes, "l2")
    assert found.flatten().tolist() == [5.0, 0.0]
    found.sum().backward()
    assert latent.grad is not None
    torch.testing.assert_close(latent.grad.flatten(), torch.tensor([0.6, 0.8]))


def test_reduced_precision_around_it_changes_nothing() -> None:
    torch.manual_seed(6)
    latent = torch.rand(1, 64, 3, 3, requires_grad=True)
    prototypes = torch.rand(2, 64, 1, 1)
    plain = squared_distances(latent, prototypes)
    (expected,) = torch.autograd.grad(plain.sum(), latent)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = squared_distances(latent, prototypes)
        (found,) = torch.autograd.grad(inside.sum(), latent)
    assert inside.dtype == torch.float32
    assert torch.equal(inside, plain)
    assert torch.equal(found, expected)
