"""Tests of the default run pass on a machine however busy it is: none asserts that something was quick."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
CLOCKS = {"perf_counter", "process_time", "monotonic"}
BY_NAME = {"slow", "shared", "safety_full", "benchmark", "gpu"}
"""Marks of tests that the default run leaves out."""


def asserted_times(text: str) -> list[int]:
    """Lines that assert "clock - begin < limit" in tests of the default run."""
    found = []
    for function in ast.walk(ast.parse(text)):
        if isinstance(function, ast.FunctionDef) and not _by_name(function):
            asserts = (node for node in ast.walk(function) if isinstance(node, ast.Assert))
            found += [node.lineno for node in asserts if any(map(_is_quick, ast.walk(node.test)))]
    return sorted(set(found))


def _by_name(function: ast.FunctionDef) -> bool:
    return any(ast.unparse(mark).rpartition("mark.")[2] in BY_NAME for mark in function.decorator_list)


def _is_quick(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Compare)
        and isinstance(node.ops[0], ast.Lt | ast.LtE)
        and isinstance(node.left, ast.BinOp)
        and any(isinstance(one, ast.Attribute) and one.attr in CLOCKS for one in ast.walk(node.left))
    )


def test_no_test_of_the_default_run_asserts_a_time() -> None:
    found = {path.relative_to(TESTS): asserted_times(path.read_text("utf-8")) for path in TESTS.rglob("test_*.py")}
    assert {str(path): lines for path, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("def test():\n    assert time.perf_counter() - began < 1", [2]),
        ("def test():\n    assert right and time.monotonic() - began <= 5", [2]),
        ("@pytest.mark.benchmark\ndef test():\n    assert time.perf_counter() - began < 1", []),
        ("def test():\n    assert time.monotonic() < deadline", []),
        ("def test():\n    assert time.process_time() - began > 0.02", []),
    ],
)
def test_the_rule_finds_what_it_is_for(text: str, lines: list[int]) -> None:
    assert asserted_times(text) == lines
