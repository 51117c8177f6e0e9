"""Batches made on the device, on the processor as the device."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from core.data.augment import ALL, Augmentation, apply, draw_parameters, generator, no_augmentation
from core.domain.errors import TrainingError
from core.model import losses
from core.model.losses import fine_cost
from core.training.batches import Augmented, TrainingBatch, everything, prefetched
from core.training.device_augment import cut, sampling
from core.training.epoch import EpochTask, Memory, run_epoch
from core.training.losses import joint_loss
from core.training.resident import OnDevice, bytes_of, plan_home
from core.training.stages import prepare
from tests.core.training.tiny import CONFIG, TRANSFORM, tiny_network, tiny_rois

CPU = torch.device("cpu")
LEVEL = 1 / 255


def smooth_rois(n: int = 24) -> object:
    """ROIs whose grey values change by a few levels a pixel, so that rounding of coordinates shows little."""
    rois = tiny_rois(n)
    ramp = np.arange(TRANSFORM.stored_size)
    rois.pixels[:] = (2 * ramp[None, :, None] + ramp[None, None, :] + np.arange(n)[:, None, None]).astype(np.uint8)
    return rois


def test_one_grid_cuts_what_the_processor_cuts_one_plane_at_a_time() -> None:
    rois = smooth_rois()
    masks = np.stack([rois.fine, rois.lesion], axis=1)
    parameters = draw_parameters(generator(5, 0, 0), len(rois), Augmentation())
    grey, shown = apply(parameters, rois.pixels, masks, TRANSFORM)
    theta = torch.from_numpy(sampling(parameters, TRANSFORM))
    mine, cut_here = cut(torch.from_numpy(rois.pixels), torch.from_numpy(masks), theta, TRANSFORM.input_size)
    assert np.abs(grey[:, 0] - mine.numpy()).max() < 1.5 * LEVEL
    assert (shown != cut_here.numpy()).mean() < 0.005


def test_without_augmentation_the_crop_is_the_central_one() -> None:
    rois = tiny_rois()
    theta = torch.from_numpy(sampling(no_augmentation(len(rois)), TRANSFORM))
    pixels, masks = torch.from_numpy(rois.pixels), torch.from_numpy(rois.lesion[:, None])
    grey, shown = cut(pixels, masks, theta, TRANSFORM.input_size)
    np.testing.assert_allclose(grey.numpy(), rois.central(rois.pixels) / 255, atol=1e-3)
    assert np.array_equal(shown[:, 0].numpy(), rois.central(rois.lesion))


@pytest.mark.parametrize("home", ["resident", "streamed"])
@pytest.mark.parametrize("share", [everything, lambda size: slice(3, size)])
def test_an_epoch_has_the_batches_of_the_processor(home: str, share: object) -> None:
    rois = smooth_rois()
    rois.fine[:2] = 0
    rois.fine[:2, 12:14, 12:14] = 1  # in a corner of the ROI: lost by some crops, and drawn again
    plain, device = Augmented(rois, CONFIG), OnDevice(rois, CONFIG, CPU, home)
    order = plain.order(4)
    pairs = zip(
        prefetched(plain, order, 4, share),
        prefetched(device, order, 4, share),
        strict=True,  # type: ignore[arg-type]
    )
    for expected, found in pairs:
        assert found.lesion_ids == expected.lesion_ids and found.whole == expected.whole == 8
        assert torch.equal(found.label, expected.label)
        assert (found.inputs - expected.inputs).abs().max() < 8 * LEVEL  # divided by a deviation of 0.22
        for name in ("mask", "lesion", "irrelevant"):
            assert (getattr(found, name) != getattr(expected, name)).float().mean() < 0.01
        assert torch.equal(found.irrelevant, 1 - found.mask)
        assert torch.equal(found.has_mask, expected.has_mask)


def test_a_set_that_does_not_fit_is_streamed() -> None:
    rois = tiny_rois()
    assert plan_home(rois, 3 * bytes_of(rois)) == "resident"
    assert plan_home(rois, 2 * bytes_of(rois)) == "streamed"


def test_an_epoch_that_was_not_settled_is_refused() -> None:
    device = OnDevice(tiny_rois(), CONFIG, CPU, "resident")
    with pytest.raises(ValueError, match="begin_epoch"):
        device.load(np.arange(8), 0, 0, ALL)


class _Waits(TorchDispatchMode):
    """Notes every operation whose result a processor would have to wait for."""

    asked: tuple[str, ...] = ()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        name = func.overloadpacket.__name__
        if name in ("_local_scalar_dense", "nonzero", "masked_select", "equal", "unique_dim", "_unique2"):
            self.asked = (*self.asked, name)
        return func(*args, **(kwargs or {}))


def _task(network: torch.nn.Module, *, spoil: int = -1) -> EpochTask:
    calls = -1

    def loss(batch: TrainingBatch) -> dict[str, torch.Tensor]:
        nonlocal calls
        calls += 1
        parts = joint_loss(network, network(batch.inputs), batch, CONFIG.loss)  # type: ignore[arg-type]
        return {**parts, "cluster": parts["cluster"] * float("nan")} if calls == spoil else parts

    prepare(network, "A1", frozen_backbone=False)  # type: ignore[arg-type]
    trained = [p for p in network.parameters() if p.requires_grad]
    return EpochTask(
        name="epoch 1 of A1", loss=loss, optimiser=torch.optim.Adam(trained, lr=1e-3, fused=True), device=CPU,
        precision="float32", memory=Memory(at_once=8), unwatched=True,
    )  # fmt: skip


def test_a_step_asks_the_device_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(losses, "_may_wait", lambda device: False)
    network, source = tiny_network(), OnDevice(tiny_rois(), CONFIG, CPU, "resident")
    task, order = _task(network), source.order(0)
    at_step: list[int] = []
    with _Waits() as waits:
        run_epoch(_counting(task, waits, at_step), source, order, 0)
    assert len(order) == 3 and len(set(at_step)) == 1, waits.asked
    assert waits.asked[at_step[0] :] == ("_local_scalar_dense",), "only whether all was finite, after the epoch"


def _counting(task: EpochTask, waits: _Waits, at_step: list[int]) -> EpochTask:
    from dataclasses import replace

    return replace(task, before_batch=lambda batch, batches: at_step.append(len(waits.asked)))


def test_a_loss_that_is_not_finite_stops_every_later_update_and_is_named_after_the_epoch() -> None:
    source = OnDevice(tiny_rois(), CONFIG, CPU, "resident")
    one, network = tiny_network(), tiny_network()
    run_epoch(_task(one), source, source.order(0)[:1], 0)
    with pytest.raises(TrainingError, match=r"epoch 1 of A1, batch 2 \(lesions lesion\d+"):
        run_epoch(_task(network, spoil=1), source, source.order(0), 0)
    for name, value in network.named_parameters():
        assert torch.equal(value, one.get_parameter(name)), name


def test_watched_and_unwatched_epochs_train_alike() -> None:
    from dataclasses import replace

    source = OnDevice(tiny_rois(), CONFIG, CPU, "resident")
    found = []
    for unwatched in (True, False):
        network = tiny_network()
        means = run_epoch(replace(_task(network), unwatched=unwatched), source, source.order(0), 0)
        found.append((means["loss"], network.prototypes.detach().clone()))
    assert found[0][0] == found[1][0] and torch.equal(found[0][1], found[1][1])


def test_the_fine_loss_without_a_wait_has_the_value_and_gradient_of_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    random = torch.Generator().manual_seed(0)
    irrelevant = (torch.rand(5, 32, 32, generator=random) > 0.5).to(torch.uint8)
    own, label = torch.tensor([0, 0, 1, 2]), torch.tensor([0, 1, 2, 2, 0])
    values = []
    for wait in (True, False):
        monkeypatch.setattr(losses, "_may_wait", lambda device, wait=wait: wait)
        maps = torch.rand(5, 4, 7, 7, generator=torch.Generator().manual_seed(1)).requires_grad_()
        cost = fine_cost(maps, irrelevant, has_mask=torch.ones(5).bool(), prototype_class=own, label=label)
        cost.backward()
        values.append((cost.detach(), maps.grad))
    torch.testing.assert_close(values[0][0], values[1][0])
    torch.testing.assert_close(values[0][1], values[1][1])


@pytest.mark.gpu
def test_on_a_gpu_an_epoch_never_waits_and_has_the_losses_of_the_processor() -> None:
    device = torch.device("cuda")
    rois = smooth_rois()
    order = OnDevice(rois, CONFIG, CPU, "resident").order(0)
    means = {}
    for place in (CPU, device):
        network, source = tiny_network().to(place), OnDevice(rois, CONFIG, place, "resident")
        task = _task(network)
        object.__setattr__(task, "device", place)

        def watch(batch: int, batches: int, place: torch.device = place) -> None:
            if place.type == "cuda":
                torch.cuda.set_sync_debug_mode("error")

        object.__setattr__(task, "before_batch", watch)
        try:
            run_epoch(task, _Quiet(source), order, 0)  # type: ignore[arg-type]
            means[place.type] = run_epoch(task, _Quiet(source), order, 0)["loss"]  # type: ignore[arg-type]
        finally:
            if torch.cuda.is_available():
                torch.cuda.set_sync_debug_mode("default")
    assert means["cuda"] == pytest.approx(means["cpu"], rel=1e-3)


class _Quiet:
    """Lets a source be asked again: before an epoch it may wait."""

    def __init__(self, source: OnDevice) -> None:
        self._source = source
        self.at_hand, self.load, self.latent = True, self._load, source.latent

    def _load(self, rows, position, batch, share):  # type: ignore[no-untyped-def]
        loaded = self._source.load(rows, position, batch, share)
        if batch == 2 and torch.cuda.is_available():
            torch.cuda.set_sync_debug_mode("default")  # the losses are read after the last batch
        return loaded

    def begin_epoch(self, order, position, shares):  # type: ignore[no-untyped-def]
        if torch.cuda.is_available():
            torch.cuda.set_sync_debug_mode("default")
        self._source.begin_epoch(order, position, shares)
