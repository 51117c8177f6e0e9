"""Classifiers: what they learn from, what chooses the epoch, resuming, refusals, judging."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch

from core.baselines.checkpoint import CLASSIFIER, load_classifier
from core.baselines.config import OUTCOMES, classifier_of, load_classifier_preset
from core.baselines.judge import judge_classifier, judge_malignancy
from core.baselines.mask_warm_start import warm_start_on_masks
from core.baselines.network import ClassifierNetwork, make_classifier, parameter_count
from core.baselines.plateau import Plateau
from core.baselines.trainer import target_rois, train_classifier
from core.data.roi_set import InputTransform, RoiSet
from core.domain.errors import Cancelled, ModelError, TrainingError
from core.domain.events import Message, Metrics
from core.domain.vocabulary import Part
from core.evaluation.report import evaluate
from core.training.batches import Augmented
from core.training.begin_or_resume import make_network
from core.training.config import Machine
from core.training.fixed_draws import features_of
from core.training.machine import MachineChoice, read_choice
from core.training.presets import load_preset
from core.training.trainer import train
from tests.core.training.tiny import CLASSES, CONFIG, changed, tiny_parts, tiny_rois

VGG = msgspec.structs.replace(classifier_of(CONFIG, "margin"), epochs=3)
MALIGNANCY = msgspec.structs.replace(classifier_of(CONFIG, "malignancy"), epochs=2)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def test_presets_lay_the_same_trunk_under_every_model() -> None:
    base = load_preset("compact")
    for name in ("vgg-compact", "malignancy-compact"):
        assert load_classifier_preset(name).base == base
    protopnet = load_preset("protopnet-compact")
    assert protopnet.method == "protopnet"
    assert protopnet.architecture == msgspec.structs.replace(base.architecture, top_k=1)
    assert (protopnet.loss.fine, protopnet.warm_start) == (0.0, "image")
    assert (protopnet.prototype_start, base.prototype_start) == ("random", "kmeans")
    assert protopnet.transform == base.transform
    frozen = load_preset("protopnet-pretrained")
    assert (frozen.prototype_start, frozen.warm_start, frozen.loss.fine) == ("kmeans", "image", 0.0)


def test_a_classifier_may_train_four_times_as_long_as_its_prototype_network() -> None:
    compact = load_preset("compact")
    epochs, config = compact.epochs, load_classifier_preset("vgg-compact")
    assert config.epochs == 4 * (epochs.warm_start + epochs.warm_up + epochs.joint) and config.patience == 12
    with pytest.raises(TrainingError, match="no classifier"):
        load_classifier_preset("vgg99")


def test_added_parameters_make_up_for_the_prototype_network() -> None:
    ours = parameter_count(make_classifier(VGG, fresh=True))
    theirs = parameter_count(make_network(CONFIG, fresh=True))
    # what is left are the prototypes and heads against the linear layer
    assert abs(ours - theirs) < 0.01 * theirs


def test_training_writes_a_classifier_that_loads_again(tmp_path: Path) -> None:
    seen: list[Metrics] = []
    made = train_classifier(
        tiny_rois(), tiny_parts(), VGG, tmp_path, emit=lambda e: seen.append(e) if isinstance(e, Metrics) else None
    )
    again = load_classifier(tmp_path)
    assert again.sha256 == made.sha256
    for name, value in made.network.state_dict().items():
        assert torch.equal(value, again.network.state_dict()[name])
    assert [event.epoch for event in seen] == [1, 2, 3]


def test_the_best_epoch_of_validation_is_kept(tmp_path: Path) -> None:
    seen: list[Metrics] = []
    made = train_classifier(
        tiny_rois(), tiny_parts(), VGG, tmp_path, emit=lambda e: seen.append(e) if isinstance(e, Metrics) else None
    )
    areas = [event.values["validation_auroc"] for event in seen]
    assert areas[made.card.best_epoch - 1] == max(a for a in areas if a is not None)
    assert made.card.validation["auroc"] == max(a for a in areas if a is not None)


def test_the_final_model_keeps_the_last_epoch(tmp_path: Path) -> None:
    config = msgspec.structs.replace(VGG, base=changed(select_on_validation=False))
    assert train_classifier(tiny_rois(), tiny_parts(), config, tmp_path).card.best_epoch == VGG.epochs


def test_test_images_change_nothing(tmp_path: Path) -> None:
    rois, parts = tiny_rois(), tiny_parts()
    plain = train_classifier(rois, parts, VGG, tmp_path / "a").network.state_dict()
    test = parts == Part.TEST.value
    pixels = rois.pixels.copy()
    pixels[test] = 0
    other = train_classifier(replace(rois, pixels=pixels), parts, VGG, tmp_path / "b").network.state_dict()
    assert all(torch.equal(plain[name], other[name]) for name in plain)


def test_an_interrupted_training_ends_in_the_same_bits(tmp_path: Path) -> None:
    rois, parts = tiny_rois(), tiny_parts()
    whole = train_classifier(rois, parts, VGG, tmp_path / "whole").network.state_dict()
    epochs: list[int] = []
    with pytest.raises(Cancelled):
        train_classifier(
            rois, parts, VGG, tmp_path / "cut", cancelled=lambda: len(epochs) == 2,
            emit=lambda e: epochs.append(e.epoch) if isinstance(e, Metrics) else None,
        )  # fmt: skip
    assert not (tmp_path / "cut" / CLASSIFIER).exists()
    resumed = train_classifier(rois, parts, VGG, tmp_path / "cut").network.state_dict()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_gradients_are_computed_as_in_a_run_of_the_prototype_network(tmp_path: Path) -> None:
    for wish in (changed(precision="auto"), changed(precision="bfloat16", machine=Machine(layout="contiguous"))):
        ours = train(tiny_rois(), tiny_parts(), wish, tmp_path / f"ours-{wish.precision}").record.machine
        config = msgspec.structs.replace(VGG, base=wish, epochs=1)
        theirs = train_classifier(tiny_rois(), tiny_parts(), config, tmp_path / f"theirs-{wish.precision}")
        assert theirs.card.machine == ours
        assert read_choice(tmp_path / f"theirs-{wish.precision}") == ours


def test_the_choice_of_how_to_compute_is_the_one_that_the_steps_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Measured once, told, and kept by a training that is gone on with."""
    seen: list[tuple[torch.dtype, bool]] = []
    whole = ClassifierNetwork.from_latent

    def watched(network: ClassifierNetwork, cells: torch.Tensor) -> torch.Tensor:
        if network.training:
            seen.append((cells.dtype, cells.is_contiguous(memory_format=torch.channels_last)))
        return whole(network, cells)

    def stop() -> bool:
        return any(isinstance(event, Metrics) for event in said)

    choice = MachineChoice(precision="bfloat16", channels_last=False, threads=1, how="measured")
    monkeypatch.setattr("core.baselines.trainer.choose_machine", lambda *a, **k: choice)
    said: list[object] = []
    with pytest.raises(Cancelled):
        train_classifier(
            tiny_rois(), tiny_parts(), VGG, tmp_path, emit=said.append,
            cancelled=stop,
        )  # fmt: skip
    assert any(isinstance(event, Message) and choice.words in event.text for event in said)
    monkeypatch.setattr("core.baselines.trainer.choose_machine", lambda *a, **k: MachineChoice())
    monkeypatch.setattr(ClassifierNetwork, "from_latent", watched)
    assert train_classifier(tiny_rois(), tiny_parts(), VGG, tmp_path).card.machine == choice
    assert set(seen) == {(torch.bfloat16, False)}


