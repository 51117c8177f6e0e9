"""The passphrase of an identity file on the command line: once by a command, twice when it is new."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from core.cli.identity_prompt import IdentityPrompt
from core.cli.main import run_command_line
from core.domain.errors import StudyError
from core.store.identity import IDENTITY, IdentityFile, Passphrase
from core.store.study import Study


def test_a_passphrase_is_asked_for_once_and_a_new_one_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Study.create(tmp_path / "study", name="Study") as study:
        given = io.StringIO("secret-phrase-1\nsecret-phrase-2\n")
        monkeypatch.setattr("sys.stdin", given)
        with pytest.raises(StudyError, match="two passphrases differ"):
            IdentityPrompt("passphrase").file(study)
        assert not (study.folder / IDENTITY).exists() and given.read() == ""

        given = io.StringIO("secret-phrase-1\nsecret-phrase-1\nnobody reads this\n")
        monkeypatch.setattr("sys.stdin", given)
        prompt = IdentityPrompt("passphrase")
        for _ in range(3):
            assert prompt.file(study) is not None
        assert given.read() == "nobody reads this\n"
        IdentityFile.open(study.folder, Passphrase(lambda: "secret-phrase-1"))
        assert IdentityPrompt("drop").file(study) is None

    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "lesions.csv").write_text("image\n")
    words = ["pacs", "get", "nowhere", "1.2.3", "--study", str(tmp_path / "study"), "--identity", "passphrase"]
    profile = ["pacs", "profile", "add", "nowhere", "--url", "http://127.0.0.1:9/dicom-web"]
    assert run_command_line(profile) == 0
    capsys.readouterr()
    assert run_command_line(words) == 1
    assert "The input ended before the question was answered" in capsys.readouterr().err
