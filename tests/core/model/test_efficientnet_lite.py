from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from core.domain.errors import WeightsUnavailableError
from core.explain.relevance import receptive_field
from core.model.backbones import make_backbone
from core.model.efficientnet_lite import BLOCKS, CHANNELS, STEM_CHANNELS, efficientnet_lite0, fold_published
from core.model.weights import as_trunk_tensors

EPSILON = 1e-3


def published(seed: int = 0) -> dict[str, Tensor]:
    """A state dictionary in the published layout, with random weights and batch statistics."""
    random = torch.Generator().manual_seed(seed)
    state: dict[str, Tensor] = {}

    def add(conv: str, norm: str, *shape: int) -> None:
        fan = shape[1] * shape[2] * shape[3]
        state[f"{conv}.weight"] = torch.randn(*shape, generator=random) * (2 / fan) ** 0.5
        for name, low in (("weight", 0.8), ("bias", -0.2), ("running_mean", -0.1), ("running_var", 0.7)):
            state[f"{norm}.{name}"] = low + 0.4 * torch.rand(shape[0], generator=random)

    add("_conv_stem", "_bn0", STEM_CHANNELS, 3, 3, 3)
    before = STEM_CHANNELS
    for index, (kernel, _, expansion, after) in enumerate(BLOCKS):
        place, wide = f"_blocks.{index}.", before * expansion
        if expansion > 1:
            add(f"{place}_expand_conv", f"{place}_bn0", wide, before, 1, 1)
        add(f"{place}_depthwise_conv", f"{place}_bn1", wide, 1, kernel, kernel)
        add(f"{place}_project_conv", f"{place}_bn2", after, wide, 1, 1)
        before = after
    return state


def reference(state: dict[str, Tensor], x: Tensor) -> Tensor:
    """The network written from the paper: TensorFlow's "same" padding and batch norms that are not folded."""

    def conv(x: Tensor, conv: str, norm: str, stride: int = 1, *, depthwise: bool = False) -> Tensor:
        weight = state[f"{conv}.weight"]
        kernel, side = weight.shape[2], x.shape[2]
        total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
        before, after = total // 2, total - total // 2
        x = functional.pad(x, (before, after, before, after))
        x = functional.conv2d(x, weight, stride=stride, groups=x.shape[1] if depthwise else 1)
        parts = (state[f"{norm}.{name}"] for name in ("running_mean", "running_var", "weight", "bias"))
        return functional.batch_norm(x, *parts, eps=EPSILON)

    x = functional.relu6(conv(x, "_conv_stem", "_bn0", 2))
    for index, (_, stride, expansion, after) in enumerate(BLOCKS):
        place, came = f"_blocks.{index}.", x
        if expansion > 1:
            x = functional.relu6(conv(x, f"{place}_expand_conv", f"{place}_bn0"))
        x = functional.relu6(conv(x, f"{place}_depthwise_conv", f"{place}_bn1", stride, depthwise=True))
        x = conv(x, f"{place}_project_conv", f"{place}_bn2")
        if stride == 1 and came.shape[1] == after:
            x = x + came
    return x


def test_folded_weights_compute_what_the_published_network_does() -> None:
    state = published()
    trunk = efficientnet_lite0().eval()
    trunk.load_state_dict(fold_published(state))
    x = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        ours, theirs = trunk(x), reference(state, x)
    assert ours.shape == (2, CHANNELS, 6, 6)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4 * float(theirs.abs().max()))


def test_random_weights_keep_the_signal_alive_without_batch_norms() -> None:
    torch.manual_seed(0)
    out = make_backbone("efficientnet_lite0", weights="random", input_size=96).module(torch.randn(2, 3, 96, 96))
    assert 1e-2 < out.std() < 1e2


def test_a_trunk_has_no_batch_norm_and_a_stride_of_16() -> None:
    trunk = efficientnet_lite0()
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in trunk.modules())
    assert receptive_field(trunk).stride == 16


def test_a_published_file_that_lacks_a_tensor_is_refused() -> None:
    state = published()
    del state["_blocks.7._bn1.running_var"]
    with pytest.raises(WeightsUnavailableError, match=r"lacks _blocks\.7\._bn1\.running_var"):
        as_trunk_tensors(state, "mine.pth")


def test_features_of_an_image_do_not_depend_on_its_batch() -> None:
    from core.model.architecture import Architecture
    from core.model.network import PrototypeNetwork

    torch.manual_seed(2)
    architecture = Architecture(backbone="efficientnet_lite0", weights="random", latent_channels=16)
    network = PrototypeNetwork(architecture, class_names=("a", "b"), prototype_class=[0, 1], input_size=128).eval()
    x = torch.randn(5, 3, 128, 128)
    with torch.no_grad():
        together = network.feature_maps(x)
        assert all(torch.equal(network.feature_maps(x[i : i + 1])[0], together[i]) for i in range(5))
