from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from core.domain.errors import ModelError
from core.model.architecture import Architecture
from core.model.losses import cluster_cost, fine_cost, separation_cost
from core.model.network import Activations, PrototypeNetwork, without_prototypes

NAMES = ("circumscribed", "indistinct", "spiculated")
CLASSES = [0, 0, 1, 1, 1, 2]


def small(*, backbone: nn.Module | None = None, **fields: object) -> PrototypeNetwork:
    torch.manual_seed(0)
    architecture = Architecture(backbone="compact", weights="random", latent_channels=16, **fields)  # type: ignore[arg-type]
    return PrototypeNetwork(
        architecture, class_names=NAMES, prototype_class=CLASSES, input_size=48, backbone=backbone
    )


def test_shapes_and_ranges() -> None:
    network = small(top_k=0.25)
    out = network(torch.rand(4, 3, 48, 48))
    assert network.grid == (6, 6)
    assert network.top_k == 9
    assert out.latent.shape == (4, 16, 6, 6)
    assert out.distances.shape == out.similarities.shape == (4, 6, 6, 6)
    assert out.scores.shape == (4, 6)
    assert out.logits.shape == (4, 3)
    assert out.malignancy.shape == (4,)
    assert out.latent.min() > 0 and out.latent.max() < 1
    assert network.prototypes.shape == (6, 16, 1, 1)
    assert network.prototypes.min() >= 0 and network.prototypes.max() < 1


def test_last_layer_starts_at_plus_one_for_the_own_class_and_minus_one_elsewhere() -> None:
    assert small().last.weight.tolist() == [
        [1, 1, -1, -1, -1, -1],
        [-1, -1, 1, 1, 1, -1],
        [-1, -1, -1, -1, -1, 1],
    ]


def test_a_prototype_at_a_patch_has_the_largest_similarity_there() -> None:
    network = small().eval()
    x = torch.rand(2, 3, 48, 48)
    with torch.no_grad():
        patch = network.latent(x)[1, :, 2, 3]
        network.prototypes[4, :, 0, 0] = patch
        out = network(x)
    assert out.distances[1, 4, 2, 3] == 0
    assert out.similarities[1, 4, 2, 3].item() == pytest.approx(9.21034, abs=1e-5)


def test_contributions_sum_to_the_logit() -> None:
    network = small().eval()
    out = network(torch.rand(3, 3, 48, 48))
    contributions = out.scores[:, None, :].double() * network.last.weight.double()
    torch.testing.assert_close(contributions.sum(2), out.logits.double(), rtol=0, atol=1e-5)
    torch.testing.assert_close(out.logits, network.last(out.scores))


def assert_same_in_any_batch(network: PrototypeNetwork, images: int) -> None:
    size = network.input_size
    x = torch.rand(images, 3, size, size)
    with torch.inference_mode():
        together = network.eval()(x)
        for start, stop in [(i, i + 1) for i in range(images)] + [(0, 2), (1, images)]:
            part = network(x[start:stop])
            assert torch.equal(part.latent, together.latent[start:stop])
            assert torch.equal(part.logits, together.logits[start:stop])
            assert torch.equal(part.malignancy, together.malignancy[start:stop])


def test_logits_of_an_image_do_not_depend_on_its_batch() -> None:
    assert_same_in_any_batch(small(), 9)


@pytest.mark.parametrize(("backbone", "size"), [("resnet18", 112), ("vgg11", 112), ("compact", 112)])
def test_logits_do_not_depend_on_the_batch_with_other_backbones(backbone: str, size: int) -> None:
    torch.manual_seed(0)
    architecture = Architecture(backbone=backbone, weights="random", latent_channels=64, top_k=3)
    network = PrototypeNetwork(architecture, class_names=NAMES, prototype_class=CLASSES, input_size=size)
    assert_same_in_any_batch(network, 3)


def test_memory_layout_of_the_input_does_not_matter() -> None:
    network, x = small().eval(), torch.rand(3, 3, 48, 48)
    with torch.no_grad():
        plain, pixels = network(x), network(x.contiguous(memory_format=torch.channels_last))
        assert torch.equal(plain.logits, pixels.logits)
        cached = network.feature_maps(x).contiguous()
        assert torch.equal(network.latent_of_features(cached), plain.latent)


