from __future__ import annotations

import pytest
import torch
from torch import Tensor

from core.model.losses import FineNorm, cluster_cost, fine_cost, separation_cost
from tests.core.model import naive

CLASSES = torch.tensor([0, 0, 1, 1, 1, 2])


def masks(count: int, size: int, *, soft: bool = False) -> Tensor:
    """Irrelevant pixels = 1; a different box of each image is marked."""
    made = torch.rand(count, size, size) if soft else torch.ones(count, size, size)
    for i in range(count):
        made[i, size // 4 : size // 2 + i, size // 3 : size // 2 + 2 * i] = 0
    return made


def test_cluster_and_separation_by_hand() -> None:
    # two images, prototypes of classes 0, 0, 1; k = 2 of three cells
    d = torch.tensor(
        [[[1.0, 3.0, 9.0], [2.0, 4.0, 0.0], [5.0, 7.0, 9.0]], [[1.0, 1.0, 9.0], [6.0, 6.0, 6.0], [8.0, 2.0, 4.0]]]
    )
    d = d[:, :, None, :]
    classes, label = torch.tensor([0, 0, 1]), torch.tensor([0, 1])
    # g = [[2, 1, 6], [1, 6, 3]]
    assert cluster_cost(d, classes, label, 2).item() == pytest.approx((1 + 3) / 2)
    assert separation_cost(d, classes, label, 2).item() == pytest.approx(-(6 + 1) / 2)


@pytest.mark.parametrize("norm", ["prototype", "block"])
@pytest.mark.parametrize(("grid", "size"), [((14, 14), 224), ((14, 14), 112), ((7, 7), 224), ((5, 6), 64)])
@pytest.mark.parametrize("soft", [False, True])
def test_quadratic_form_equals_the_upsampled_form(
    norm: FineNorm, grid: tuple[int, int], size: int, soft: bool
) -> None:
    torch.manual_seed(7)
    s = (torch.rand(3, 6, *grid) * 9).requires_grad_()
    irrelevant, label = masks(3, size, soft=soft), torch.tensor([0, 2, 1])
    has_mask = torch.tensor([True, True, False])
    found = fine_cost(s, irrelevant, has_mask=has_mask, prototype_class=CLASSES, label=label, norm=norm)
    (gradient,) = torch.autograd.grad(found, s)
    exact = s.detach().double().requires_grad_()
    expected = naive.fine_cost(exact, irrelevant.double(), has_mask, CLASSES, label, norm)
    (true,) = torch.autograd.grad(expected, exact)
    assert found.item() == pytest.approx(expected.item(), rel=1e-6)
    assert (gradient.double() - true).abs().max() <= 1e-6 * true.abs().max()


def test_fine_cost_of_constant_maps_by_hand() -> None:
    # a map of ones has norm 224 over all pixels of the reference grid, and 0 where all is relevant
    s = torch.ones(2, 2, 14, 14)
    irrelevant = torch.stack([torch.zeros(112, 112), torch.ones(112, 112)])
    found = fine_cost(
        s,
        irrelevant,
        has_mask=torch.ones(2, dtype=torch.bool),
        prototype_class=torch.tensor([0, 1]),
        label=torch.tensor([0, 0]),
    )
    assert found.item() == pytest.approx((0 + 224 + 224 + 224) / 2, rel=1e-6)


def test_block_norm_by_hand() -> None:
    # classes 0 | 1 1 | 2 2 with maps of ones, label 1, all irrelevant: 224 (1 + sqrt 2 + sqrt 2)
    arguments = {
        "has_mask": torch.ones(1, dtype=torch.bool),
        "prototype_class": torch.tensor([0, 1, 1, 2, 2]),
    }
    s, ones = torch.ones(1, 5, 14, 14), torch.ones(1, 224, 224)
    middle = fine_cost(s, ones, label=torch.tensor([1]), norm="block", **arguments)
    first = fine_cost(s, ones, label=torch.tensor([0]), norm="block", **arguments)
    assert middle.item() == pytest.approx(224 * (1 + 2 * 2**0.5), rel=1e-6)
    assert first.item() == pytest.approx(224 * (1 + 4**0.5), rel=1e-6)


def test_input_size_does_not_change_what_the_coefficient_means() -> None:
    torch.manual_seed(8)
    s, label = torch.rand(2, 6, 14, 14), torch.tensor([1, 0])
    costs = []
    for size in (112, 224, 448):
        irrelevant = torch.ones(2, size, size)
        irrelevant[:, size // 4 : size // 2, size // 4 : size // 2] = 0
        costs.append(
            fine_cost(
                s, irrelevant, has_mask=torch.ones(2, dtype=torch.bool), prototype_class=CLASSES, label=label
            ).item()
        )
    assert costs[0] == pytest.approx(costs[1], rel=2e-3)
    assert costs[2] == pytest.approx(costs[1], rel=2e-3)


def test_batch_size_does_not_change_it() -> None:
    torch.manual_seed(9)
    s, irrelevant, label = torch.rand(2, 6, 14, 14), masks(2, 112), torch.tensor([1, 0])

    def cost(times: int) -> float:
        return fine_cost(
            s.repeat(times, 1, 1, 1),
            irrelevant.repeat(times, 1, 1),
            has_mask=torch.tensor([True, False]).repeat(times),
            prototype_class=CLASSES,
            label=label.repeat(times),
        ).item()

    assert cost(5) == pytest.approx(cost(1), rel=1e-6)


def test_prototypes_are_addressed_by_class_not_by_place() -> None:
    torch.manual_seed(10)
    s, irrelevant, label = torch.rand(3, 6, 14, 14), masks(3, 112), torch.tensor([0, 2, 1])
    order = torch.randperm(6)
    every = torch.ones(3, dtype=torch.bool)
    for norm in ("prototype", "block"):
        one = fine_cost(s, irrelevant, has_mask=every, prototype_class=CLASSES, label=label, norm=norm)
        other = fine_cost(
            s[:, order], irrelevant, has_mask=every, prototype_class=CLASSES[order], label=label, norm=norm
        )
        assert one.item() == pytest.approx(other.item(), rel=1e-6)


def test_activation_on_the_marked_margin_costs_less_than_beside_it() -> None:
    """Fails where the polarity of the mask is swapped."""
    irrelevant = torch.ones(1, 112, 112)
    irrelevant[:, :56] = 0  # the upper half is marked

    def cost(row: int) -> float:
        s = torch.full((1, 1, 14, 14), 0.01)
        s[0, 0, row] = 9.0
        return fine_cost(
            s,
            irrelevant,
            has_mask=torch.ones(1, dtype=torch.bool),
            prototype_class=torch.tensor([0]),
            label=torch.tensor([0]),
        ).item()

    assert cost(3) < 0.05 * cost(10)


def test_other_classes_prototypes_are_penalised_wherever_they_activate() -> None:
    s = torch.rand(1, 6, 14, 14, requires_grad=True)
    fine_cost(
        s,
        torch.zeros(1, 112, 112),
        has_mask=torch.ones(1, dtype=torch.bool),
        prototype_class=CLASSES,
        label=torch.tensor([1]),
    ).backward()
    assert s.grad is not None
    moved = s.grad.abs().amax((0, 2, 3)) > 0
    assert moved.tolist() == [True, True, False, False, False, True]


def test_unmasked_images_and_silent_maps_have_finite_zero_gradients() -> None:
    s = torch.zeros(2, 6, 14, 14, requires_grad=True)
    cost = fine_cost(
        s,
        masks(2, 112),
        has_mask=torch.tensor([True, False]),
        prototype_class=CLASSES,
        label=torch.tensor([0, 1]),
        norm="block",
    )
    cost.backward()
    assert s.grad is not None
    assert torch.equal(s.grad, torch.zeros_like(s))
    assert cost.item() < 1e-5


def test_cached_matrices_serve_training_after_inference() -> None:
    s, irrelevant = torch.rand(1, 6, 9, 9), masks(1, 72)
    arguments = {
        "has_mask": torch.ones(1, dtype=torch.bool),
        "prototype_class": CLASSES,
        "label": torch.tensor([0]),
    }
    with torch.inference_mode():
        fine_cost(s, irrelevant, **arguments)
    s.requires_grad_()
    fine_cost(s, irrelevant, **arguments).backward()
    assert s.grad is not None
