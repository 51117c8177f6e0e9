"""What is known of every prototype, of a model that was pruned too."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from core.domain.messages import encode_sentence
from core.store.study import Study
from core.tasks.review import prototype_survey
from core.tasks.review.model_in_study import open_model
from core.tasks.review.prototype_survey import Survey, survey_prototypes
from core.tasks.review.prototypes import Pruning
from core.tasks.runs.lifecycle import finished_run


def test_a_pruned_model_is_surveyed_under_the_numbers_of_the_unpruned_one(own_study: Path) -> None:
    with Study.open(own_study) as study:
        run = finished_run(study, "tiny")
        whole = Pruning(study, run)
        before = survey_prototypes(open_model(study, run), whole)
        # the first goes, so that every number is another than its place
        whole.commit(whole.outcome({0}), reason="test")
        after = survey_prototypes(open_model(study, run), Pruning(study, run))
    left = [one for one in before.prototypes if one.index != 0]
    assert [one.index for one in after.prototypes] == [one.index for one in left]
    for scale in ("lesion_precision", "fine_precision"):
        old, new = getattr(before, scale).pairs, getattr(after, scale).pairs
        assert set(new.prototype) == {one.index for one in left}
        np.testing.assert_array_equal(new.value[new.prototype == 5], old.value[old.prototype == 5])
        # the network and its maps are what they were, so each prototype's precision is too
        assert [getattr(one, scale) for one in after.prototypes] == [getattr(one, scale) for one in left]


def _plain(survey: Survey) -> dict[str, object]:
    """Everything that it says, so that two can be compared; pairs in one order."""
    scales = [getattr(survey, scale) for scale in ("lesion_precision", "fine_precision")]
    rows = [
        sorted(zip(*(getattr(one.pairs, name).tolist() for name in one.pairs.__dataclass_fields__), strict=True))
        for one in scales
    ]
    found: dict[str, object] = msgspec.to_builtins(
        {
            "prototypes": [
                {name: getattr(one, name) for name in one.__dataclass_fields__} | {"weights": one.weights.tolist()}
                for one in survey.prototypes
            ],
            "likeness": survey.gallery.likeness,
            "neighbours": survey.gallery.prototypes,
        },
        enc_hook=encode_sentence,
    )
    return found | {"pairs": rows, "removable": survey.removable, "patients": [one.patients for one in scales]}


def test_a_pruned_model_is_surveyed_without_another_pass_over_the_lesions(
    own_study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Study.open(own_study) as study:
        run = finished_run(study, "tiny")
        whole = Pruning(study, run)
        before = survey_prototypes(open_model(study, run), whole)
        whole.commit(whole.outcome({0, 4}), reason="test")
        opened, pruned = open_model(study, run), Pruning(study, run)
        again = survey_prototypes(opened, pruned)
        for name in ("gallery_of", "judge"):
            monkeypatch.delattr(prototype_survey, name)
        known = survey_prototypes(opened, pruned, known=before)
        assert len(known.prototypes) == len(before.prototypes) - 2
        assert _plain(known) == _approximately(_plain(again))
        # taken back: the smaller survey does not have them all
        with pytest.raises(NameError, match="gallery_of"):
            survey_prototypes(open_model(study, run), whole, known=known)


def _approximately(value: object) -> object:
    """Floats to the precision of the network, which computes other numbers of prototypes at once."""
    match value:
        case dict():
            return {key: _approximately(one) for key, one in value.items()}
        case list() | tuple():
            return type(value)(_approximately(one) for one in value)
        case float():
            return pytest.approx(value, rel=1e-4, abs=1e-6, nan_ok=True)
        case _:
            return value
