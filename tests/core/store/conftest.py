from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.store.study import Study


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Study]:
    with Study.create(tmp_path / "study", name="A study", synthetic=True, holder="Tester") as made:
        yield made
