from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from core.explain.hypothetical import Supposition, suppose


def explanation() -> SimpleNamespace:
    rows = [
        SimpleNamespace(index=0, contributions=np.array([2.0, -1.0])),
        SimpleNamespace(index=1, contributions=np.array([-0.5, 3.0])),
    ]
    return SimpleNamespace(
        rows=rows,
        class_names=("a", "b"),
        logits=np.array([1.5, 2.0]),
        malignancy_logit=1.5 * 2 - 2.0 + 0.25,
        malignancy_weights=np.array([2.0, -1.0]),
        malignancy_bias=0.25,
    )


def test_a_prototype_that_is_off_takes_its_contributions_away() -> None:
    found = suppose(explanation(), Supposition(off=frozenset({1})))  # type: ignore[arg-type]
    assert found.logits == pytest.approx([2.0, -1.0])
    assert found.predicted == 0
    assert found.malignancy_logit == pytest.approx(2 * 2.0 + 1.0 + 0.25)


def test_a_score_that_is_set_replaces_what_is_left() -> None:
    given = Supposition(off=frozenset({0}), scores={1: 10.0})
    found = suppose(explanation(), given)  # type: ignore[arg-type]
    assert found.logits == pytest.approx([-0.5, 10.0])
    assert found.probabilities.sum() == pytest.approx(1.0)


def test_without_a_supposition_nothing_changes() -> None:
    found = suppose(explanation(), Supposition())  # type: ignore[arg-type]
    assert found.logits == pytest.approx([1.5, 2.0])
    assert found.malignancy_logit == pytest.approx(1.25)
    assert not Supposition()
