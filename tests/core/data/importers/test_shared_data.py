"""The importers' parsers on the real layouts. Sources: Suckling et al. 1994; Khaled et al. 2022."""

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from core.data.importers.cdd_cesm import read_cdd_cesm
from core.data.importers.contours import outline_area
from core.data.importers.mini_mias import read_mini_mias
from core.data.importers.plan import Severity, counted
from core.domain.vocabulary import MarginType

pytestmark = pytest.mark.shared
DATA = Path(os.environ.get("MARGINALIA_DATA", Path(__file__).parents[5] / "shared" / "data"))


def test_mini_mias_is_read_as_published() -> None:
    plan = read_mini_mias(DATA / "mini-mias")
    margins = Counter(lesion.labels.margin for image in plan.images for lesion in image.lesions)
    assert len(plan.images) == 47 and sum(margins.values()) == 36
    assert set(margins) == {MarginType.CIRCUMSCRIBED, MarginType.INDISTINCT, MarginType.SPICULATED}
    assert counted(plan.issues)["wrong"] == 0


def test_cdd_cesm_is_read_without_its_traps() -> None:
    plan = read_cdd_cesm(DATA / "cdd-cesm", read_mask=lambda path: np.asarray(Pillow.open(path).convert("L")))
    assert len(plan.images) == 61 + 231 - 34
    lesions = [(image, lesion) for image in plan.images for lesion in image.lesions]
    assert len(lesions) == 48
    for image, lesion in lesions:
        with Pillow.open(image.path) as opened:
            width, height = opened.size
        box = lesion.outline
        assert 0 < outline_area(box) <= width * height / 4
    left_out = [issue.sentence for issue in plan.issues if issue.severity is Severity.LEFT_OUT]
    assert any("more than a quarter" in sentence for sentence in left_out)
    assert sum("one margin word" in sentence for sentence in left_out) > 50
