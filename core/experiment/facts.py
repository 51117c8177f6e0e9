"""The experiment as data: what was trained and judged, before it is words."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from core.evaluation.map_tests import MapRecord
from core.experiment.parts import Data, FinishedPart
from core.experiment.plan import Trial
from core.experiment.table import Judged
from core.store.study import Study
from core.training.config import TrainingConfig


@dataclass(frozen=True, kw_only=True, eq=False)
class Experiment:
    """Everything that the page shows."""

    out: Path
    config: TrainingConfig
    seeds: int
    folds: int
    trials: tuple[Trial, ...]
    done: dict[str, list[list[FinishedPart]]]
    """By key: a list of seeds of a list of folds."""
    data: tuple[Data, ...]
    judged: tuple[Judged, ...]
    """Evaluation of each test set."""
    variants: tuple[Judged, ...]
    """IAIA-BL, pruned, without masks, and the ablations; one a test set."""
    synthetic: bool
    study: Study
    comparators: tuple[Judged, ...] = ()
    """IAIA-BL, then each simple comparator; one a test set."""
    maps: tuple[MapRecord, ...] = field(default=())
    """Stability and faithfulness of the first training of each model: IAIA-BL, ProtoPNet, GradCAM, GradCAM++, and
    IAIA-BL without any mask."""

    def first(self, key: str) -> FinishedPart:
        """Return the first seed and fold of a model: the one that is shown on single lesions."""
        return self.done[key][0][0]
