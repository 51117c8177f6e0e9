"""The demo trains on ROIs with random centre and scale, all cut from what is stored."""

from __future__ import annotations

import numpy as np

from core.data.augment import draw_parameters
from core.experiment import phantom_study
from core.tasks.runs.configure import configure
from core.tasks.studies import demo


def test_every_draw_has_a_random_context_inside_the_stored_square() -> None:
    for changes in (demo.CHANGES, phantom_study.CHANGES):
        config = configure(demo.PRESET, label="margin", seed=1, changes=changes)
        transform = config.transform
        drawn = draw_parameters(
            np.random.default_rng(1), 2000, config.augmentation, lesion_share=transform.lesion_share
        )
        share = transform.lesion_share / drawn.crop
        assert share.min() < 0.26 and share.max() > 0.59 and share.min() >= 0.25 and share.max() <= 0.6
        shift = np.maximum(np.abs(drawn.shift_x), np.abs(drawn.shift_y)) / drawn.crop
        assert 0.24 < shift.max() <= 0.25
        reach = shift * drawn.crop + drawn.crop / 2
        assert reach.max() <= transform.stored_size / transform.input_size / 2
