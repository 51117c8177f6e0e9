"""The task is the margin: a small network learns it, and not once the margin is covered (minutes; run by name)."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import nn
from torch.nn import functional as nnf

from core.domain.geometry import box_around
from core.imaging.opencv import cv2
from core.phantom.config import CLASSES, PhantomConfig
from core.phantom.patient import PhantomView, make_patient
from core.phantom.source import WINDOW

SIZE, STORED = 112, 140
CONFIG = PhantomConfig(patients=300, seed=5)
TRAINING = 222


def _roi(view: PhantomView) -> tuple[np.ndarray, np.ndarray]:
    """(STORED, STORED) grey in [0, 1] and the lesion's mask; the ROI, twice the lesion's side, is the middle."""
    box = box_around(view.outline.points)
    side = 2 * max(box.width, box.height) * STORED / SIZE
    scale = STORED / side
    shift = [STORED / 2 - c * scale + 0.5 * scale - 0.5 for c in box.centre]
    affine = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    smooth = cv2.GaussianBlur(view.pixels.astype(np.float32), (0, 0), max(0.3, 0.3 / scale))
    grey = cv2.warpAffine(smooth, affine, (STORED, STORED), borderMode=cv2.BORDER_REFLECT)
    points = (np.array(view.outline.points) - 0.5) @ affine[:, :2].T + affine[:, 2]
    mask = cv2.fillPoly(np.zeros((STORED, STORED), np.uint8), [np.round(points).astype(np.int32)], 1)
    return np.clip((grey - WINDOW.centre) / WINDOW.width + 0.5, 0, 1), mask


def _covered(grey: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The ROI with a band on both sides of the outline set to 0."""
    reach = int(0.62 * np.sqrt(mask.sum() / np.pi))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    return grey * (1 - (cv2.dilate(mask, disc) - cv2.erode(mask, disc)))


def _network() -> nn.Sequential:
    layers: list[nn.Module] = []
    before = 1
    for i, (width, repeats) in enumerate(((12, 1), (24, 2), (48, 2), (64, 2))):
        for _ in range(repeats):
            stride = 2 if i == 0 else 1
            layers += [nn.Conv2d(before, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            before = width
        if i in (1, 2):
            layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.Conv2d(before, len(CLASSES) + 1, 1))


def _augmented(rng: np.random.Generator, x: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    n = len(x)
    angle, zoom, flip = (
        rng.uniform(0, 2 * np.pi, n),
        rng.uniform(0.82, 1, n) * SIZE / STORED,
        rng.choice([-1, 1], n),
    )
    rows = [
        [zoom * np.cos(angle) * flip, -zoom * np.sin(angle)],
        [zoom * np.sin(angle) * flip, zoom * np.cos(angle)],
    ]
    turn = np.concatenate([np.array(rows).transpose(2, 0, 1), rng.uniform(-0.08, 0.08, (n, 2, 1))], axis=2)
    grid = nnf.affine_grid(torch.from_numpy(turn).float(), [n, 1, SIZE, SIZE], align_corners=False)
    return (
        nnf.grid_sample(x, grid, padding_mode="reflection", align_corners=False),
        nnf.grid_sample(mask, grid, mode="nearest", align_corners=False),
    )


def _targets(mask: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    """Class of each latent cell: the margin's inside the lesion, background outside, ignored in between."""
    share = nnf.avg_pool2d(mask, 8)[:, 0]
    target = torch.full(share.shape, -100)
    target[share < 0.02] = len(CLASSES)
    return torch.where(share > 0.7, label[:, None, None].expand_as(target), target)


def _test_auroc(x: torch.Tensor, mask: torch.Tensor, label: torch.Tensor, *, steps: int = 180) -> float:
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    net = _network()
    optimiser = torch.optim.AdamW(net.parameters(), 3e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 5e-3, total_steps=steps)
    weight = torch.tensor([1.0, 1.0, 1.0, 0.3])
    for _ in range(steps):
        batch = torch.from_numpy(rng.integers(0, 2 * TRAINING, 30))
        images, masks = _augmented(rng, x[batch], mask[batch])
        loss = nnf.cross_entropy(net(images), _targets(masks, label[batch]), weight=weight)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    net.eval()
    edge = (STORED - SIZE) // 2
    with torch.no_grad():
        cells = torch.cat([net(part) for part in x[2 * TRAINING :, :, edge:-edge, edge:-edge].split(50)])
    lesion = 1 - cells.softmax(1)[:, -1:]
    scores = ((cells[:, :-1] * lesion).sum((2, 3)) / lesion.sum((2, 3))).softmax(1).numpy()
    return float(roc_auc_score(np.eye(3)[label[2 * TRAINING :].numpy()], scores, average="macro"))


@pytest.mark.slow
def test_a_small_network_learns_the_margin_and_only_the_margin() -> None:
    greys, hidden, masks, labels = [], [], [], []
    for index in range(CONFIG.patients):
        patient = make_patient(CONFIG, index)
        for view in patient.views:
            grey, mask = _roi(view)
            greys.append(grey)
            hidden.append(_covered(grey, mask))
            masks.append(mask)
            labels.append(CLASSES.index(patient.labels.margin) if patient.labels.margin else -1)
    mask = torch.from_numpy(np.stack(masks)).float()[:, None]
    label = torch.tensor(labels)
    whole, covered = (
        _test_auroc((torch.from_numpy(np.stack(x)).float()[:, None] - 0.4) / 0.2, mask, label)
        for x in (greys, hidden)
    )
    assert 0.90 <= whole <= 0.995
    assert covered <= 0.70
