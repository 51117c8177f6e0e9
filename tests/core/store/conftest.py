"""The tests of the repositories run on both kinds of database: ``-m postgresql`` names those on a server."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from core.store.study import Study
from tests.database_server import DatabaseServer

ON_BOTH = (
    "test_counts",
    "test_group",
    "test_removed_lesions",
    "test_reviews",
    "test_study",
    "test_threads",
    "test_worklist_index",
)
"""Modules that reach a study by its repositories alone."""
_FILE_ONLY = frozenset(
    {
        "test_a_folder_without_a_study_is_refused_in_a_sentence",
        "test_a_damaged_database_is_named",
    }
)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    module = metafunc.module.__name__.rpartition(".")[2]
    if module in ON_BOTH and metafunc.function.__name__ not in _FILE_ONLY:
        metafunc.fixturenames.append("on_database")
        server = pytest.param("server", marks=pytest.mark.postgresql)
        metafunc.parametrize("on_database", ["file", server], indirect=True)


@pytest.fixture
def on_database(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Studies that the test makes have their database in a file, or on a server."""
    if request.param == "server":
        server: DatabaseServer = request.getfixturevalue("shared_server")
        monkeypatch.setattr(Study, "create", partial(Study.create, server=server.address()))


@pytest.fixture
def study(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Study]:
    if "on_database" in request.fixturenames:
        request.getfixturevalue("on_database")
    with Study.create(tmp_path / "study", name="A study", synthetic=True, holder="Tester") as made:
        yield made
