"""A run from ROIs to a model: a state machine that saves itself after every step and goes on where it stopped.

On the CPU a resumed run ends in the same bits as an uninterrupted one, with the same number of threads.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from core.data.roi_set import RoiSet
from core.domain.errors import Cancelled
from core.domain.events import Emit, IsCancelled, Message, Metrics, Progress, never, silent
from core.domain.messages import message
from core.domain.study import Prototype
from core.model.accelerator import device_here, is_accelerator
from core.model.network import PrototypeNetwork
from core.model.precision import Precision
from core.platform.atomic import make_folder
from core.training import state as run_state
from core.training.begin_or_resume import begin, head_for
from core.training.config import TrainingConfig
from core.training.epoch import EpochTask, Memory, run_epoch
from core.training.forgotten_patches import Cells, ForgottenPatch, among, forgotten_cells
from core.training.inference import Latents
from core.training.last_layers import malignancy_of
from core.training.machine import computing
from core.training.moments import lay_out_moments
from core.training.projection import project
from core.training.prototype_start import start_from_kmeans
from core.training.refit import initial_weights, refit
from core.training.request import check_request, data_fingerprint
from core.training.ridge import choose_ridge
from core.training.run_inputs import FROM_NOTHING, RunRegions, RunStart
from core.training.run_progress import Clock
from core.training.run_record import RunResult, write_outcome
from core.training.similarity_table import SimilarityTable
from core.training.stage_loss import stage_loss
from core.training.stages import (
    GRADIENT_STAGES,
    StageStep,
    freezing,
    part_hashes,
    plan,
    prepare,
    rate_factor,
    set_rates,
)
from core.training.stalled import stalled
from core.training.standardise import standardise
from core.training.state import EpochRecord
from core.training.table_rows import fit_table
from core.training.team import ALONE, Team
from core.training.validation import Validation, evaluate

OnProjection = Callable[[PrototypeNetwork, tuple[Prototype, ...], RoiSet, int], None]
"""Callback(network, prototypes, training ROIs, epoch) after a projection."""


def train(
    rois: RoiSet,
    parts: NDArray[np.str_],
    config: TrainingConfig,
    folder: Path,
    *,
    emit: Emit = silent,
    cancelled: IsCancelled = never,
    team: Team = ALONE,
    projected: OnProjection | None = None,
    start: RunStart = FROM_NOTHING,
) -> RunResult:
    """Train a model on the ROIs whose ``parts`` entry (a value of ``Part``) is training.

    ``folder`` receives config.json, machine.json, state.safetensors, history.json, table.h5, run.json and model/.
    ``start``: what the run begins with; the record names the patches that it leaves out.
    A folder that holds an unfinished run of the same configuration and data is gone on with; TrainingError where
    it holds another run, where a class has no lesion, or where the loss is not finite; Cancelled at the user's
    wish, with everything up to the last finished step kept.
    """
    check_request(rois, parts, config)
    make_folder(folder)
    trainer = Trainer(rois, parts, config, folder, emit, cancelled, team=team, projected=projected, start=start)
    with computing(trainer.state.facts.machine):
        return trainer.run()


def assist(rois: RoiSet, parts: NDArray[np.str_], config: TrainingConfig, folder: Path, *, team: Team) -> None:
    """Do the share of a process that does not lead its team while the leader trains. Writes nothing."""
    check_request(rois, parts, config)
    trainer = Trainer(rois, parts, config, folder, silent, never, team=team)
    with computing(trainer.state.facts.machine):
        trainer.follow()


class Trainer:
    """The state machine behind ``train``; ``advance`` does one step of the plan and saves it."""

    def __init__(
        self,
        rois: RoiSet,
        parts: NDArray[np.str_],
        config: TrainingConfig,
        folder: Path,
        emit: Emit,
        cancelled: IsCancelled,
        *,
        team: Team = ALONE,
        projected: OnProjection | None = None,
        start: RunStart = FROM_NOTHING,
    ) -> None:
        self.team, self.projected = team, projected
        self.config, self.folder, self.emit, self.cancelled = config, folder, emit, cancelled
        self.data = RunRegions.of(rois, parts, config)
        self.steps = plan(config)
        self.state = begin(
            config, folder, data_fingerprint(rois, parts), lesions=len(self.data.training), emit=emit, team=team
        )
        self.device = device_here(self.state.facts.device)
        self.network = self.state.network
        begins = self.state.facts.position == 0
        if start.parent is not None and begins:
            self.network.load_state_dict(start.parent.network.state_dict())
        own = folder if team.leads else None
        self.inputs = start.inputs(self.network, self.data, config, own, emit=emit, cancelled=cancelled)
        if start.parent is None and begins:  # a resumed run has the standardisation in its state
            standardise(self.network, self.data.training, self.features(), team=team, cancelled=cancelled)
        self.forbidden = self._leave_out(start.forgotten)
        self._tables: dict[tuple[str, ...], SimilarityTable] = {}
        self.latents = Latents()
        """Latent cells of the training ROIs, since the layers before them changed last."""
        order = self.inputs.source.order(0)
        self.batches_an_epoch, self.lesions_an_epoch = len(order), sum(map(len, order))
        self.clock = Clock(self.steps, self.state.facts.position, self.batches_an_epoch)

    def _leave_out(self, patches: Sequence[ForgottenPatch]) -> Cells | None:
        """Return the cells that no prototype may start from or be projected onto; the record names the patches."""
        left_out = among(patches, self.data.training)
        self.state.facts.forgotten = left_out
        if not left_out:
            return None
        words = "; ".join(one.words for one in left_out)
        self.emit(Message(level="info", text=message("Removed as not medically relevant: {words}.", words=words)))
        return forgotten_cells(patches, self.data.training, self.network.grid)

    def features(self) -> torch.Tensor | None:
        """Return the trunk's output (n, C0, h, w) for the un-augmented training ROIs as it is now; None where its
        early blocks are not frozen."""
        return self.inputs.features(self.network)

    def validation_features(self) -> torch.Tensor | None:
        """Return the same of the validation ROIs."""
        return self.inputs.validation_features(self.network)

    def advance(self) -> StageStep | None:
        """Do the next step and save the state; None where the plan is done. Cancelled and errors save nothing."""
        facts = self.state.facts
        if facts.position == len(self.steps):
            return None
        if self.team.anybody(self.cancelled()):
            raise Cancelled
        step = self.steps[facts.position]
        self._report(step, 0)
        began = time.monotonic()
        values = self._do(step)
        facts.seconds[step.stage] = facts.seconds.get(step.stage, 0.0) + time.monotonic() - began
        if values:
            facts.history.append(EpochRecord(stage=step.stage, epoch=step.epoch, values=values))
            self.emit(Metrics(stage=step.stage, epoch=step.epoch, values=values))
        facts.position += 1
        if self.team.leads:
            run_state.save(self.folder, self.state)
        return step

    def follow(self) -> None:
        """Do the part of a process that does not lead: gradients only."""
        while self.advance() is not None:
            pass

    def run(self) -> RunResult:
        """Train all stages. Raises: TrainingError, Cancelled (see ``train``)."""
        self.follow()
        return write_outcome(
            self.folder,
            self.state,
            self.data.everything,
            self.data.parts,
            table=self._table(),
            figures=self._figures(),
        )

    def _do(self, step: StageStep) -> dict[str, float | None]:
        if step.stage in GRADIENT_STAGES:
            return self._gradient_epoch(step)
        actions: dict[str, Callable[[StageStep], dict[str, float | None]]] = {
            "prototypes": self._start_prototypes,
            "A2": self._project,
            "A3": self._fit_last,
            "selection": self._select,
            "B": self._fit_malignancy,
        }
        values = actions[step.stage](step) if self.team.leads else {}
        self.team.hand_out(self.network)
        return values

    def _gradient_epoch(self, step: StageStep) -> dict[str, float | None]:
        facts, config = self.state.facts, self.config
        self.latents.forget()
        if step.stage == "warm start" and self.state.head is None:
            self.state.head = head_for(self.network, config)
        elif step.stage != "warm start":
            self.state.head = None
        if facts.optimiser_stage != step.stage or self.state.optimiser is None:
            self.state.optimiser = run_state.optimiser_for(self.state, step.stage)
            facts.optimiser_stage = step.stage
        optimiser = self.state.optimiser
        machine = facts.machine
        self.network.prepare_gradients(channels_last=machine.channels_last, compiled=machine.compiled)
        lay_out_moments(optimiser)
        frozen, blocks = freezing(config, self.network, step.stage)
        prepare(
            self.network,
            step.stage,
            frozen_backbone=frozen,
            joint_last=config.rates.joint_last > 0,
            frozen_blocks=blocks,
        )

        def before_batch(batch: int, batches: int) -> None:
            set_rates(optimiser, rate_factor(step, batch, batches, config.rates.schedule))
            self._report(step, batch)

        memory = Memory(at_once=facts.at_once, halvings=facts.halvings)
        task = EpochTask(
            name=f"epoch {step.epoch} of {step.stage}",
            loss=stage_loss(step, self.network, self.state.head, self.inputs.source, config, self.team),
            optimiser=optimiser,
            device=self.device,
            precision=self._precision(step),
            memory=memory,
            before_batch=before_batch,
            cancelled=self.cancelled,
            team=self.team,
            unwatched=is_accelerator(self.device),
        )
        position = facts.position
        try:
            losses = run_epoch(task, self.inputs.source, self.inputs.source.order(position), position)
        finally:
            self.network.prepare_inference()
        if memory.halvings > facts.halvings:
            text = message(
                "Not enough memory: continuing with {at_once} images at a time.", at_once=memory.at_once
            )
            self.emit(Message(level="warning", text=text))
            facts.at_once, facts.halvings = memory.at_once, memory.halvings
        sentence = stalled(step, losses, config)
        if sentence and self.team.leads:
            self.emit(Message(level="warning", text=sentence))
        return {**losses, **(self._validated(step) if self.team.leads else {})}

    def _validated(self, step: StageStep) -> dict[str, float | None]:
        if step.stage == "warm start":
            return {}
        return self._figures().values()

    def _figures(self) -> Validation:
        return evaluate(
            self.network, self.data.validation, features=self.validation_features(), cancelled=self.cancelled
        )

    def _precision(self, step: StageStep) -> Precision:
        """Return the context for gradients: reduced precision in A1 and the backbone's warm start only."""
        reduced = self.state.facts.machine.precision == "bfloat16" and step.stage in ("A1", "warm start")
        return "bfloat16" if reduced else "float32"

    def _start_prototypes(self, step: StageStep) -> dict[str, float | None]:
        start_from_kmeans(
            self.network,
            self.data.training,
            seed=self.config.seed,
            inside_masks=self.config.warm_start == "cells",
            forbidden=self.forbidden,
            features=self.features(),
            cancelled=self.cancelled,
        )
        return {}

    def _project(self, step: StageStep) -> dict[str, float | None]:
        records = project(
            self.network,
            self.data.training,
            features=self.features(),
            kept=self.latents,
            forbidden=self.forbidden,
            distinct=self.config.projection.distinct,
            cancelled=self.cancelled,
        )
        self.state.facts.prototypes = records
        if self.projected is not None:
            self.projected(self.network, records, self.data.training, step.epoch)
        return {"mean_distance_moved": float(np.mean([r.distance_moved for r in records]))}

    def _fit_last(self, step: StageStep) -> dict[str, float | None]:
        facts = self.state.facts
        own = self.network.prototype_class.tolist()
        anchor = initial_weights(own, len(self.config.class_names))
        table = self._table()
        if facts.ridge is None:
            choice = choose_ridge(table.scores, table.label, table.patient_ids, anchor)
            facts.ridge, facts.ridge_cross_entropy = choice.chosen, choice.cross_entropy
        weights = refit(table.scores, table.label, anchor, ridge=facts.ridge)
        with torch.no_grad():
            self.network.last.weight.copy_(torch.from_numpy(weights.astype(np.float32)))
        figures = self._figures()
        selects = self.config.select_on_validation and len(self.data.validation) > 0
        if not selects or figures.better_than(self.state.best_validation()):
            self.state.best = {k: v.detach().clone() for k, v in self.network.state_dict().items()}
            facts.best_epoch, facts.best_prototypes = step.epoch, facts.prototypes
            facts.best_figures = msgspec.to_builtins(figures)
        return figures.values()

    def _select(self, step: StageStep) -> dict[str, float | None]:
        """Restore the projected epoch that validation chose (or the last)."""
        self.network.load_state_dict(self.state.best)
        self.latents.forget()
        self.state.facts.prototypes = self.state.facts.best_prototypes
        return {}

    def _fit_malignancy(self, step: StageStep) -> dict[str, float | None]:
        facts = self.state.facts
        assert facts.ridge is not None
        table = self._table()
        anchor = initial_weights(self.network.prototype_class.tolist(), len(self.config.class_names))
        weights = self.network.last.weight.detach().cpu().numpy().astype(np.float64)
        fit = malignancy_of(table, anchor, weights, ridge=facts.ridge, malignancy_fit=self.config.malignancy_fit)
        if fit is None:
            text = message(
                "Malignancy is left undefined: the biopsied training lesions do not show both outcomes."
            )
            self.emit(Message(level="warning", text=text))
            return {}
        with torch.no_grad():
            self.network.malignancy.weight.copy_(torch.from_numpy(fit.weights[None].astype(np.float32)))
            self.network.malignancy.bias.fill_(fit.bias)
        facts.malignancy_used, facts.malignancy_left_out = fit.used, fit.left_out
        return {}

    def _table(self) -> SimilarityTable:
        """Return the table, made once for each state of its layers: the last refit, B and the record share it."""
        hashes = part_hashes(self.network)
        key = tuple(hashes[part] for part in ("features", "addon", "prototypes"))
        if key not in self._tables:
            self._tables[key] = fit_table(
                self.network,
                self.data.training,
                self.config,
                source=self.inputs.source,
                features=self.features(),
                kept=self.latents,
                cancelled=self.cancelled,
            )
        return self._tables[key]

    def _report(self, step: StageStep, batch: int) -> None:
        report = self.clock.tick(self.state.facts.position, batch)
        if report is not None:
            done, total, eta = report
            detail = (
                message("epoch {epoch} of {epochs}", epoch=step.epoch, epochs=step.epochs)
                if step.epochs > 1
                else message("")
            )
            speed = self.clock.rate(batch) if step.stage in GRADIENT_STAGES else None
            rate = None if speed is None else speed * self.lesions_an_epoch / self.batches_an_epoch
            self.emit(Progress(stage=step.stage, done=done, total=total, eta_s=eta, detail=detail, rate=rate))