def test_everything_after_the_latent_cells_is_float32_inside_autocast() -> None:
    network = small().eval()
    x = torch.rand(2, 3, 48, 48)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        z = network.latent(x)
        out = network.from_latent(z)
    assert z.dtype == torch.bfloat16
    for tensor in (out.distances, out.similarities, out.scores, out.logits, out.malignancy):
        assert tensor.dtype == torch.float32
    with torch.no_grad():
        assert torch.equal(network.from_latent(z).logits, out.logits)


def test_a_given_backbone_replaces_the_named_one() -> None:
    network = small(backbone=nn.Conv2d(3, 7, 8, stride=8))
    assert network.grid == (6, 6)
    assert network.addon[0].in_channels == 7


def test_unsquared_distances_are_the_roots() -> None:
    squared, root = small().eval(), small(distance="l2").eval()
    x = torch.rand(1, 3, 48, 48)
    torch.testing.assert_close(root(x).distances.square(), squared(x).distances)


def groups_moved(network: PrototypeNetwork, loss: torch.Tensor) -> set[str]:
    network.zero_grad()
    loss.backward()
    return {
        name.split(".")[0]
        for name, parameter in network.named_parameters()
        if parameter.grad is not None and parameter.grad.abs().max() > 0
    }


def test_each_loss_moves_exactly_the_parameters_it_means_to() -> None:
    network = small()
    x, label = torch.rand(6, 3, 48, 48), torch.tensor([0, 1, 2, 0, 1, 2])
    classes, k = network.prototype_class, network.top_k

    def out() -> Activations:
        result: Activations = network(x)
        return result

    below = {"features", "addon", "prototypes"}
    assert groups_moved(network, functional.cross_entropy(out().logits, label)) == {*below, "last"}
    assert groups_moved(network, cluster_cost(out().distances, classes, label, k)) == below
    assert groups_moved(network, separation_cost(out().distances, classes, label, k)) == below
    fine = fine_cost(
        out().similarities,
        torch.ones(6, 48, 48),
        has_mask=torch.ones(6, dtype=torch.bool),
        prototype_class=classes,
        label=label,
    )
    assert groups_moved(network, fine) == below
    biopsy = torch.tensor([0.0, 1, 0, 1, 1, 0])
    with torch.no_grad():
        network.malignancy.weight.fill_(0.3)
    loss = functional.binary_cross_entropy_with_logits(out().malignancy, biopsy)
    assert groups_moved(network, loss) == {"malignancy"}


def test_removing_a_prototype_removes_its_column_and_nothing_else() -> None:
    network = small().eval()
    with torch.no_grad():
        network.last.weight.copy_(torch.randn(3, 6))
    before = {key: value.clone() for key, value in network.state_dict().items()}
    pruned = without_prototypes(network, {1, 3})
    kept = [0, 2, 4, 5]
    assert pruned.prototype_class.tolist() == [0, 1, 1, 2]
    assert torch.equal(pruned.prototypes, network.prototypes[kept])
    assert torch.equal(pruned.last.weight, network.last.weight[:, kept])
    x = torch.rand(2, 3, 48, 48)
    one, other = network(x), pruned(x)
    assert torch.equal(one.similarities[:, kept], other.similarities)
    removed = one.scores[:, [1, 3]] @ network.last.weight[:, [1, 3]].t()
    torch.testing.assert_close(one.logits - removed, other.logits)
    assert not pruned.training
    for key, value in network.state_dict().items():
        assert torch.equal(value, before[key])


def test_every_class_keeps_a_prototype() -> None:
    with pytest.raises(ModelError, match="spiculated would be left without a prototype"):
        without_prototypes(small(), {5})


def test_refuses_to_remove_a_prototype_that_does_not_exist() -> None:
    with pytest.raises(ModelError, match="no prototype 6"):
        without_prototypes(small(), {6})


@pytest.mark.parametrize(
    ("names", "classes"), [(("a",), [0]), (("a", "b"), [0, 0]), (("a", "b"), [0, 1, 2]), (("a", "b"), [0, 1, -1])]
)
def test_refuses_classes_that_do_not_fit(names: tuple[str, ...], classes: list[int]) -> None:
    with pytest.raises(ModelError):
        PrototypeNetwork(
            Architecture(backbone="compact", weights="random"),
            class_names=names,
            prototype_class=classes,
            input_size=112,
        )
