"""Fine annotations of several regions: every pixel belongs to one lesion, the one that it marks."""

from __future__ import annotations

import numpy as np

from core.exchange.dicom.fine_of_regions import shared_out


def box(top: int, left: int, size: int) -> np.ndarray:
    mask = np.zeros((60, 80), np.uint8)
    mask[top : top + size, left : left + size] = 1
    return mask


def test_each_region_gets_what_marks_it_and_nothing_is_lost() -> None:
    first, second = box(5, 5, 20), box(30, 50, 20)
    over_first, over_second = box(3, 8, 6), box(45, 65, 9)
    alone = box(55, 2, 3)
    fine = over_first | over_second | alone
    parts = shared_out(fine, [first, second])
    np.testing.assert_array_equal(parts[0], over_first | alone)
    np.testing.assert_array_equal(parts[1], over_second)
    np.testing.assert_array_equal(parts[0] + parts[1], fine)


def test_a_line_across_two_regions_is_cut_between_them() -> None:
    first, second = box(5, 5, 20), box(5, 40, 20)
    line = np.zeros((60, 80), np.uint8)
    line[10, 6:58] = 1
    parts = shared_out(line, [first, second])
    np.testing.assert_array_equal(sum(parts), line)
    assert parts[0][10, 5:25].sum() == line[10, 5:25].sum() and parts[1][10, 40:60].sum() == line[10, 40:60].sum()
