"""Training of a classifier: the data pipeline of the prototype network, the epoch chosen on validation.

The state is saved after every epoch; an interrupted run goes on from there, on the CPU to the same bits.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from core.baselines.checkpoint import ClassifierCard, LoadedClassifier, load_classifier, save_classifier
from core.baselines.config import OUTCOMES, ClassifierConfig, Target
from core.baselines.held_out import HeldOut
from core.baselines.mask_warm_start import warm_start_on_masks
from core.baselines.network import ClassifierNetwork, make_classifier
from core.baselines.plateau import Plateau, waits
from core.baselines.tuned_trunk import training_source, trunk_groups
from core.data.roi_set import RoiSet
from core.domain.errors import Cancelled, TrainingError
from core.domain.events import Emit, IsCancelled, Message, Metrics, Progress, never, silent
from core.domain.messages import message
from core.domain.vocabulary import Part
from core.model.accelerator import device_here, is_accelerator, resolve_device
from core.model.tensor_file import load_state, save_state
from core.platform.atomic import make_folder
from core.platform.version import code_version
from core.training.batches import Cached, Source, TrainingBatch
from core.training.epoch import EpochTask, Memory, run_epoch
from core.training.fixed_draws import EarlyMaps, KeptFeatures
from core.training.inference import device_of
from core.training.losses import Parts
from core.training.machine import MachineChoice, choose_machine, computing, settle_machine, write_config
from core.training.moments import lay_out_moments, load_moments, moments_of
from core.training.request import data_fingerprint
from core.training.run_progress import Clock
from core.training.stages import StageStep, adam, rate_factor, set_rates
from core.training.standardise import standardise
from core.training.validation import Validation

STATE = "classifier-state.safetensors"
Tensors = dict[str, torch.Tensor]


class _Facts(msgspec.Struct, kw_only=True):
    config: ClassifierConfig
    fingerprint: str
    device: str
    machine: MachineChoice
    epoch: int = 0
    """Epochs that are done."""
    at_once: int = 0
    plateau: Plateau = Plateau()
    best_epoch: int = 0
    best_figures: dict[str, float | None] = {}
    history: list[dict[str, float | None]] = []
    seconds: float = 0.0


@dataclass(kw_only=True, eq=False)
class _BaselineState:
    facts: _Facts
    network: ClassifierNetwork
    optimiser: torch.optim.Adam
    best: Tensors = field(default_factory=dict)


def target_rois(rois: RoiSet, target: Target) -> RoiSet:
    """Return the ROIs that a target is known of, with its classes: margins as they are, or the biopsied ones
    of these."""
    labelled = rois.rows(rois.label >= 0)
    if target == "margin":
        return labelled
    biopsied = labelled.rows(labelled.malignant >= 0)
    return replace(biopsied, label=biopsied.malignant.copy(), class_names=OUTCOMES)


def train_classifier(
    rois: RoiSet,
    parts: NDArray[np.str_],
    config: ClassifierConfig,
    folder: Path,
    *,
    emit: Emit = silent,
    cancelled: IsCancelled = never,
    kept: KeptFeatures | None = None,
) -> LoadedClassifier:
    """Train on the ROIs whose ``parts`` entry is training, and choose the epoch on those of validation.

    Gradients are computed as in a run of the prototype network (``core.training.machine``). ``folder`` receives
    config.json, machine.json, classifier-state.safetensors and, at the end, classifier.safetensors. An unfinished
    run of the same configuration and data is gone on with. ``kept``: what the frozen blocks of the trunk make of
    these ROIs, computed before for this trunk and this augmentation. TrainingError where a class has no training
    lesion, where the folder holds another run, or where the loss is not finite; Cancelled with every finished
    epoch kept.
    """
    if len(parts) != len(rois):
        raise ValueError("parts needs one entry a ROI")
    _check_input(rois, config)
    make_folder(folder)
    training = target_rois(rois.rows(parts == Part.TRAINING.value), config.target)
    validation = target_rois(rois.rows(parts == Part.VALIDATION.value), config.target)
    _check_classes(training, config.target)
    state = _begin(config, folder, data_fingerprint(rois, parts), lesions=len(training), emit=emit)
    with computing(state.facts.machine):
        network = state.network
        source = training_source(network, training, config, kept, emit=emit, cancelled=cancelled)
        held = HeldOut.of(network, validation, config, kept, cancelled)
        if state.facts.epoch == 0:  # a resumed run has the standardisation in its state
            standardise(network, training, _features(network, source), cancelled=cancelled)
        if config.mask_warm_start and state.facts.epoch == 0:
            warm_start_on_masks(network, source, config, state.facts.machine, emit, cancelled)
        _epochs(state, source, held, folder, emit, cancelled)
    facts = state.facts
    state.network.load_state_dict(state.best)
    card = ClassifierCard(
        config=config,
        data_fingerprint=facts.fingerprint,
        training_lesions=len(training),
        training_patients=len(set(training.patient_ids)),
        best_epoch=facts.best_epoch,
        epochs=facts.epoch,
        converged=facts.plateau.over if waits(config, validation) else None,
        prior_logit=_prior(training) if config.target == "malignancy" else None,
        validation=facts.best_figures,
        synthetic=rois.synthetic,
        code_version=code_version(),
        seconds=facts.seconds,
        device=facts.device,
        machine=facts.machine,
    )
    save_classifier(folder, state.network, card)
    return load_classifier(folder)


def _check_input(rois: RoiSet, config: ClassifierConfig) -> None:
    if rois.transform != config.base.transform or rois.class_names != config.base.class_names:
        raise TrainingError(
            message(
                "The ROIs were made with a different input transform or different classes: extract them again."
            )
        )


def _check_classes(training: RoiSet, target: Target) -> None:
    present = set(training.label.tolist())
    for index, name in enumerate(training.class_names):
        if index not in present:
            what = message("the class") if target == "margin" else message("the biopsy result")
            raise TrainingError(
                message(
                    "No lesion of the training part has {what} {name}: label some, or leave this model out.",
                    what=what,
                    name=name,
                )
            )


def _prior(training: RoiSet) -> float:
    malignant = int((training.label == 1).sum())
    return float(np.log(malignant / (len(training) - malignant)))


def _begin(
    config: ClassifierConfig, folder: Path, fingerprint: str, *, lesions: int, emit: Emit
) -> _BaselineState:
    """Return the state of the unfinished run in the folder, or that of a new one on ``lesions`` ROIs."""
    tensors: Tensors | None = None
    if (folder / STATE).exists():
        tensors, meta = load_state(folder / STATE)
        facts = _facts(meta, folder)
        if facts.config != config or facts.fingerprint != fingerprint:
            raise TrainingError(
                message(
                    "The folder {folder} holds a run with a different configuration or different data: choose a "
                    "new folder.",
                    folder=folder,
                )
            )
        network = make_classifier(config, fresh=False).to(device_here(facts.device))
    else:
        device = resolve_device(config.base.device)
        write_config(config, folder)
        network = make_classifier(config, fresh=True).to(device)
        choice = settle_machine(
            folder,
            lambda: choose_machine(network, config.base, device, lesions=lesions, epochs=config.epochs),
            emit,
        )
        facts = _Facts(
            config=config,
            fingerprint=fingerprint,
            device=device.type,
            machine=choice,
            at_once=config.base.batch_lesion + config.base.batch_fine,
        )
    state = _BaselineState(facts=facts, network=network, optimiser=_optimiser(network, config))
    if tensors is not None:
        _restore(state, tensors)
    return state


def _facts(meta: object, folder: Path) -> _Facts:
    try:
        return msgspec.convert(meta, _Facts)
    except msgspec.ValidationError as error:
        raise TrainingError(
            message(
                "{path} was written by another version of the program: train in a new folder.", path=folder / STATE
            )
        ) from error


def _optimiser(network: ClassifierNetwork, config: ClassifierConfig) -> torch.optim.Adam:
    decay = config.base.rates.weight_decay
    parts = [(network.addon, config.rate_head, decay), (network.head, config.rate_head, 0.0)]
    groups = trunk_groups(network, config) + [
        {"params": list(module.parameters()), "lr": rate, "rate": rate, "weight_decay": wd}
        for module, rate, wd in parts
    ]
    return adam(groups, rate=config.rate_head, decoupled_decay=config.base.rates.decoupled_decay)


def _restore(state: _BaselineState, tensors: Tensors) -> None:
    state.network.load_state_dict(_under(tensors, "network."))
    state.best = _under(tensors, "best.")
    load_moments(state.optimiser, _under(tensors, "optimiser."))


def _under(tensors: Tensors, prefix: str) -> Tensors:
    return {name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)}


def _save(folder: Path, state: _BaselineState) -> None:
    tensors = {f"network.{name}": value for name, value in state.network.state_dict().items()}
    tensors |= {f"best.{name}": value for name, value in state.best.items()}
    tensors |= {f"optimiser.{name}": value for name, value in moments_of(state.optimiser).items()}
    save_state(folder / STATE, tensors, msgspec.to_builtins(state.facts))


def _features(network: ClassifierNetwork, source: Source) -> torch.Tensor | None:
    """Return the trunk's output for the un-augmented training ROIs, from what its frozen blocks made of them."""
    if not isinstance(source, Cached):
        return None
    return EarlyMaps(blocks=source.blocks, maps=source.plain).features(network)