def test_a_folder_of_another_run_is_refused(tmp_path: Path) -> None:
    train_classifier(tiny_rois(), tiny_parts(), MALIGNANCY, tmp_path)
    with pytest.raises(TrainingError, match="a different configuration"):
        train_classifier(tiny_rois(), tiny_parts(), VGG, tmp_path)


def test_a_class_without_training_lesions_is_named(tmp_path: Path) -> None:
    rois = tiny_rois(labels=[i % 2 for i in range(24)])
    with pytest.raises(TrainingError, match="the class spiculated"):
        train_classifier(rois, tiny_parts(), VGG, tmp_path)


def test_one_outcome_only_is_named(tmp_path: Path) -> None:
    rois = replace(tiny_rois(), malignant=np.zeros(24, np.int64))
    with pytest.raises(TrainingError, match="biopsy result malignant"):
        train_classifier(rois, tiny_parts(), MALIGNANCY, tmp_path)


def test_a_damaged_classifier_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no classifier"):
        load_classifier(tmp_path)
    train_classifier(tiny_rois(), tiny_parts(), MALIGNANCY, tmp_path)
    content = bytearray((tmp_path / CLASSIFIER).read_bytes())
    content[-3] ^= 1
    (tmp_path / CLASSIFIER).write_bytes(bytes(content))
    with pytest.raises(ModelError, match="altered"):
        load_classifier(tmp_path)


