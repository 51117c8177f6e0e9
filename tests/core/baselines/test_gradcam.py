"""GradCAM and GradCAM++ against values worked out by hand and against finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from core.baselines.gradcam import grad_cam, grad_cam_pp, normalised
from core.baselines.inference import class_maps, features_and_gradients
from core.baselines.network import ClassifierNetwork
from core.statistics.activation import activation_precision
from core.training.inference import exact, network_input
from tests.core.training.tiny import CLASSES, CONFIG, TRANSFORM, tiny_rois


def network(seed: int = 0) -> ClassifierNetwork:
    torch.manual_seed(seed)
    return ClassifierNetwork(CONFIG.architecture, class_names=CLASSES, input_size=TRANSFORM.input_size)


def test_gradcam_of_two_channels_by_hand() -> None:
    features = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]], [[4.0, 0.0], [0.0, 1.0]]]])
    gradients = torch.tensor([[[[1.0, 1.0], [0.0, 0.0]], [[-4.0, 0.0], [0.0, 0.0]]]])
    # alpha = 0.5 and -1: 0.5 A1 - A2 = [[-3.5, 1], [1.5, 1]]
    torch.testing.assert_close(grad_cam(features, gradients), torch.tensor([[[0.0, 1.0], [1.5, 1.0]]]))


def test_gradcam_pp_of_two_channels_by_hand() -> None:
    features = torch.tensor([[[[1.0, 3.0]], [[2.0, 0.0]]]])
    gradients = torch.tensor([[[[1.0, 2.0]], [[-1.0, 0.5]]]])
    # channel 1, sum A = 4: alpha(1) = 1/(2+4) = 1/6, alpha(2) = 4/(8+32) = 1/10; w = 1/6 + 2/10 = 11/30
    # channel 2, sum A = 2: alpha(-1) = 1/(2-2) undefined -> 0, alpha(0.5) = .25/(.5+.25) = 1/3; w = 1/6
    first = 11 / 30 * 1 + 1 / 6 * 2
    torch.testing.assert_close(grad_cam_pp(features, gradients), torch.tensor([[[first, 11 / 10]]]))


def test_gradcam_pp_gives_no_weight_to_cells_without_gradient() -> None:
    maps = grad_cam_pp(torch.ones(1, 2, 3, 3), torch.zeros(1, 2, 3, 3))
    assert maps.tolist() == torch.zeros(1, 3, 3).tolist()


def test_a_common_factor_of_the_score_scales_gradcam_only() -> None:
    features, gradients = torch.rand(2, 4, 3, 3), torch.randn(2, 4, 3, 3)
    torch.testing.assert_close(
        normalised(grad_cam(features, 7 * gradients)), normalised(grad_cam(features, gradients))
    )


def test_normalised_maps_end_at_one_and_a_map_of_zeros_stays() -> None:
    maps = normalised(torch.tensor([[[0.0, 2.0]], [[0.0, 0.0]]]))
    assert maps.tolist() == [[[0.0, 1.0]], [[0.0, 0.0]]]
    # a map that shows nothing scores the area of the mask
    mask = np.zeros((1, 20, 20), np.uint8)
    mask[0, :5] = 1
    assert activation_precision(np.zeros((1, 20, 20), np.float32), mask)[0] == pytest.approx(0.25)


def test_with_pooling_and_a_linear_layer_gradcam_is_the_class_activation_map() -> None:
    """Zhou et al. 2016: alpha_k is then the layer's weight over the number of cells."""
    model, rois = network(), tiny_rois(6)
    found = class_maps(model, rois, rois.label)
    with torch.no_grad():
        model.eval()
        cells = model.latent(network_input(rois, np.arange(6), torch.device("cpu")))
        cam = torch.relu((model.head.weight[torch.from_numpy(rois.label)][:, :, None, None] * cells).sum(1))
    torch.testing.assert_close(torch.from_numpy(found.grad_cam), normalised(cam), atol=1e-5, rtol=1e-4)


def test_gradients_agree_with_finite_differences() -> None:
    model, rois = network().double(), tiny_rois(2)
    inputs = network_input(rois, np.arange(2), torch.device("cpu")).double()
    model.from_latent = lambda cells: model.head(cells.mean((2, 3)).square())  # type: ignore[method-assign]
    classes = torch.tensor([2, 0])
    with exact(model):
        latent = model.latent(inputs)
    features, gradients = features_and_gradients(model, latent, classes)
    step = 1e-6
    for image, channel, row, column in ((0, 0, 1, 2), (1, 3, 3, 0), (1, 7, 0, 0)):
        moved = features.clone()
        moved[image, channel, row, column] += step
        with torch.no_grad():
            change = model.from_latent(moved) - model.from_latent(features)
        slope = float(change[image, classes[image]]) / step
        assert float(gradients[image, channel, row, column]) == pytest.approx(slope, rel=1e-4, abs=1e-9)


def test_maps_leave_weights_modes_and_gradients_as_they_were() -> None:
    model, rois = network(), tiny_rois(4)
    model.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    class_maps(model, rois, rois.label)
    assert model.training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_maps_do_not_depend_on_the_batch() -> None:
    model, rois = network(), tiny_rois(8)
    whole = class_maps(model, rois, rois.label).grad_cam
    alone = class_maps(model, rois.rows([5]), rois.label[5:6]).grad_cam
    np.testing.assert_allclose(alone[0], whole[5], atol=1e-5)


@pytest.mark.parametrize("backbone", ["vgg11", "resnet18", "compact"])
def test_any_trunk_will_do_and_no_relu_that_is_looked_at_works_in_place(backbone: str) -> None:
    import msgspec

    architecture = msgspec.structs.replace(CONFIG.architecture, backbone=backbone, latent_channels=4)
    model = ClassifierNetwork(architecture, class_names=CLASSES, input_size=32)
    assert all(not layer.inplace for layer in model.addon if isinstance(layer, nn.ReLU))
    with exact(model):
        latent = model.latent(torch.rand(2, 3, 32, 32))
    features, gradients = features_and_gradients(model, latent, torch.tensor([0, 1]))
    assert features.shape == gradients.shape == (2, 4, *model.grid)
    assert float(features.min()) >= 0
