"""A class name is used once, docstrings name their subject, classes and signatures stay small."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LARGEST_CLASS, MOST_PARAMETERS = 300, 6
LARGER_CLASSES = {
    "app/services/model_service.py:ModelService",
    "app/state/session.py:Session",
    "app/views/annotate/workspace.py:AnnotateWorkspace",
    "app/views/main_window/window.py:MainWindow",
    "app/views/pacs/dialog.py:PacsDialog",
    "app/views/prototypes/screen.py:PrototypesScreen",
    "app/views/review/screen.py:ReviewScreen",
    "app/views/train/plan_panel.py:PlanPanel",
    "app/views/train/screen.py:TrainScreen",
    "app/views/worklist/panel.py:WorklistPanel",
}
"""Classes over the limit: entries may go, none may come."""
LONGER_SIGNATURES = {
    "core/baselines/trainer.py:train_classifier",
    "core/data/augment.py:augment",
    "core/data/importers/importing.py:run_import",
    "core/data/training_set.py:build_drawn_rois",
    "core/exchange/dicom/export_results.py:export_results",
    "core/exchange/dicom/import_results.py:read_results",
    "core/explain/case_page.py:render_case",
    "core/explain/explanation.py:_row",
    "core/explain/gallery.py:analyse",
    "core/imaging/display.py:default_window",
    "core/jobs/detached.py:follow",
    "core/phantom/patient.py:_mark",
    "core/tasks/readers/reader_study.py:make_reader_study",
    "core/tasks/review/evaluate_runs.py:evaluate_runs",
    "core/tasks/review/evaluate_runs.py:judge_runs",
    "core/tasks/review/evaluation.py:evaluation_of_runs",
    "core/tasks/review/model_in_study.py:write_case_pages",
    "core/tasks/runs/splits.py:make_folds",
    "core/tasks/runs/training_plan.py:plan_runs",
    "core/tasks/runs/training_plan.py:plan_seeds",
    "core/tasks/studies/demo.py:_train_and_report",
    "core/tasks/studies/pacs_transfers.py:retrieve",
    "core/training/inference.py:infer",
    "core/training/projection.py:project",
    "core/training/prototype_start.py:start_from_kmeans",
    "core/training/ridge.py:out_of_fold_logits",
    "core/training/table_rows.py:fit_table",
    "core/training/trainer.py:Trainer.__init__",
    "core/training/trainer.py:train",
}
"""Functions over the limit, self not counted: entries may go, none may come."""

Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def trees() -> Iterator[tuple[str, ast.Module]]:
    for folder in ("core", "app"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text("utf-8"))


TREES = dict(trees())


def definitions(tree: ast.Module, above: str = "") -> Iterator[tuple[str, Definition]]:
    """Yield every class and function below a node with its dotted name."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, Definition):
            name = f"{above}{node.name}"
            yield name, node
            yield from definitions(node, f"{name}.")  # type: ignore[arg-type]
        else:
            yield from definitions(node, above)  # type: ignore[arg-type]


ALL = {f"{path}:{name}": node for path, tree in TREES.items() for name, node in definitions(tree)}


def parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    every = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
    return sum(argument.arg not in ("self", "cls") for argument in every)


def test_a_class_name_is_used_once() -> None:
    places = defaultdict(list)
    for where, node in ALL.items():
        if isinstance(node, ast.ClassDef):
            places[node.name].append(where)
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_no_docstring_begins_with_of_or_what() -> None:
    found = [
        f"{path}:{node.lineno}"
        for path, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
        and node.value.value.strip().startswith(("Of ", "What "))
    ]
    assert found == []


def test_classes_and_signatures_over_the_limit_are_listed_and_only_shrink() -> None:
    lines = {w: (n.end_lineno or 0) - n.lineno + 1 for w, n in ALL.items() if isinstance(n, ast.ClassDef)}
    counts = {w: parameters(n) for w, n in ALL.items() if not isinstance(n, ast.ClassDef)}
    for found, limit, listed in (
        (lines, LARGEST_CLASS, LARGER_CLASSES),
        (counts, MOST_PARAMETERS, LONGER_SIGNATURES),
    ):
        over = {where for where, size in found.items() if size > limit}
        assert sorted(over - listed) == [], f"over {limit}: make it smaller"
        assert sorted(listed - over) == [], "these are within the limit now: take them out of the list"
