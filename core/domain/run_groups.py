"""Names of runs that belong together: the folds and seeds of one training."""

from __future__ import annotations

import re


def in_group(name: str, group: str) -> bool:
    """Return True if ``name`` is that of a fold or seed of the training ``group``, such as real-seed2-fold1."""
    return re.fullmatch(r"(?:-(?:seed|fold)\d+)+", name.removeprefix(group)) is not None and name.startswith(group)
