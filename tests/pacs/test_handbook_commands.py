"""The commands of the handbook for a PACS run as they are typed, from another folder than the clone."""

from __future__ import annotations

import io
import json
import re
import shlex
from pathlib import Path

import pydicom
import pytest

from core.cli.main import run_command_line
from core.pacs.client import connect
from core.pacs.profile import confirm
from core.pacs.sending import SendingOrigin, send
from core.phantom.config import PhantomConfig
from core.phantom.source import write_study_source
from tests.core.cli.test_readme import COMMANDS_PAGE, documented_keys
from tests.pacs.server import PASSWORD, PacsServer
from tests.trained_study import TINY

PASSPHRASE = "correct horse battery"
_, SECTION = COMMANDS_PAGE.split("## PACS")
LINES = [line.removeprefix("marginalia ") for line in SECTION.splitlines() if line.startswith("marginalia ")]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_commands_of_the_handbook_for_a_pacs(
    server: PacsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A study that was imported with its links; one of its examinations is in the PACS."""
    monkeypatch.chdir(tmp_path)
    source = tmp_path / "source"
    write_study_source(source, PhantomConfig(patients=24, seed=5, height=480, width=440), workers=1)
    files = sorted((source / "images").glob("*.dcm"))
    profile = confirm(server.web())
    with connect(profile, PASSWORD) as pacs:
        send(pacs, profile, files, SendingOrigin.SYNTHETIC)
    uid = str(pydicom.dcmread(files[0], stop_before_pixels=True).StudyInstanceUID)
    changes = [part for change in TINY for part in ("--set", change)]
    for prepared in (
        ["study", "create", "breast-margins"],
        ["import", "breast-margins", str(source), "--identity", "passphrase"],
        ["split", "breast-margins", "--fractions", "0.5", "0.25", "0.25"],
        ["train", "breast-margins", "--name", "compact-1", *changes],
    ):
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSPHRASE}\n{PASSPHRASE}\n"))
        assert run_command_line([*prepared, "--quiet"]) == 0
    url = f"http://localhost:{server.http_port}/dicom-web"
    assert len(LINES) == 10
    for line in LINES:
        line = line.replace("https://pacs.example.org/dicom-web", url).replace("STUDY-INSTANCE-UID", uid)
        arguments = [
            name
            for part in shlex.split(line, comments=True)
            for name in (sorted(map(str, Path().glob(part))) if "*" in part else [part])
        ]
        if arguments[:3] == ["pacs", "profile", "confirm"]:
            arguments.append("--yes")  # a person answers on the terminal
        secret = PASSWORD if arguments[0] == "pacs" else PASSPHRASE
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{secret}\n"))
        capfd.readouterr()
        code = run_command_line([*arguments, "--json"])
        output = capfd.readouterr()
        assert code == 0, (line, output.err)
        # the study holds the images already
        known = [row for row in output.err.splitlines() if "identical to those of an image of the study" in row]
        assert output.err.splitlines() == (known if "get" in arguments else []), line
        document = json.loads(output.out)
        assert document.keys() <= documented_keys(arguments), line
    assert len(list(Path("back").glob("*.dcm"))) == 2
    assert document["fine_annotations"] + document["labels"] > 0


def test_the_handbook_has_ten_commands_for_a_pacs() -> None:
    assert len(LINES) == 10 and all(re.match("pacs|export|import", line) for line in LINES)
