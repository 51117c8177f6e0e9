"""Regions of interest with a random centre and a random scale.

With a fixed context the lesion has a fixed size in the middle of its ROI, and one constant map finds it. On ROIs
drawn as here it does not, so that localisation can be judged on them; training draws the same.
"""

from __future__ import annotations

import hashlib

import numpy as np

from core.data.roi import larger_side
from core.domain.geometry import Box, square_around

LESION_SHARES = (0.25, 0.6)
"""The lesion's larger side over the side of the ROI, uniform between these."""
CENTRE_SHIFT = 0.25
"""Largest distance between the centres of ROI and lesion along each axis, over the side of the ROI."""


def drawn_square(outline_box: Box, lesion_id: str, seed: int) -> Box:
    """A square in image pixels with random scale and centre, fixed by the seed and the lesion."""
    digest = hashlib.sha256(f"{seed}|{lesion_id}".encode()).digest()
    random = np.random.default_rng(np.frombuffer(digest, dtype=np.uint64))
    side = larger_side(outline_box) / random.uniform(*LESION_SHARES)
    dx, dy = random.uniform(-CENTRE_SHIFT, CENTRE_SHIFT, 2) * side
    square = square_around(outline_box, side=side)
    return Box(x0=square.x0 + dx, y0=square.y0 + dy, x1=square.x1 + dx, y1=square.y1 + dy)
