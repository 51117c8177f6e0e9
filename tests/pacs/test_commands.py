"""The commands of ``pacs`` as a person types them, against a real PACS."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.cli.main import run_command_line
from core.store.study import Study
from tests.pacs.conftest import Examination, phantom_examination
from tests.pacs.server import PASSWORD, PacsServer

Run = Callable[..., Any]


@pytest.fixture
def typed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs ``pacs``, the password on standard input; the JSON document, or the sentence where it is refused."""

    def run(*arguments: object, secret: str = PASSWORD) -> Any:
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{secret}\n"))
        capsys.readouterr()
        code = run_command_line(["pacs", *map(str, arguments), "--json", "--quiet"])
        out, err = capsys.readouterr()
        assert PASSWORD not in out + err
        assert "Traceback" not in err
        if code:
            assert code == 1 and err.startswith("Error: ") and len(err.strip().splitlines()) == 1, err
            return err.removeprefix("Error: ").strip()
        return json.loads(out)

    return run


@pytest.fixture
def set_up(typed: Run, server: PacsServer) -> Run:
    url = f"http://localhost:{server.http_port}/dicom-web"
    made = typed("profile", "add", "archive", "--url", url, "--user", "reader")
    assert made["secret_kept"] is False and made["confirmed"] is None
    ports = ("--port", server.dicom_port, "--listen", f"127.0.0.1:{server.receive_port}")
    typed("profile", "add", "ward", "--host", "localhost", "--called", "ORTHANC", *ports)
    return typed


@pytest.mark.parametrize("profile", ["archive", "ward"])
def test_from_the_search_into_the_study(
    profile: str, set_up: Run, examinations: tuple[Examination, ...], tmp_path: Path
) -> None:
    Study.create(tmp_path / "study", name="S", synthetic=True).close()
    assert set_up("echo", profile)["seconds"] >= 0
    [found] = set_up("find", profile, "--name", "Müller", "--side", "L", "--view", "CC")["studies"]
    assert len(found["matching"]) == 1
    done = set_up("get", profile, found["study_uid"], "--study", tmp_path / "study")
    assert done["examinations"][0]["report"]["images"] == 4
    assert set_up("inbox")["transfers"] == []
    with Study.open(tmp_path / "study", writable=False) as study:
        assert study.images.count() == 4


def test_files_go_where_the_user_confirmed(set_up: Run, tmp_path: Path) -> None:
    made = phantom_examination(tmp_path / "new", "C-0001", "Command^Line", "20240606", 21)
    send = ("send", "archive", *made.files, "--as", "synthetic")
    assert "before you have confirmed it" in set_up(*send)
    assert "answer on the terminal, or add --yes" in set_up("profile", "confirm", "archive")
    assert set_up("profile", "confirm", "archive", "--yes")["confirmed"]
    assert len(set_up(*send)["sop_uids"]) == 4
    out = set_up("get", "ward", made.study_uid, "--out", tmp_path / "back")["examinations"][0]["files"]
    assert len(out) == 4 and all(Path(file).parent == tmp_path / "back" for file in out)


def test_profiles_are_listed_without_secrets_and_removed(set_up: Run, own_profiles: Path) -> None:
    listed = set_up("profile", "list")["profiles"]
    assert [(one["name"], one["kind"], one["encrypted"]) for one in listed] == [
        ("archive", "dicomweb", False),
        ("ward", "dimse", False),
    ]
    assert PASSWORD not in (own_profiles / "pacs.json").read_text()
    set_up("profile", "remove", "ward")
    assert "no PACS profile named ward" in set_up("echo", "ward")


def test_what_is_wrong_is_one_sentence(set_up: Run, tmp_path: Path) -> None:
    assert "does not accept this user or password" in set_up("echo", "archive", secret="wrong")
    assert "nothing was given" in set_up("echo", "archive", secret="")
    assert "a name or a date" in set_up("find", "archive")
    assert "either --url" in set_up("profile", "add", "new")
    assert "no object of modality MG" in set_up("get", "archive", "1.2.3", "--study", tmp_path)
    assert "either --study" in set_up("get", "archive", "1.2.3")
    assert "no transfer abc" in set_up("resume", "abc", "--study", tmp_path)
    assert set_up("receive", "ward", "--study", tmp_path, "--seconds", 0.1) == {"imported": [], "half": []}
