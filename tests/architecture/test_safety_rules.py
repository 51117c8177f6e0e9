"""Static rules of the safety battery (B-22): what no file of the program may contain."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = [*sorted((ROOT / "core").rglob("*.py")), *sorted((ROOT / "app").rglob("*.py")), ROOT / "main.py"]
NETWORK = {"socket", "http", "urllib", "requests", "ftplib", "smtplib", "asyncio"}
MAY_USE_NETWORK: set[str] = set()


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def only_the_error(node: ast.Import | ast.ImportFrom) -> bool:
    """What torch.load raises when it refuses a pickle has to be named to be caught."""
    return isinstance(node, ast.ImportFrom) and [a.name for a in node.names] == ["UnpicklingError"]


def offences(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text("utf-8"))
    where = str(path.relative_to(ROOT))
    for name, call in calls(tree):
        keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        if name in {"eval", "exec", "pickle.load", "pickle.loads", "yaml.load", "marshal.loads"}:
            yield f"{where}:{call.lineno} calls {name}"
        if name == "torch.load" and keywords.get("weights_only") != "True":
            yield f"{where}:{call.lineno} calls torch.load without weights_only=True"
        if name in {"np.load", "numpy.load"} and keywords.get("allow_pickle", "False") != "False":
            yield f"{where}:{call.lineno} loads pickled arrays"
        if name in {"os.replace", "os.rename"} and where != "core/domain/atomic.py":
            yield f"{where}:{call.lineno} renames outside the atomic writer"
        if name.endswith("load_state_dict_from_url") and keywords.get("weights_only") != "True":
            yield f"{where}:{call.lineno} loads weights without saying weights_only=True"
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            for module in names:
                root = module.split(".")[0]
                if root in {"pickle", "shelve", "marshal"} and not only_the_error(node):
                    yield f"{where}:{node.lineno} imports {root}"
                if root in NETWORK and where not in MAY_USE_NETWORK:
                    yield f"{where}:{node.lineno} imports {root}: nothing here talks to a network"
        if isinstance(node, ast.ExceptHandler) and len(node.body) == 1 and isinstance(node.body[0], ast.Pass):
            yield f"{where}:{node.lineno} swallows an error"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_breaks_a_rule_of_safety(path: Path) -> None:
    assert list(offences(path)) == []
