"""The pruning that a steered run takes over from its parent."""

from __future__ import annotations

import msgspec

from core.domain.study import ModelRevision, Run
from core.model.checkpoint import load_model
from core.pruning.prune import prepare, prunable_state, prune
from core.pruning.revision import make_revision, save_revision
from core.store.study import Study
from core.tasks.runs.train_job import MODEL, TrainRequest
from core.training.similarity_table import load_table

REASON = "Pruned in the parent run"


def prune_as_parent(study: Study, run: Run, request: TrainRequest, trained: ModelRevision) -> None:
    """Make a revision of ``run`` without what its parent had pruned; nothing where that is nothing."""
    if not request.pruned:
        return
    folder = study.run_folder(run.id)
    base = load_model(folder / MODEL)
    state = prunable_state(base.network, base.card)
    fit = request.config.malignancy_fit
    outcome = prune(prepare(load_table(folder / "table.h5")), state, set(request.pruned), malignancy_fit=fit)
    made = make_revision(outcome, base, run_id=run.id, parent=None, reason=REASON)
    save_revision(folder, made)
    study.models.add(msgspec.structs.replace(made.record, parent_id=trained.id))