def test_malignancy_is_learned_from_the_biopsied_lesions_alone() -> None:
    found = target_rois(tiny_rois(), "malignancy")
    assert found.class_names == OUTCOMES
    assert set(found.label.tolist()) == {0, 1}
    assert len(found) == int((tiny_rois().malignant >= 0).sum())


def test_a_classifier_is_judged_like_a_prototype_network(tmp_path: Path) -> None:
    rois = tiny_rois()
    model = train_classifier(rois, tiny_parts(), VGG, tmp_path)
    found = judge_classifier(model, rois, name="VGG-16")
    assert [p.model for p in found.values()] == ["VGG-16 with GradCAM", "VGG-16 with GradCAM++"]
    for predictions in found.values():
        scale = predictions.lesion_scale
        assert scale is not None
        # one map an image: that of its own class
        np.testing.assert_array_equal(scale.pairs.image, np.arange(24))
        np.testing.assert_array_equal(scale.pairs.prototype, rois.label)
        report = evaluate(predictions, draws=100)
        assert report["lesion_precision"].value is not None
        assert report["margin_auroc"].value is not None
    plain, plus = found.values()
    np.testing.assert_array_equal(plain.logits, plus.logits)


def test_the_balance_of_the_draws_is_undone_in_the_malignancy_logit(tmp_path: Path) -> None:
    rois = tiny_rois()
    model = train_classifier(rois, tiny_parts(), MALIGNANCY, tmp_path)
    found = judge_malignancy(model, rois, name="end to end")
    training = target_rois(rois.rows(tiny_parts() == Part.TRAINING.value), "malignancy")
    prior = np.log((training.label == 1).sum() / (training.label == 0).sum())
    np.testing.assert_allclose(found.malignancy - (found.logits[:, 1] - found.logits[:, 0]), prior)
    assert found.class_names == OUTCOMES
    assert rois.class_names == CLASSES


@pytest.mark.slow
def test_vgg16_end_to_end_at_224_pixels_is_trained_one_step_and_judged(tmp_path: Path) -> None:
    """The paper's black box of malignancy in full size, from random weights since none may be at hand."""
    small = load_preset("paper")
    architecture = msgspec.structs.replace(small.architecture, weights="random")
    config = changed(
        small, architecture=architecture, batch_lesion=4, batch_fine=2, device="cpu", precision="float32",
        epochs=msgspec.structs.replace(small.epochs, draws=6), preset="one step",
    )  # fmt: skip
    rois = large_rois(config.transform)
    target = msgspec.structs.replace(classifier_of(config, "malignancy"), epochs=1)
    before = make_classifier(target, fresh=True)
    metrics: list[Metrics] = []
    model = train_classifier(
        rois, tiny_parts(8), target, tmp_path, emit=lambda e: metrics.append(e) if isinstance(e, Metrics) else None
    )
    assert (model.network.architecture.backbone, model.card.config.base.transform.input_size) == ("vgg16", 224)
    assert len(metrics) == 1
    loss = metrics[0].values["cross_entropy"]
    assert loss is not None and 0.1 < loss < 10
    moved = [
        name for name, value in model.network.state_dict().items()
        if not torch.equal(value, before.state_dict()[name])
    ]  # fmt: skip
    assert {"features", "addon", "head"} <= {name.split(".")[0] for name in moved}
    found = judge_malignancy(model, rois, name="VGG-16, end to end")
    assert np.isfinite(found.malignancy).all()
    assert len(found) == int((rois.malignant >= 0).sum())


