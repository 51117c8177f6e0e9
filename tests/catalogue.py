"""The sentences of the source, found by reading it: what is given to ``message`` and ``template``."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MAKERS = ("message", "template")


def calls_in(path: Path) -> Iterator[ast.Call]:
    """Every call that makes or marks a sentence."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MAKERS:
            yield node


def sources() -> Iterator[Path]:
    for folder in ("core", "app"):
        yield from sorted((ROOT / folder).rglob("*.py"))


def sentences() -> dict[str, str]:
    """Template to the place where it stands."""
    found = {}
    for path in sources():
        for call in calls_in(path):
            text = call.args[0] if call.args else None
            if isinstance(text, ast.Constant) and isinstance(text.value, str):
                found[text.value] = f"{path.relative_to(ROOT)}:{call.lineno}"
    return found


def texts_of_presets() -> set[str]:
    """Descriptions of the presets, and why they depart from the paper."""
    presets = (ROOT / "resources" / "presets").glob("*.json")
    return set().union(*(_texts_in(json.loads(path.read_text("utf-8"))) for path in presets))


def _texts_in(document: object) -> set[str]:
    if isinstance(document, str):
        return {document}
    parts = document.values() if isinstance(document, dict) else document if isinstance(document, list) else ()
    return set().union(*map(_texts_in, parts))
