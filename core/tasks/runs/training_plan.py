"""From what a user asks for to runs: splits, folds, sources."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from core.data.split import PAPER_FRACTIONS
from core.domain.errors import TrainingError
from core.domain.messages import message
from core.domain.study import Run, Split
from core.domain.vocabulary import Part
from core.jobs.hosts import Hosts
from core.store.study import Study
from core.tasks.runs.lifecycle import ParentOfRun, plan_run, request_of
from core.tasks.runs.splits import check_sources, find_split, make_folds, make_split
from core.training.config import TrainingConfig


def plan_runs(
    study: Study,
    config: TrainingConfig,
    *,
    name: str = "",
    split: str = "",
    folds: int = 0,
    sources: Sequence[str] = (),
    host: str = "",
) -> list[Run]:
    """The runs to carry out: one, or one a fold. New splits are stored in the study.

    ``host``: the confirmed machine that trains them; "": this one.
    """
    if host:
        Hosts().usable(host)
    base = name or _free_name(study, config)
    if folds and split:
        raise TrainingError(message("--folds makes its own splits and validates in each: leave out --split."))
    if folds:
        splits = make_folds(
            study,
            name=base,
            label=config.label,
            folds=folds,
            seed=config.seed,
            sources=sources,
            class_names=config.class_names,
        )
        return [
            plan_run(study, config, found.parts, name=f"{base}-fold{i + 1}", host=host)
            for i, found in enumerate(splits)
        ]
    chosen = _split(study, split, config)
    parts = _of_sources(study, chosen, sources)
    return [plan_run(study, config, parts, name=base, host=host)]


def plan_seeds(
    study: Study,
    config: TrainingConfig,
    *,
    seeds: Sequence[int] = (),
    name: str = "",
    split: str = "",
    folds: int = 0,
    sources: Sequence[str] = (),
    host: str = "",
) -> list[Run]:
    """Plan runs like ``plan_runs``, once for each seed on the same split.

    Without ``seeds``: once, with the configuration's seed.
    """
    base = name or _free_name(study, config)
    return [
        run
        for seed in seeds or (config.seed,)
        for run in plan_runs(
            study,
            msgspec.structs.replace(config, seed=seed),
            name=f"{base}-seed{seed}" if seeds else base,
            split=split,
            folds=folds,
            sources=sources,
            host=host,
        )
    ]


def plan_final(study: Study, validated: Run, *, name: str = "", host: str = "") -> Run:
    """The final model after a validated run, as the paper's: its configuration, trained on training and validation
    together to the epoch that validation chose, and tested on the same test part.

    TrainingError where the run had no validation part, so that nothing chose its epoch.
    """
    if host:
        Hosts().usable(host)
    request = request_of(study, validated)
    record = validated.metrics.get("record")
    epoch = record.get("best_epoch") if isinstance(record, dict) else None
    if not isinstance(epoch, int) or Part.VALIDATION not in request.parts.values():
        raise TrainingError(
            message(
                "Run {run} has no epoch that validation chose; train one with a validation part first.",
                run=validated.name,
            )
        )
    parts: dict[str, Part] = dict(request.parts)
    parts.update({p: Part.TRAINING for p, part in request.parts.items() if part is Part.VALIDATION})
    epochs = msgspec.structs.replace(request.config.epochs, joint=epoch)
    config = msgspec.structs.replace(request.config, epochs=epochs, select_on_validation=False)
    return plan_run(study, config, parts, name=name or f"{validated.name}-final", host=host)


def plan_again(study: Study, run: Run) -> Run:
    """A new run of the same configuration, parts and machine, on the labels and annotations as they are now."""
    request = request_of(study, run)
    return plan_run(
        study, request.config, request.parts, name=_free_name(study, request.config), host=request.host
    )


UPDATE_EPOCHS = 4
"""Joint epochs of an update: it begins from a trained model."""


def plan_update(study: Study, run: Run, *, name: str = "") -> Run:
    """A new run that begins with the add-on, prototypes and heads of a finished one and trains them on the labels
    and annotations as they are now. It keeps the features of the frozen trunk: the next update takes seconds.

    TrainingError where the run trained its trunk: its features are not fixed.
    """
    request = request_of(study, run)
    if not request.config.frozen_backbone:
        raise TrainingError(
            message(
                "Run {run} trained its whole network: only runs on fixed features can be updated (preset "
                "pretrained or frozen). Train it again instead.",
                run=run.name,
            )
        )
    epochs = msgspec.structs.replace(
        request.config.epochs, warm_start=0, warm_up=0, joint=UPDATE_EPOCHS, project_every=UPDATE_EPOCHS
    )
    config = msgspec.structs.replace(request.config, epochs=epochs, prototype_start="random")
    return plan_run(
        study, config, request.parts, name=name or _update_name(study, run), parent=ParentOfRun(run=run)
    )


def _update_name(study: Study, run: Run) -> str:
    stem = run.name.rpartition("-update")[0] or run.name
    taken = {one.name for one in (*study.runs.all(), *study.runs.all(archived=True))}
    return next(name for n in range(1, len(taken) + 2) if (name := f"{stem}-update{n}") not in taken)


def _split(study: Study, name: str, config: TrainingConfig) -> Split:
    if name:
        return find_split(study, name)
    latest = study.splits.find("default")
    if latest is not None:
        return latest
    made, _ = make_split(
        study,
        name="default",
        label=config.label,
        fractions=PAPER_FRACTIONS,
        seed=config.seed,
        class_names=config.class_names,
    )
    return made


def _of_sources(study: Study, split: Split, sources: Sequence[str]) -> dict[str, Part]:
    if not sources:
        return dict(split.parts)
    source_of = check_sources(study, sources)
    return {patient: part for patient, part in split.parts.items() if source_of.get(patient) in sources}


def _free_name(study: Study, config: TrainingConfig) -> str:
    stem = config.preset or "run"
    taken = {run.name for run in (*study.runs.all(), *study.runs.all(archived=True))}
    number = 1
    while any(name == f"{stem}-{number}" or name.startswith(f"{stem}-{number}-") for name in taken):
        number += 1
    return f"{stem}-{number}"
