"""Data of published worked examples."""

from __future__ import annotations

import numpy as np

# DeLong, DeLong and Clarke-Pearson 1988: ovarian cancer with intestinal obstruction, the 43 complete patients as
# printed in the SAS/STAT manual, example "Comparing Receiver Operating Characteristic Curves":
# albumin, total protein, K-G score, 1 = benefits from surgery
_OVARIAN = """
3.0 5.8 10 0   3.2 6.3  5 1   3.9 6.8  3 1   2.8 4.8  6 0   3.2 5.8  3 1   0.9 4.0  5 0   2.5 5.7  8 0
1.6 5.6  5 1   3.8 5.7  5 1   3.7 6.7  6 1   3.2 5.4  4 1   3.8 6.6  6 1   4.1 6.6  5 1   3.6 5.7  5 1
4.3 7.0  4 1   3.6 6.7  4 0   2.3 4.4  6 1   4.2 7.6  4 0   4.0 6.6  6 0   3.5 5.8  6 1   3.8 6.8  7 1
3.0 4.7  8 0   4.5 7.4  5 1   3.7 7.4  5 1   3.1 6.6  6 1   4.1 8.2  6 1   4.3 7.0  5 1   4.3 6.5  4 1
3.2 5.1  5 1   2.6 4.7  6 1   3.3 6.8  6 0   1.7 4.0  7 0   3.7 6.1  5 1   3.3 6.3  7 1   4.2 7.7  6 1
3.5 6.2  5 1   2.9 5.7  9 0   2.1 4.8  7 1   2.8 6.2  8 0   4.0 7.0  7 1   3.3 5.7  6 1   3.7 6.9  5 1
3.6 6.6  5 1
"""


def ovarian() -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Labels (43,) and the three tests, turned so that higher means benefit."""
    rows = np.array(_OVARIAN.split(), dtype=np.float64).reshape(-1, 4)
    return rows[:, 3] == 1, {"albumin": rows[:, 0], "protein": rows[:, 1], "kg": 10 - rows[:, 2]}


def hanley() -> tuple[np.ndarray, np.ndarray]:
    """Hanley and McNeil, Radiology 143 (1982) 29, table I: 109 CT images rated 1 to 5; label 1 = abnormal."""
    normal, abnormal = (33, 6, 6, 11, 2), (3, 2, 2, 11, 33)
    ratings = np.arange(1.0, 6.0)
    scores = np.r_[np.repeat(ratings, normal), np.repeat(ratings, abnormal)]
    return np.arange(109) >= 58, scores
