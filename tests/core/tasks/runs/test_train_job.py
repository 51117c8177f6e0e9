"""The training job refuses a split that leaks, and says which lesions the split leaves out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from core.domain.errors import StudyError, TrainingError
from core.domain.events import Message
from core.domain.vocabulary import Part
from core.store.study import Study
from core.tasks.runs.configure import configure
from core.tasks.runs.train_job import TrainRequest, train_job
from tests.core.store import helpers


def _request(study: Study, folder: Path, parts: dict[str, Part]) -> dict[str, object]:
    config = configure("compact", label="margin", seed=1, changes=("transform.input_size=32",))
    request = TrainRequest(study=str(study.folder), folder=str(folder), config=config, parts=parts)
    found: dict[str, object] = msgspec.to_builtins(request)
    return found


@pytest.fixture
def twins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Study]:
    """Two patients with one and the same image."""
    same = np.random.default_rng(0).integers(0, 4096, (40, 30)).astype(np.uint16)
    monkeypatch.setattr(helpers, "picture", lambda *_, **__: same)
    with Study.create(tmp_path / "study", name="test") as study:
        helpers.add_case(study, 1)
        helpers.add_case(study, 2)
        yield study


def test_an_identical_image_in_two_parts_is_refused_before_training(twins: Study, tmp_path: Path) -> None:
    request = _request(twins, tmp_path / "run", {"p1": Part.TRAINING, "p2": Part.TEST})
    with pytest.raises(StudyError, match="identical image in two parts"):
        train_job(request, lambda event: None, lambda: False)


def test_lesions_of_patients_outside_the_split_are_counted(twins: Study, tmp_path: Path) -> None:
    said: list[object] = []
    with pytest.raises(TrainingError, match="circumscribed"):
        train_job(_request(twins, tmp_path / "run", {"p1": Part.TRAINING}), said.append, lambda: False)
    warnings = [event.text for event in said if isinstance(event, Message) and event.level == "warning"]
    assert warnings and "1 lesion left out" in warnings[0] and "no part of this split" in warnings[0]
