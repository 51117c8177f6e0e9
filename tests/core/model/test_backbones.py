from __future__ import annotations

import pytest
import torch
from torch import nn

from core.domain.errors import ModelError
from core.model import shapes
from core.model.backbones import BACKBONES, COMPACT, make_backbone
from core.model.shapes import shapes_of
from core.model.torchvision_shim import models


@pytest.mark.parametrize("name", BACKBONES)
def test_grid_is_that_of_the_papers_lineage(name: str) -> None:
    sizes = {"compact": (112, 14), "vgg16_conv4_3": (112, 14), "efficientnet_lite0": (224, 14)}
    size, cells = sizes.get(name, (224, 14 if name.startswith("vgg") else 7))
    with torch.device("meta"):  # shapes only
        backbone = make_backbone(name, weights="random", input_size=size)
        out = backbone.module.eval()(torch.empty(2, 3, size, size))
    assert backbone.grid == (cells, cells)
    assert out.shape == (2, backbone.channels, cells, cells)


@pytest.mark.parametrize("name", ["vgg11", "vgg11_bn", "resnet18", "densenet121", "compact"])
def test_random_weights_are_finite_and_keep_the_signal_alive(name: str) -> None:
    torch.manual_seed(0)
    backbone = make_backbone(name, weights="random", input_size=64)
    backbone.module.train()
    out = backbone.module(torch.randn(2, 3, 64, 64))
    assert torch.isfinite(out).all()
    assert 1e-3 < out.std() < 1e3


@pytest.mark.parametrize("name", ["vgg11", "resnet18", "densenet121"])
def test_trunk_computes_what_torchvision_does(name: str) -> None:
    torch.manual_seed(0)
    whole = models.get_model(name, weights=None, num_classes=2).eval()
    trunk = make_backbone(name, weights="random", input_size=64).module.eval()
    trunk.load_state_dict({k.removeprefix("features."): v for k, v in whole.state_dict().items()}, strict=False)
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        ours = trunk(x)
        if name.startswith("vgg"):
            theirs = whole.features(x)
            ours = nn.functional.max_pool2d(ours, 2)
        elif name.startswith("densenet"):
            theirs = whole.features(x).relu()
        else:
            seen: list[torch.Tensor] = []
            whole.layer4.register_forward_hook(lambda _module, _inputs, output: seen.append(output.clone()))
            whole(x)
            theirs = seen[0]
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("name", ["vgg16", "vgg16_conv4_3", "densenet121", "compact"])
def test_last_activation_does_not_overwrite_its_input(name: str) -> None:
    with torch.device("meta"):
        last = list(make_backbone(name, weights="random", input_size=64).module.children())[-1]
    assert isinstance(last, nn.ReLU)
    assert not last.inplace


@pytest.mark.parametrize("size", [96, 112, 224])
def test_compact_grid_is_an_eighth_of_its_input(size: int) -> None:
    backbone = make_backbone("compact", weights="random", input_size=size)
    assert backbone.grid == (size // 8, size // 8)
    assert backbone.channels == 64


@pytest.mark.parametrize("name", ["vgg11", "vgg16_bn", "vgg16_conv4_3", "efficientnet_lite0", COMPACT])
def test_the_shapes_of_a_chain_by_arithmetic_are_those_of_a_walk_through_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with torch.device("meta"):
        trunk = make_backbone(name, weights="random", input_size=96).module
    computed = shapes_of(trunk, 96)
    monkeypatch.setattr(shapes, "_shapes_of_chain", lambda module, size: None)
    assert shapes_of(trunk, 96) == computed


def test_refuses_a_backbone_that_does_not_exist() -> None:
    with pytest.raises(ModelError, match="no backbone vgg17"):
        make_backbone("vgg17", weights="random", input_size=224)


def test_compact_has_no_imagenet_weights_and_says_so() -> None:
    with pytest.raises(ModelError, match="choose weights = random"):
        make_backbone("compact", weights="imagenet", input_size=112)


def test_the_classifier_of_a_vgg_is_never_allocated(monkeypatch: pytest.MonkeyPatch) -> None:
    places: list[str] = []
    monkeypatch.setattr(nn.Linear, "reset_parameters", lambda layer: places.append(layer.weight.device.type))
    module = make_backbone("vgg16", weights="random", input_size=224).module
    assert sum(p.numel() for p in module.parameters()) == 14_714_688
    assert places and set(places) == {"meta"}