def large_rois(transform: InputTransform) -> RoiSet:
    """The tiny ROIs, eight of them, blown up to another transform's size."""
    rois = replace(tiny_rois(8), malignant=np.arange(8) % 2)
    at = np.arange(transform.stored_size) * rois.pixels.shape[1] // transform.stored_size

    def large(stored: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(stored[:, at][:, :, at])

    return replace(
        rois, transform=transform, pixels=large(rois.pixels), lesion=large(rois.lesion), fine=large(rois.fine)
    )


def test_rates_fall_on_plateaus_and_the_last_one_ends_the_training() -> None:
    losses = [1.0, 0.9, 0.95, 0.91, 0.8, 0.81, 0.82, 0.83, 0.79, 0.8, 0.8, 0.8, 0.8]
    state, factors, over = Plateau(), [], []
    for loss in losses:
        state = state.after(loss, patience=2)
        factors.append(round(state.factor, 4))
        over.append(state.over)
    assert factors == [1, 1, 1, 0.3333, 0.3333, 0.3333, 0.1111, 0.1111, 0.1111, 0.1111, 0.1111, 0.1111, 0.1111]
    assert over == [False] * 10 + [True] * 3 and state.best == 0.79


def test_a_classifier_trains_until_validation_says_that_it_has_converged(tmp_path: Path) -> None:
    config = msgspec.structs.replace(VGG, epochs=40, patience=1)
    rois, parts = tiny_rois(), tiny_parts()
    made = train_classifier(rois, parts, config, tmp_path / "a").card
    assert made.converged is True and 3 <= made.epochs < 40
    limited = train_classifier(rois, parts, msgspec.structs.replace(config, epochs=2), tmp_path / "b").card
    assert limited.converged is False and limited.epochs == 2
    final = msgspec.structs.replace(config, epochs=3, base=changed(select_on_validation=False))
    whole = train_classifier(rois, parts, final, tmp_path / "c").card
    assert whole.converged is None and whole.epochs == whole.best_epoch == 3


def test_the_mask_warm_start_teaches_the_trunk_and_nothing_else(tmp_path: Path) -> None:
    config, rois = msgspec.structs.replace(VGG, mask_warm_start=2), tiny_rois()
    training = target_rois(rois.rows(tiny_parts() == Part.TRAINING.value), "margin")
    network = make_classifier(config, fresh=True)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    source = Augmented(training, config.base)
    warm_start_on_masks(network, source, config, MachineChoice(), lambda event: None, lambda: False)
    changed_parts = {
        name.split(".")[0]
        for name, tensor in network.state_dict().items()
        if not torch.equal(tensor, before[name])
    }
    assert changed_parts == {"features"}
    plain = train_classifier(rois, tiny_parts(), VGG, tmp_path / "plain").network.state_dict()
    warm = train_classifier(rois, tiny_parts(), config, tmp_path / "warm").network.state_dict()
    assert any(not torch.equal(plain[name], warm[name]) for name in plain)


def test_a_classifier_on_standardised_features_has_them_from_its_training_rois(tmp_path: Path) -> None:
    architecture = msgspec.structs.replace(CONFIG.architecture, standardised=True)
    base = changed(architecture=architecture, frozen_backbone=True)
    config = msgspec.structs.replace(classifier_of(base, "margin"), epochs=1, tuned_blocks=0)
    rois, parts = tiny_rois(), tiny_parts()
    network = train_classifier(rois, parts, config, tmp_path).network
    features = features_of(network, rois.rows(parts == Part.TRAINING.value))
    torch.testing.assert_close(network.standardise.mean.flatten(), features.mean((0, 2, 3)), rtol=1e-4, atol=1e-5)
