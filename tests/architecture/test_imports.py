"""Rules of the structure: imports, one importer for each difficult package, and sizes of files and functions."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

ROOT = Path(__file__).resolve().parents[2]
ONLY_IMPORTER = {
    "cv2": "core/imaging/opencv.py",
    "torchvision": "core/model/torchvision_shim.py",
    "fcntl": "core/platform/system.py",
    "resource": "core/platform/system.py",
    "msvcrt": "core/platform/system.py",
}


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    """Dotted names of the modules that this file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def test_importing_all_of_core_loads_no_qt_in_a_fresh_interpreter() -> None:
    modules = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in sources("core")]
    names = [name.removesuffix(".__init__") for name in modules]
    code = (
        "import importlib, sys\n"
        f"for name in {names!r}: importlib.import_module(name)\n"
        "bad = [m for m in sys.modules if m.split('.')[0] in ('PySide6', 'shiboken6', 'app')]\n"
        "sys.exit(f'loaded {bad}' if bad else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def test_the_contracts_of_imports_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Layers of core, of its tasks and of the window; no circles: the contracts stand in pyproject.toml."""
    monkeypatch.chdir(ROOT)
    assert lint_imports(config_filename="pyproject.toml", no_cache=True) == 0


@pytest.mark.parametrize(("package", "owner"), sorted(ONLY_IMPORTER.items()))
def test_difficult_packages_have_one_importer(package: str, owner: str) -> None:
    importers = {
        str(path.relative_to(ROOT))
        for path in sources("core", "app")
        if any(name.split(".")[0] == package for name in imported(path))
    }
    assert importers <= {owner}


DATABASES = re.compile(r"sqlite|postgres|psycopg", re.IGNORECASE)
SPEAK_OF_DATABASES = {
    "core/store/sqlite": "the one kind",
    "core/store/postgresql": "the other kind",
    "core/store/migrations": "records of what was done in each",
    "core/store/location.py": "chooses between both",
    "core/store/quick.py": "chooses between both, before anything heavy is loaded",
    "core/store/backend.py": "names both kinds of what it describes",
    "core/store/upgrade.py": "names who runs the migrations",
    "core/store/schema.py": "a condition of an index is given to each",
    "core/imaging/formats/signature.py": "the first bytes of a file that is no image",
    "core/cli/commands/study.py": "the form of an address, in the help",
}


def test_nothing_above_the_store_knows_which_database_a_study_has() -> None:
    for name in SPEAK_OF_DATABASES:
        assert (ROOT / name).exists(), f"{name} is gone; take it out of the list"
    offenders = [
        f"{name}:{number}"
        for path in sources("core", "app")
        if not (name := path.relative_to(ROOT).as_posix()).startswith(tuple(SPEAK_OF_DATABASES))
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1)
        if DATABASES.search(line)
    ]
    assert offenders == []


def functions_over(path: Path, lines: int) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef) and node.end_lineno is not None:
            length = node.end_lineno - node.lineno + 1
            if length > lines:
                yield f"{path.relative_to(ROOT)}:{node.name} has {length} lines"


def test_no_file_is_over_400_lines_and_no_function_over_60() -> None:
    """The tail is what rots: two things may live in one room."""
    # a migration is a record of what was done, not code to work on
    paths = [path for path in sources("core", "app") if "migrations" not in path.parts]
    long_files = [
        f"{path.relative_to(ROOT)} has {count} lines"
        for path in paths
        if (count := len(path.read_text("utf-8").splitlines())) > 400
    ]
    assert long_files + [offender for path in paths for offender in functions_over(path, 60)] == []


def test_the_formatter_lays_out_every_line_of_the_program() -> None:
    by_hand = [
        str(path) for path in sources("core", "app") if re.search(r"# fmt: (?:off|skip)", path.read_text("utf-8"))
    ]
    assert by_hand == []
