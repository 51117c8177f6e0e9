"""Immutable revisions of a model: which prototypes are kept and the heads that were refitted for them.

A revision is small (no network, no image) and hangs on the hash of the model it was made from. Undo goes to the
parent, whose state is what it was to the bit; nothing is ever changed in place.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from core.domain.errors import ModelError
from core.domain.messages import message
from core.domain.study import ModelRevision
from core.model.checkpoint import LoadedModel
from core.model.network import without_prototypes
from core.model.tensor_file import Tensors, decode, encode, first_not_finite, read_header
from core.platform.atomic import atomic_write, make_folder
from core.pruning.prune import PrunableState, PruneOutcome, prunable_state
from core.training.last_layers import Heads
from core.training.refit import Malignancy

SCHEMA = 1
FOLDER = "revisions"
_RECORD, _HEADS = "revision.json", "heads.safetensors"
_ID = re.compile(r"[0-9a-f]{32}")
_LARGEST_RECORD = 1 << 20

Float32 = NDArray[np.float32]


class _RevisionDocument(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    schema: int
    revision: ModelRevision
    model_sha256: str
    heads_sha256: str
    precedent_threshold: float | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Revision:
    record: ModelRevision
    model_sha256: str
    """The SHA-256 of the unpruned model's weights; the revision fits no other."""
    weights: Float32
    """(K, kept) of ``h1``."""
    malignancy_weights: Float32
    """(K,) of ``h2``; all 0 where the model predicts no malignancy."""
    malignancy_bias: float
    precedent_threshold: float | None

    @property
    def sha256(self) -> str:
        """Return the SHA-256 of everything that the revised model computes with; printed on its reports."""
        return hashlib.sha256(self.model_sha256.encode() + self._heads() + self._kept()).hexdigest()

    def _kept(self) -> bytes:
        return msgspec.json.encode(self.record.prototype_indices)

    def _heads(self) -> bytes:
        return encode(self._tensors())

    def _tensors(self) -> Tensors:
        return {
            "last.weight": torch.from_numpy(self.weights.copy()),
            "malignancy.weight": torch.from_numpy(self.malignancy_weights.copy()),
            "malignancy.bias": torch.tensor([self.malignancy_bias], dtype=torch.float32),
        }


def make_revision(
    outcome: PruneOutcome, base: LoadedModel, *, run_id: str, parent: Revision | None, reason: str
) -> Revision:
    """The revision that a prune outcome leads to. ``base`` is the run's unpruned model.

    ModelError where ``parent`` (None for the unpruned model) is not the state that the outcome started from.
    """
    started = outcome.before.kept
    expected = tuple(range(len(base.card.prototype_class))) if parent is None else parent.record.prototype_indices
    if started != expected:
        raise ModelError(
            message("The pruning was computed on another revision of the model: preview it again first.")
        )
    after = outcome.after
    malignancy = after.heads.malignancy
    classes = len(after.class_names)
    return Revision(
        record=ModelRevision(
            id=uuid.uuid4().hex,
            run_id=run_id,
            parent_id=None if parent is None else parent.record.id,
            prototype_indices=after.kept,
            reason=reason,
            created_utc=datetime.now(UTC).isoformat(timespec="seconds"),
        ),
        model_sha256=base.sha256,
        weights=after.heads.weights.astype(np.float32),
        malignancy_weights=np.zeros(classes, np.float32)
        if malignancy is None
        else malignancy.weights.astype(np.float32),
        malignancy_bias=0.0 if malignancy is None else malignancy.bias,
        precedent_threshold=after.precedent_threshold,
    )


def apply_revision(base: LoadedModel, revision: Revision) -> LoadedModel:
    """The pruned model: ``base`` without the other prototypes and their columns, with the revision's heads.

    ``base`` is left as it is. ModelError where the revision was made from another model or does not fit it.
    """
    if revision.model_sha256 != base.sha256:
        raise ModelError(
            message(
                "Revision {revision} was made from another model (weights "
                "{weights}, these are {other_weights}): open the run that it belongs to.",
                revision=revision.record.id[:8],
                weights=revision.model_sha256[:12],
                other_weights=base.sha256[:12],
            )
        )
    kept = revision.record.prototype_indices
    card = base.card
    _check_fit(revision, len(card.prototype_class), len(card.class_names))
    network = without_prototypes(base.network, set(range(len(card.prototype_class))) - set(kept))
    with torch.no_grad():
        network.last.weight.copy_(torch.from_numpy(revision.weights))
        network.malignancy.weight.copy_(torch.from_numpy(revision.malignancy_weights)[None])
        network.malignancy.bias.fill_(revision.malignancy_bias)
    revised = msgspec.structs.replace(
        card,
        prototype_class=tuple(card.prototype_class[j] for j in kept),
        prototypes=tuple(card.prototypes[j] for j in kept) if card.prototypes else (),
        precedent_threshold=revision.precedent_threshold,
        notes={**card.notes, "revision": revision.record.id},
    )
    return replace(base, network=network.eval(), card=revised, sha256=revision.sha256)


