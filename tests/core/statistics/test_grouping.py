from __future__ import annotations

import numpy as np
import pytest

from core.statistics.grouping import by_finding, codes, first_rows, label_by_finding, yes_or_no


def test_views_of_a_finding_are_averaged_in_the_order_of_the_identifiers() -> None:
    ids = ["f2", "f1", "f2", "f3"]
    assert by_finding([1.0, 5.0, 3.0, 7.0], ids).tolist() == [5, 2, 7]
    assert by_finding(np.array([[1.0, 2], [5, 6], [3, 4], [7, 8]]), ids).tolist() == [[5, 6], [2, 3], [7, 8]]
    assert np.array(["p", "q", "p", "r"])[first_rows(ids)].tolist() == ["q", "p", "r"]


def test_label_of_a_finding_is_the_one_its_views_share() -> None:
    assert label_by_finding([1, 0, 1, 2, 0, -1], ["a", "b", "a", "c", "c", "d"]).tolist() == [1, 0, -1, -1]


def test_without_identifiers_every_row_is_its_own_cluster() -> None:
    assert codes(None, 3).tolist() == [0, 1, 2]
    assert codes(["y", "x", "y"], 3).tolist() == [1, 0, 1]
    with pytest.raises(ValueError, match="3 rows need 3"):
        codes(["y"], 3)


def test_a_lesion_without_a_result_is_not_taken_for_a_positive_one() -> None:
    assert yes_or_no([1, 0]).tolist() == [True, False]
    with pytest.raises(ValueError, match="without a result"):
        yes_or_no([1, -1])