def _epochs(
    state: _BaselineState, source: Source, held: HeldOut, folder: Path, emit: Emit, cancelled: IsCancelled
) -> None:
    facts, config = state.facts, state.facts.config
    steps = [StageStep(stage="A1", epoch=e + 1, epochs=config.epochs) for e in range(config.epochs)]
    clock = Clock(steps, facts.epoch, len(source.order(0)))
    name = "VGG" if config.target == "margin" else "malignancy"
    waiting = waits(config, held.rois)
    while facts.epoch < config.epochs and not (waiting and facts.plateau.over):
        if cancelled():
            raise Cancelled
        step, began = steps[facts.epoch], time.monotonic()

        def before_batch(batch: int, batches: int, step: StageStep = step) -> None:
            usual = rate_factor(step, batch, batches, config.base.rates.schedule)
            set_rates(state.optimiser, facts.plateau.factor if waiting else usual)
            told = clock.tick(facts.epoch, batch)
            if told is not None:
                done, total, eta = told
                detail = message("epoch {epoch} of {epochs}", epoch=step.epoch, epochs=step.epochs)
                emit(Progress(stage=name, done=done, total=total, eta_s=eta, detail=detail))

        losses = _one_epoch(state, source, before_batch, emit, cancelled)
        figures = held.figures(state.network, cancelled)
        facts.epoch += 1
        facts.plateau = facts.plateau.after(figures.cross_entropy, patience=config.patience)
        last = facts.epoch == config.epochs
        best = Validation(**facts.best_figures) if facts.best_epoch else None
        selects = config.base.select_on_validation and len(held.rois) > 0
        if figures.better_than(best) if selects else last:
            state.best = {key: value.detach().clone() for key, value in state.network.state_dict().items()}
            facts.best_epoch, facts.best_figures = facts.epoch, msgspec.to_builtins(figures)
        values = {**losses, "validation_auroc": figures.auroc}
        facts.history.append(values)
        facts.seconds += time.monotonic() - began
        _save(folder, state)
        emit(Metrics(stage=name, epoch=facts.epoch, values=values))


