"""What is known of every prototype, of a model that was pruned too."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from core.store.study import Study
from core.tasks.review.model_in_study import open_model
from core.tasks.review.prototype_survey import survey_prototypes
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