def revised_state(base: LoadedModel, revision: Revision | None) -> PrunableState:
    """The state to prune further: that of a revision, or of the unpruned model."""
    state = prunable_state(base.network, base.card)
    if revision is None:
        return state
    malignancy = None
    if revision.malignancy_weights.any():
        v = revision.malignancy_weights.astype(np.float64)
        malignancy = Malignancy(weights=v, bias=revision.malignancy_bias, used=0, left_out=0)
    heads = Heads(weights=revision.weights.astype(np.float64), ridge=state.heads.ridge, malignancy=malignancy)
    return replace(
        state,
        kept=revision.record.prototype_indices,
        heads=heads,
        precedent_threshold=revision.precedent_threshold,
    )


def save_revision(run_folder: Path, revision: Revision) -> Path:
    """Write a revision into ``<run folder>/revisions/<id>/``, the record last; returns that folder.

    A crash before the record leaves nothing that counts. ModelError where the id is taken (revisions never
    change) or a weight is not finite; StorageFullError where there is no room.
    """
    bad = first_not_finite(revision._tensors())
    if bad is not None:
        raise ModelError(
            message("The revision was not saved: its weights are not finite numbers in {tensors}.", tensors=bad)
        )
    folder = run_folder / FOLDER / revision.record.id
    if (folder / _RECORD).exists():
        raise ModelError(
            message(
                "Revision {revision} exists already, and revisions never change.", revision=revision.record.id[:8]
            )
        )
    make_folder(folder)
    heads = revision._heads()
    atomic_write(folder / _HEADS, heads)
    document = _RevisionDocument(
        schema=SCHEMA,
        revision=revision.record,
        model_sha256=revision.model_sha256,
        heads_sha256=hashlib.sha256(heads).hexdigest(),
        precedent_threshold=revision.precedent_threshold,
    )
    atomic_write(folder / _RECORD, msgspec.json.format(msgspec.json.encode(document), indent=1))
    return folder


def load_revision(run_folder: Path, revision_id: str) -> Revision:
    """The revision of this id. ModelError where there is none or where its files are damaged or altered."""
    if not _ID.fullmatch(revision_id):
        raise ModelError(
            message("{revision!r} is not the id of a revision (32 hexadecimal digits).", revision=revision_id[:40])
        )
    folder = run_folder / FOLDER / revision_id
    document = _read_record(folder)
    path = folder / _HEADS
    read_header(path)
    content = path.read_bytes()
    if document.revision.id != revision_id or hashlib.sha256(content).hexdigest() != document.heads_sha256:
        raise ModelError(
            message(
                "Revision {revision} was altered after it was saved: go back to its parent.",
                revision=revision_id[:8],
            )
        )
    tensors = decode(_HEADS, content)
    if set(tensors) != {"last.weight", "malignancy.weight", "malignancy.bias"} or first_not_finite(tensors):
        raise ModelError(
            message(
                "{file} of revision {revision} does not hold the last layers of a model.",
                file=path.name,
                revision=revision_id[:8],
            )
        )
    return Revision(
        record=document.revision,
        model_sha256=document.model_sha256,
        weights=tensors["last.weight"].numpy(),
        malignancy_weights=tensors["malignancy.weight"].numpy(),
        malignancy_bias=float(tensors["malignancy.bias"].reshape(-1)[0]),
        precedent_threshold=document.precedent_threshold,
    )


def list_revisions(run_folder: Path) -> tuple[ModelRevision, ...]:
    """The records of all complete revisions of a run, oldest first."""
    folder = run_folder / FOLDER
    if not folder.is_dir():
        return ()
    records = [_read_record(one).revision for one in folder.iterdir() if (one / _RECORD).is_file()]
    return tuple(sorted(records, key=lambda record: (record.created_utc, record.id)))


def parent_of(run_folder: Path, revision: Revision) -> Revision | None:
    """Return the revision that undo restores; None is the unpruned model."""
    return None if revision.record.parent_id is None else load_revision(run_folder, revision.record.parent_id)


def _read_record(folder: Path) -> _RevisionDocument:
    path = folder / _RECORD
    if not path.is_file() or path.stat().st_size > _LARGEST_RECORD:
        raise ModelError(
            message(
                "There is no revision {revision} in {folder}.",
                revision=folder.name[:8],
                folder=folder.parent.parent,
            )
        )
    try:
        document = msgspec.json.decode(path.read_bytes(), type=_RevisionDocument)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ModelError(
            message("{path} is not the record of a revision: go back to its parent.", path=path)
        ) from error
    if document.schema > SCHEMA:
        raise ModelError(
            message(
                "Revision {revision} was made by a newer version of the program: update it.",
                revision=folder.name[:8],
            )
        )
    return document


def _check_fit(revision: Revision, prototypes: int, classes: int) -> None:
    kept: Sequence[int] = revision.record.prototype_indices
    ascending = list(kept) == sorted(set(kept)) and all(0 <= j < prototypes for j in kept)
    if (
        not ascending
        or revision.weights.shape != (classes, len(kept))
        or len(revision.malignancy_weights) != classes
    ):
        raise ModelError(
            message(
                "Revision {revision} does not fit the model it names: its numbers differ.",
                revision=revision.record.id[:8],
            )
        )
