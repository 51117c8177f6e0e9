"""The smaller parts of the trainer: targets, prototype start, rates, accumulation, validation figures, presets."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch

from core.data.roi_set import InputTransform
from core.domain.errors import TrainingError
from core.training.abstention import largest_own_evidence
from core.training.batches import Augmented, Source, TrainingBatch
from core.training.epoch import EpochTask, Memory, run_epoch
from core.training.inference import infer, normalise, normalise_beside
from core.training.losses import cell_loss, cell_targets, joint_loss
from core.training.presets import PRESETS, as_protopnet, deviations, leaves, load_preset
from core.training.prototype_start import start_from_kmeans
from core.training.stages import StageStep, plan, rate_factor
from core.training.validation import Validation, evaluate
from tests.benchmarks.bench_projection import noise_rois
from tests.core.training.tiny import CONFIG, cached_draws, changed, tiny_network, tiny_rois


def _batch(mask: np.ndarray, lesion: np.ndarray, label: int) -> TrainingBatch:
    return TrainingBatch(
        inputs=torch.zeros(1, 3, *mask.shape), label=torch.tensor([label]), mask=torch.from_numpy(mask)[None],
        lesion=torch.from_numpy(lesion)[None], irrelevant=torch.from_numpy(1 - mask)[None], lesion_ids=("a",),
        whole=1,
    )  # fmt: skip


def test_cells_inside_the_mask_are_the_class_those_outside_the_lesion_background_others_ignored() -> None:
    mask, lesion = np.zeros((8, 8), np.uint8), np.zeros((8, 8), np.uint8)
    mask[0:2, 0:2] = 1  # cell (0, 0) of a 4 x 4 grid, whole
    mask[2, 0] = 1  # a quarter of cell (1, 0): too little
    lesion[0:2, 0:4] = 1  # cells (0, 0) and (0, 1)
    target = cell_targets(_batch(mask, lesion, 2), (4, 4), 3)[0]
    expected = torch.full((4, 4), 3)
    expected[0, 0], expected[0, 1], expected[1, 0] = 2, -1, -1
    assert torch.equal(target, expected)


def test_marked_cells_beyond_the_outline_are_ignored() -> None:
    mask, lesion = np.zeros((8, 8), np.uint8), np.zeros((8, 8), np.uint8)
    lesion[0:2, 0:4] = 1
    mask[0:2, 2:6] = 1  # cell (0, 1) inside the lesion, cell (0, 2) outside
    target = cell_targets(_batch(mask, lesion, 1), (4, 4), 3)[0]
    assert target[0].tolist() == [-1, 1, -1, 3]


def test_the_lesion_part_of_a_batch_shows_lesion_masks_and_the_fine_part_fine_ones() -> None:
    rois = replace(tiny_rois(), has_fine=np.ones(24, dtype=bool), fine=np.repeat(tiny_rois().fine[:1], 24, axis=0))
    for source in (Augmented(rois, CONFIG), cached_draws(tiny_network(), rois, CONFIG)):
        batch = source.load(source.order(0)[0], 0, 0)
        assert len(batch) == CONFIG.batch_lesion + CONFIG.batch_fine
        is_lesion = (batch.mask == batch.lesion).flatten(1).all(1)
        assert is_lesion.tolist() == [True] * CONFIG.batch_lesion + [False] * CONFIG.batch_fine
        assert torch.equal(batch.irrelevant, 1 - batch.mask)


def test_the_cell_loss_weighs_mask_and_background_equally() -> None:
    mask, lesion = np.zeros((8, 8), np.uint8), np.zeros((8, 8), np.uint8)
    mask[0:2, 0:2] = lesion[0:2, 0:2] = 1
    cells = torch.zeros(1, 4, 4, 4)
    parts = cell_loss(cells, _batch(mask, lesion, 2))
    assert parts["cells"].item() == pytest.approx(0.5 * math.log(4))
    assert parts["background"].item() == pytest.approx(0.5 * math.log(4))
    empty = cell_loss(cells, _batch(mask * 0, lesion * 0, 2))
    assert empty["cells"].item() == 0.0


def test_the_parts_of_the_joint_loss_carry_their_coefficients_and_fine_can_be_left_out() -> None:
    network, source = tiny_network(), Augmented(tiny_rois(), CONFIG)
    batch = source.load(source.order(0)[0], 0, 0)
    found = network(batch.inputs)
    one = joint_loss(network, found, batch, CONFIG.loss)
    two = joint_loss(network, found, batch, msgspec.structs.replace(CONFIG.loss, cluster=1.6, fine=0.0))
    assert two["cluster"].item() == pytest.approx(2 * one["cluster"].item())
    assert set(one) - set(two) == {"fine"} and one["separation"].item() < 0


def test_draws_are_balanced_reproducible_and_depend_on_the_position() -> None:
    source = Augmented(tiny_rois(labels=[0] * 16 + [1] * 4 + [2] * 4), CONFIG)
    order = source.order(3)
    counts = np.bincount(source.rois.label[np.concatenate(order)], minlength=3)
    assert counts.max() - counts.min() <= 2
    one, two = source.load(order[0], 3, 0), source.load(order[0], 3, 0)
    assert torch.equal(one.inputs, two.inputs) and torch.equal(one.mask, two.mask)
    assert not torch.equal(one.inputs, source.load(order[0], 4, 0).inputs)
    assert torch.equal(one.irrelevant, 1 - one.mask) and one.has_mask.all()


def test_the_cache_holds_the_unaugmented_features_first() -> None:
    network, rois = tiny_network(), tiny_rois(6)
    cached = cached_draws(network, rois, changed(cached_augmentations=2))
    assert cached.features.shape[:2] == (3, 6)
    np.testing.assert_array_equal(infer(network, rois, features=cached.plain).scores, infer(network, rois).scores)


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="counts threads by /proc")
def test_a_batch_is_prepared_without_threads_that_would_get_in_the_way_of_the_training() -> None:
    transform = InputTransform(input_size=224)
    config = changed(transform=transform, cached_augmentations=1)
    rois = noise_rois(12, transform)
    sources = [Augmented(rois, config), cached_draws(tiny_network(), rois, config)]
    before = torch.get_num_threads()
    torch.set_num_threads(2)

    def gained(source: Source) -> int:
        threads = len(list(Path("/proc/self/task").iterdir()))
        source.load(np.arange(12), 0, 0)
        return len(list(Path("/proc/self/task").iterdir())) - threads

    try:
        torch.rand(300, 300).exp()  # the threads of this one
        for source in sources:
            with ThreadPoolExecutor(1) as pool:
                assert pool.submit(gained, source).result() <= 0
    finally:
        torch.set_num_threads(before)


def test_what_is_normalised_beside_the_training_is_the_same_to_the_bit() -> None:
    grey, transform = np.random.default_rng(0).random((3, 40, 40), np.float32), InputTransform()
    assert torch.equal(normalise_beside(grey, transform), normalise(torch.from_numpy(grey), transform))


def test_augmented_features_are_computed_as_gradients_are_and_plain_ones_exactly() -> None:
    network, rois = tiny_network(), tiny_rois(6)
    found = {
        precision: cached_draws(
            network, rois, changed(precision=precision, frozen_backbone=True, cached_augmentations=1)
        )
        for precision in ("float32", "bfloat16")
    }
    exact, fast = found["float32"], found["bfloat16"]
    assert torch.equal(exact.plain, fast.plain) and torch.equal(exact.features[0], fast.features[0])
    apart = (exact.features[1].float() - fast.features[1].float()).norm() / exact.features[1].float().norm()
    assert 0 < apart < 0.03


def test_prototypes_start_inside_the_cells_of_their_class() -> None:
    network, rois = tiny_network(per_class=1), tiny_rois()
    before = {n: t.clone() for n, t in network.state_dict().items() if n != "prototypes"}
    start_from_kmeans(network, rois, seed=1)
    first = network.prototypes.detach().clone()
    # one centre per class is the mean of its cells: move the others' images and it stays
    only = rois.rows(rois.label >= 0)
    other = only.pixels.copy()
    other[only.label != 0] = 200
    start_from_kmeans(network, replace(only, pixels=other), seed=1)
    assert torch.allclose(network.prototypes[0], first[0], atol=1e-6)
    assert not torch.allclose(network.prototypes[1], first[1], atol=1e-3)
    assert all(torch.equal(t, before[n]) for n, t in network.state_dict().items() if n != "prototypes")
    assert ((first >= 0) & (first <= 1)).all()


def test_more_prototypes_than_distinct_cells_repeat_cells() -> None:
    rois = tiny_rois(3)
    network = tiny_network(per_class=40)
    start_from_kmeans(network, replace(rois, pixels=np.full_like(rois.pixels, 9)), seed=1)
    assert torch.isfinite(network.prototypes).all()


def test_a_class_without_lesions_cannot_start() -> None:
    with pytest.raises(TrainingError, match="spiculated"):
        start_from_kmeans(tiny_network(), tiny_rois(4, labels=[0, 1, 0, 1]), seed=1)


def test_the_plan_projects_at_the_period_and_after_the_last_epoch() -> None:
    steps = [
        (s.stage, s.epoch)
        for s in plan(changed(epochs=msgspec.structs.replace(CONFIG.epochs, joint=5, project_every=2)))
    ]
    assert steps[:3] == [("warm start", 1), ("prototypes", 1), ("warm-up", 1)]
    assert [s for s in steps if s[0] == "A2"] == [("A2", 2), ("A2", 4), ("A2", 5)]
    assert steps[-4:] == [("A2", 5), ("A3", 5), ("selection", 1), ("B", 1)]


def test_rates_follow_their_schedule() -> None:
    first, sixth = StageStep(stage="A1", epoch=1, epochs=10), StageStep(stage="A1", epoch=6, epochs=10)
    assert rate_factor(first, 0, 10, "cosine") == 1.0
    assert rate_factor(sixth, 0, 10, "cosine") == pytest.approx(0.5)
    assert rate_factor(sixth, 0, 10, "authors") == pytest.approx(0.1)
    assert rate_factor(sixth, 9, 10, "constant") == 1.0
    assert rate_factor(StageStep(stage="warm-up", epoch=2, epochs=2), 3, 4, "cosine") == 1.0


class _Fixed:
    """A source whose batches are given, for steps on a network without batch norm."""

    def __init__(self, batch: TrainingBatch) -> None:
        self.batch = batch

    def load(self, rows: object, position: int, batch: int, share: slice) -> TrainingBatch:
        return self.batch


def test_a_halved_batch_takes_the_same_step_as_a_whole_one() -> None:
    random = np.random.default_rng(0)
    batch = TrainingBatch(
        inputs=torch.from_numpy(random.random((7, 3, 4, 4), np.float32)), label=torch.arange(7) % 3,
        mask=torch.ones(7, 4, 4, dtype=torch.uint8), lesion=torch.ones(7, 4, 4, dtype=torch.uint8),
        irrelevant=torch.zeros(7, 4, 4, dtype=torch.uint8), lesion_ids=tuple("abcdefg"), whole=7,
    )  # fmt: skip
    results = []
    for at_once in (7, 3):
        torch.manual_seed(0)
        layer = torch.nn.Linear(48, 3)
        task = EpochTask(
            name="test", optimiser=torch.optim.SGD(layer.parameters(), lr=1.0), device=torch.device("cpu"),
            precision="float32", memory=Memory(at_once=at_once),
            loss=lambda b, net=layer: {"ce": torch.nn.functional.cross_entropy(net(b.inputs.flatten(1)), b.label)},
        )  # fmt: skip
        losses = run_epoch(task, _Fixed(batch), [np.arange(7)], 0)  # type: ignore[arg-type]
        results.append((losses["ce"], layer.weight.detach().clone()))
    assert results[0][0] == pytest.approx(results[1][0], rel=1e-6)
    torch.testing.assert_close(results[0][1], results[1][1])


def test_an_image_that_is_not_finite_is_named() -> None:
    inputs = torch.ones(3, 3, 4, 4)
    inputs[1, 0, 0, 0] = math.nan
    mask = torch.ones(3, 4, 4, dtype=torch.uint8)
    batch = TrainingBatch(
        inputs=inputs, label=torch.arange(3), mask=mask, lesion=mask, irrelevant=1 - mask, lesion_ids=tuple("abc"),
        whole=3,
    )  # fmt: skip
    layer = torch.nn.Linear(48, 3)
    before = layer.weight.detach().clone()
    task = EpochTask(
        name="epoch 4 of A1", optimiser=torch.optim.Adam(layer.parameters()), device=torch.device("cpu"),
        precision="float32", memory=Memory(at_once=3),
        loss=lambda b: {"ce": torch.nn.functional.cross_entropy(layer(b.inputs.flatten(1)), b.label)},
    )  # fmt: skip
    with pytest.raises(TrainingError, match=r"epoch 4 of A1, batch 1 \(lesions b\)"):
        run_epoch(task, _Fixed(batch), [np.arange(3)], 0)  # type: ignore[arg-type]
    assert torch.equal(layer.weight, before)


def test_own_evidence_is_the_largest_similarity_to_the_predicted_class() -> None:
    scores = np.array([[1.0, 5.0, 9.0], [4.0, 2.0, 3.0]], np.float32)
    logits = np.array([[2.0, 1.0], [0.0, 1.0]], np.float32)
    assert largest_own_evidence(scores, logits, np.array([0, 0, 1])).tolist() == [5.0, 3.0]


def test_equal_aurocs_are_told_apart_by_cross_entropy_and_undefined_ones_lose() -> None:
    assert Validation(auroc=0.9, cross_entropy=0.3).better_than(Validation(auroc=0.9, cross_entropy=0.4))
    assert Validation(auroc=0.9, cross_entropy=9.0).better_than(Validation(auroc=0.8, cross_entropy=0.1))
    assert not Validation().better_than(Validation(auroc=0.1, cross_entropy=1.0))
    assert Validation().better_than(None)


def test_evaluating_changes_nothing_and_an_empty_part_is_undefined() -> None:
    network, rois = tiny_network().train(), tiny_rois()
    before = {n: t.clone() for n, t in network.state_dict().items()}
    figures = evaluate(network, rois)
    assert network.training and all(torch.equal(t, before[n]) for n, t in network.state_dict().items())
    assert figures.auroc is not None and figures.fine_precision is not None
    assert evaluate(network, rois.rows(np.zeros(24, dtype=bool))) == Validation()


@pytest.mark.parametrize("name", PRESETS)
def test_every_deviation_of_a_preset_has_its_reason(name: str) -> None:
    rows = deviations(load_preset(name))
    assert [row.field for row in rows if not row.why] == []
    assert load_preset(name).preset == name


def test_a_changed_field_is_listed_as_chosen_for_this_run() -> None:
    config = msgspec.structs.replace(load_preset("paper"), batch_lesion=8)
    rows = {row.field: row for row in deviations(config)}
    assert (rows["batch_lesion"].paper, rows["batch_lesion"].here) == ("75", "8")
    assert rows["batch_lesion"].why == "chosen for this run"
    assert rows["loss.fine"].paper.startswith("0.001 times the sum")


def test_the_masks_of_a_batch_stand_among_the_deviations_where_there_is_a_fine_annotation_loss() -> None:
    for name in ("paper", "compact"):
        rows = {row.field: row for row in deviations(load_preset(name))}
        assert "lesion slots" in rows["masks of a batch"].here
    assert "masks of a batch" not in {row.field for row in deviations(load_preset("protopnet-compact"))}


def test_the_paper_preset_holds_the_papers_numbers() -> None:
    values = leaves(load_preset("paper"))
    expected = {
        "loss.cluster": 0.8, "loss.separation": 0.08, "loss.fine": 0.085, "architecture.top_k": 9,
        "batch_lesion": 75, "batch_fine": 10, "epochs.draws": 15000, "rates.joint_features": 2e-4,
        "architecture.prototypes_per_class": 5, "transform.input_size": 224,
    }  # fmt: skip
    assert {name: values[name] for name in expected} == expected
    assert values["epochs.warm_up"] + values["epochs.joint"] <= 50


def test_protopnet_of_a_configuration_needs_no_masks() -> None:
    config = as_protopnet(load_preset("compact"))
    assert (config.method, config.architecture.top_k, config.loss.fine, config.warm_start) == (
        "protopnet",
        1,
        0.0,
        "image",
    )


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(TrainingError, match="compact"):
        load_preset("fast")
