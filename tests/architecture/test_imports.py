"""The house rules: what may import what, who owns which package, and which files grew too large."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ORDER = (
    "domain",
    "platform",
    "imaging",
    "deidentify",
    "store",
    "data",
    "pacs",
    "statistics",
    "model",
    "training",
    "explain",
    "pruning",
    "evaluation",
    "baselines",
    "phantom",
    "jobs",
    "tasks",
    "experiment",
    "exchange",
    "cli",
)
"""Folders of core; each may import itself and those before it."""

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


def test_core_never_imports_qt_or_app() -> None:
    for path in sources("core"):
        for name in imported(path):
            assert name.split(".")[0] not in {"PySide6", "shiboken6", "pyqtgraph", "app"}, f"{path}: {name}"


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


def test_folders_of_core_are_all_in_the_order() -> None:
    folders = {path.parent.name for path in (ROOT / "core").glob("*/__init__.py")}
    assert folders <= set(ORDER)


@pytest.mark.parametrize("folder", ORDER)
def test_each_folder_of_core_imports_only_what_stands_before_it(folder: str) -> None:
    allowed = set(ORDER[: ORDER.index(folder) + 1])
    for path in sources(f"core/{folder}"):
        for name in imported(path):
            parts = name.split(".")
            if parts[0] == "core" and len(parts) > 1:
                assert parts[1] in allowed, f"{path.relative_to(ROOT)} imports {name}"


@pytest.mark.parametrize(("package", "owner"), sorted(ONLY_IMPORTER.items()))
def test_difficult_packages_have_one_importer(package: str, owner: str) -> None:
    importers = {
        str(path.relative_to(ROOT))
        for path in sources("core", "app")
        if any(name.split(".")[0] == package for name in imported(path))
    }
    assert importers <= {owner}


def test_only_main_and_tests_import_app() -> None:
    for path in sources("core"):
        assert not any(name.split(".")[0] == "app" for name in imported(path)), path


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
