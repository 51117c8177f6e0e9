from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch

from core.domain.errors import ModelError
from core.explain.explanation import explain, roi_input
from core.model.checkpoint import load_model, save_model
from core.pruning.prune import PruneOutcome, prepare, prune
from core.pruning.revision import (
    Revision,
    apply_revision,
    list_revisions,
    load_revision,
    make_revision,
    parent_of,
    revised_state,
    save_revision,
)
from core.training.inference import infer
from tests.core.pruning.world import small_model, state_of

BASE, TABLE, ROIS = small_model()
PREPARED = prepare(TABLE)


def pruned(remove: set[int], parent: Revision | None = None) -> tuple[PruneOutcome, Revision]:
    outcome = prune(PREPARED, revised_state(BASE, parent), remove)
    return outcome, make_revision(outcome, BASE, run_id="run-1", parent=parent, reason="test")


def tensors(model: object) -> dict[str, np.ndarray]:
    return {name: value.numpy().copy() for name, value in model.state_dict().items()}  # type: ignore[attr-defined]


def test_the_revised_model_computes_what_the_outcome_promised() -> None:
    outcome, revision = pruned({1, 2})
    revised = apply_revision(BASE, revision)
    found = infer(revised.network, ROIS)
    kept = list(outcome.after.kept)
    rows = np.flatnonzero(np.isin(TABLE.lesion_ids, ROIS.lesion_ids))
    np.testing.assert_array_equal(found.scores, TABLE.scores[rows][:, kept])
    np.testing.assert_allclose(
        found.logits, outcome.after.logits(TABLE.rows(np.isin(TABLE.lesion_ids, ROIS.lesion_ids))), atol=1e-4
    )
    assert revised.card.prototype_class == tuple(BASE.card.prototype_class[j] for j in kept)
    assert revised.card.prototypes == tuple(BASE.card.prototypes[j] for j in kept)
    assert revised.sha256 not in (BASE.sha256, "")


def test_a_revised_model_explains_itself_under_the_old_numbers() -> None:
    _, revision = pruned({0, 3})
    revised = apply_revision(BASE, revision)
    found = explain(revised.network, revised.card, roi_input(ROIS, 0))
    assert [row.number for row in found.rows] == [2, 3, 5, 6]
    np.testing.assert_allclose(sum(row.contributions for row in found.rows), found.logits, atol=1e-5)


def test_applying_a_revision_leaves_the_model_it_came_from() -> None:
    before = tensors(BASE.network)
    apply_revision(BASE, pruned({4})[1])
    after = tensors(BASE.network)
    assert before.keys() == after.keys()
    assert all(before[name].tobytes() == after[name].tobytes() for name in before)


def test_a_saved_revision_comes_back_bit_for_bit(tmp_path: Path) -> None:
    _, revision = pruned({1})
    folder = save_revision(tmp_path, revision)
    assert sorted(path.name for path in folder.iterdir()) == ["heads.safetensors", "revision.json"]
    back = load_revision(tmp_path, revision.record.id)
    assert back.sha256 == revision.sha256
    assert back.record == revision.record
    one, two = apply_revision(BASE, revision).network, apply_revision(BASE, back).network
    assert all(
        torch.equal(a, b) for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True)
    )


def test_undo_restores_the_parent_to_the_bit(tmp_path: Path) -> None:
    _, first = pruned({1})
    save_revision(tmp_path, first)
    before = tensors(apply_revision(BASE, first).network)
    _, second = pruned({4}, parent=first)
    save_revision(tmp_path, second)
    parent = parent_of(tmp_path, load_revision(tmp_path, second.record.id))
    assert parent is not None
    after = tensors(apply_revision(BASE, parent).network)
    assert all(before[name].tobytes() == after[name].tobytes() for name in before)
    assert parent_of(tmp_path, parent) is None
    np.testing.assert_array_equal(
        revised_state(BASE, parent).heads.weights, revised_state(BASE, first).heads.weights
    )


def test_the_history_of_a_run_is_listed(tmp_path: Path) -> None:
    assert list_revisions(tmp_path) == ()
    _, first = pruned({1})
    _, second = pruned({4}, parent=first)
    for revision in (first, second):
        save_revision(tmp_path, revision)
    (tmp_path / "revisions" / "half-written").mkdir()
    found = list_revisions(tmp_path)
    assert {record.id for record in found} == {first.record.id, second.record.id}
    assert {record.parent_id for record in found} == {None, first.record.id}


def test_an_outcome_of_another_state_makes_no_revision() -> None:
    outcome, first = pruned({1})
    with pytest.raises(ModelError, match="another revision"):
        make_revision(outcome, BASE, run_id="run-1", parent=first, reason="")


def test_a_revision_fits_only_the_model_it_was_made_from() -> None:
    _, revision = pruned({1})
    with pytest.raises(ModelError, match="made from another model"):
        apply_revision(replace(BASE, sha256="cd" * 32), revision)


def test_revisions_never_change(tmp_path: Path) -> None:
    _, revision = pruned({1})
    save_revision(tmp_path, revision)
    with pytest.raises(ModelError, match="never change"):
        save_revision(tmp_path, revision)


def test_weights_that_are_not_finite_are_not_saved(tmp_path: Path) -> None:
    _, revision = pruned({1})
    with pytest.raises(ModelError, match=r"not finite numbers in last\.weight"):
        save_revision(tmp_path, replace(revision, weights=revision.weights * np.float32(np.nan)))
    assert list_revisions(tmp_path) == ()


@pytest.mark.parametrize("name", ["heads.safetensors", "revision.json"])
def test_damage_is_found(tmp_path: Path, name: str) -> None:
    _, revision = pruned({1})
    path = save_revision(tmp_path, revision) / name
    content = bytearray(path.read_bytes())
    for broken in (bytes(content[:-9]), bytes(content[:-9]) + b"xxxxxxxxx", b""):
        path.write_bytes(broken)
        with pytest.raises(ModelError):
            load_revision(tmp_path, revision.record.id)


@pytest.mark.parametrize("name", ["../../etc", "", "A" * 32, "0" * 31])
def test_an_id_that_is_none_never_reaches_a_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelError, match="not the id of a revision"):
        load_revision(tmp_path, name)
    with pytest.raises(ModelError, match="There is no revision"):
        load_revision(tmp_path, "0" * 32)


def test_indices_that_do_not_fit_are_refused() -> None:
    _, revision = pruned({1})
    for indices in [(0, 2, 3, 4, 9), (0, 0, 2, 3, 4), (0, 2, 3)]:
        record = msgspec.structs.replace(revision.record, prototype_indices=indices)
        with pytest.raises(ModelError, match="does not fit"):
            apply_revision(BASE, replace(revision, record=record))


def test_a_revised_model_can_be_saved_as_a_model_of_its_own(tmp_path: Path) -> None:
    revised = apply_revision(BASE, pruned({1})[1])
    trunkless = revised.network.features  # the test's trunk is no named backbone: only the card is judged here
    assert trunkless is not None
    with pytest.raises(ModelError):
        save_model(tmp_path, revised.network, BASE.card)
    save_model(tmp_path, revised.network, revised.card)
    with pytest.raises(ModelError):
        load_model(tmp_path)


def test_a_model_that_was_never_fitted_cannot_be_pruned() -> None:
    card = msgspec.structs.replace(BASE.card, ridge=None)
    with pytest.raises(ModelError, match="never fitted"):
        state_of(replace(BASE, card=card))
