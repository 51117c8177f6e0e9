"""No sentence of engine, command line and window has a word that the glossary avoids."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GLOSSARY = (ROOT / "resources" / "handbook" / "glossary.md").read_text("utf-8")
AVOIDED = re.compile(
    r"\b(judg(e|es|ed|ing)|passed over|at the most|so many|what became of|half there|half-written|heat ?maps?"
    r"|anew|taken for|wants|blob|hold still|nobody says|known are|must hold|may die|goes? home)\b"
    r"|\bthan [^.;]{0,40}\b(tells|says)\b"
    r"|(?<!there )\b(is|are) no (?!longer\b|more\b)",
    re.IGNORECASE,
)
"""What the glossary replaces: evaluate, skipped, maximum, result, incomplete, activation map, again, used as,
requires, central, stable; "is not a" for "is no"."""


def is_sentence(text: str) -> bool:
    return len(text.split()) >= 3 and re.search("[a-z]{2} [a-z]", text) is not None


def sentences_of(path: Path) -> Iterator[tuple[int, str]]:
    """Line and text of every string that is not a docstring, {} where a value is put in; of a command also its
    docstring, which is its help page."""
    tree = ast.parse(path.read_text("utf-8"))
    own = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    if "commands" in path.parts:
        yield 1, ast.get_docstring(tree) or ""
    inside: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            inside |= {id(part) for part in ast.walk(node) if part is not node}
            yield node.lineno, "".join(str(p.value) if isinstance(p, ast.Constant) else "{}" for p in node.values)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in own | inside:
            yield node.lineno, node.value


def texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from texts(part)
    elif isinstance(value, list):
        for part in value:
            yield from texts(part)


def test_no_sentence_has_a_word_that_the_glossary_avoids() -> None:
    found = []
    for path in [*(ROOT / "core").rglob("*.py"), *(ROOT / "app").rglob("*.py"), ROOT / "main.py"]:
        for line, text in sentences_of(path):
            if is_sentence(text) and AVOIDED.search(text):
                found.append(f"{path.relative_to(ROOT)}:{line}: {text}")
    for path in (ROOT / "resources" / "actions.json", *(ROOT / "resources" / "presets").glob("*.json")):
        found += [
            f"{path.name}: {text}" for text in texts(json.loads(path.read_text("utf-8"))) if AVOIDED.search(text)
        ]
    assert not found, "\n".join(found)


def test_the_rule_finds_what_it_is_for() -> None:
    for bad in (
        "These lines are no masses and were passed over.",
        "Judging the models.",
        "x.csv is no table.",
        "The server wants a login.",
        "It has another name than the audit trail tells.",
    ):
        assert AVOIDED.search(bad), bad
    for good in ("There is no study here.", "The image is no longer there.", "x.csv is not a table."):
        assert not AVOIDED.search(good), good