def _one_epoch(
    state: _BaselineState, source: Source, before_batch: Any, emit: Emit, cancelled: IsCancelled
) -> dict[str, float]:
    facts, network = state.facts, state.network
    network.prepare_gradients(channels_last=facts.machine.channels_last, compiled=facts.machine.compiled)
    lay_out_moments(state.optimiser)
    network.train()
    for block in network.blocks():
        if not any(parameter.requires_grad for parameter in block.parameters()):
            block.eval()

    def loss(batch: TrainingBatch) -> Parts:
        cells = source.latent(network, batch.inputs)
        return {"cross_entropy": functional.cross_entropy(network.from_latent(cells), batch.label)}

    memory = Memory(at_once=facts.at_once)
    task = EpochTask(
        name=f"epoch {facts.epoch + 1} of {facts.config.target}",
        loss=loss,
        optimiser=state.optimiser,
        device=device_of(network),
        precision=facts.machine.precision,
        memory=memory,
        before_batch=before_batch,
        cancelled=cancelled,
        unwatched=is_accelerator(device_of(network)),
    )
    try:
        losses = run_epoch(task, source, source.order(facts.epoch), facts.epoch)
    finally:
        network.prepare_inference()
    if memory.halvings:
        text = message("Not enough memory: continuing with {at_once} images at a time.", at_once=memory.at_once)
        emit(Message(level="warning", text=text))
        facts.at_once = memory.at_once
    return losses
