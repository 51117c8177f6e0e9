"""Comments that are not sent yet belong to their reader and lesion, and go with a forgotten patient."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from core.platform.places import state_folder
from core.store.comment_drafts import CommentDrafts
from core.store.study import Study
from core.tasks.studies.forget_patient import forget
from tests.core.store.helpers import add_case


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARGINALIA_STATE", str(tmp_path / "state"))


def test_a_draft_is_there_again_for_its_reader_alone_until_it_is_emptied() -> None:
    drafts = CommentDrafts("study")
    drafts.put("A", "l1", "spicules at")
    drafts.put("B", "l1", "none")
    again = CommentDrafts("study")
    assert (again.of("A", "l1"), again.of("B", "l1"), again.of("A", "l2")) == ("spicules at", "none", "")
    assert CommentDrafts("another").of("A", "l1") == ""
    for reader in ("A", "B"):
        again.put(reader, "l1", "")
    assert CommentDrafts("study").of("A", "l1") == ""
    assert not list((state_folder() / "drafts").iterdir()), "nothing is left of what was sent"


@pytest.mark.skipif(os.name == "nt", reason="permissions as POSIX has them")
def test_nobody_else_on_the_computer_reads_a_draft() -> None:
    CommentDrafts("study").put("A", "l1", "dense")
    assert stat.S_IMODE((state_folder() / "drafts").stat().st_mode) == 0o700


def test_a_damaged_file_of_drafts_is_no_obstacle() -> None:
    CommentDrafts("study").put("A", "l1", "dense")
    (state_folder() / "drafts" / "study.json").write_bytes(b'{"A": 3')
    drafts = CommentDrafts("study")
    assert drafts.of("A", "l1") == ""
    drafts.put("A", "l2", "round")
    assert CommentDrafts("study").of("A", "l2") == "round"


def test_no_draft_is_kept_of_a_forgotten_patient(study: Study) -> None:
    for number in (1, 2, 3):
        add_case(study, number)
    drafts = CommentDrafts(study.info.id)
    for lesion in ("l1", "l2", "l3"):
        drafts.put("A", lesion, f"about {lesion}")
    study.lesions.remove("l1")
    forget(study, study.patients.get("p2").pseudonym)
    left = CommentDrafts(study.info.id)
    assert [left.of("A", lesion) for lesion in ("l1", "l2", "l3")] == ["about l1", "", "about l3"]
