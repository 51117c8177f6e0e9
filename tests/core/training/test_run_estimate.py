"""The time of a run, counted up from one batch of every stage."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from core.domain.errors import TrainingError
from core.training.run_estimate import rehearse_run
from tests.core.training.tiny import CONFIG, changed, tiny_parts, tiny_rois


def test_the_whole_is_counted_up_from_what_was_timed(tmp_path: Path) -> None:
    rois, parts = tiny_rois(), tiny_parts()
    long = changed(CONFIG, epochs=msgspec.structs.replace(CONFIG.epochs, joint=50, draws=80))
    found = rehearse_run(rois, parts, long, tmp_path)
    assert (found.batch, found.batches_an_epoch, found.lesions, found.device) == (8, 10, 12, "cpu")
    assert found.epoch_seconds >= 10 * found.batch_seconds
    assert found.seconds > 50 * found.epoch_seconds  # the other stages come on top
    assert found.memory_bytes is None or found.memory_bytes > 50_000_000


def test_what_could_not_be_trained_is_not_rehearsed(tmp_path: Path) -> None:
    rois = tiny_rois(4, labels=[0, 1, 0, 1])
    with pytest.raises(TrainingError, match="spiculated"):
        rehearse_run(rois, tiny_parts(4), CONFIG, tmp_path)
