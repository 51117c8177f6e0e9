"""A package outside of the program adds a format and a layout; window and command line list both."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pytestqt.qtbot import QtBot

from app.views.exporting.dialog import ExportDialog
from app.views.importing.data_set_dialog import DataSetDialog
from core.cli.main import run_command_line
from core.data.importers.layouts import layout_ids, layout_of, make_plan, recognised
from core.domain.errors import StudyError
from core.exchange.export import export
from core.exchange.formats import BUILT_IN, ExportRequest, format_ids, format_of
from core.platform.plugins import PluginError
from core.store.study import Study
from tests.core.cli.conftest import marginalia, refused
from tests.core.data.export.conftest import study

__all__ = ["marginalia", "refused", "study"]
Run = Callable[..., Any]

PACKAGE = """
import csv, json
from core.data.importers.layouts import ImportLayout
from core.data.importers.plan import ImportPlan, PlannedImage
from core.exchange.collect import collect, each, new_folder
from core.exchange.formats import Exported, ExportFormat

def write(study, request, tools):
    items = collect(study, request.selection)
    def fill(folder):
        names = [item.name for item in each(items, tools)]
        (folder / "names.json").write_text(json.dumps(names))
    new_folder(request.target, fill)
    return Exported(items=len(items), sentences=("Written by a plug-in.",))

names = ExportFormat(id="names", title="Names of lesions", write=write)

def plan(folder, options):
    with (folder / "clinic.txt").open() as file:
        rows = [line.split() for line in file]
    images = tuple(PlannedImage(path=folder / name, patient=patient) for name, patient in rows)
    return ImportPlan(source=options.source or "clinic", images=images)

clinic = ImportLayout(id="clinic", title="Clinic", tables=("clinic.txt",), plan=plan)
"""
ENTRY_POINTS = """
[marginalia.exporters]
names = outside_package:names
broken = outside_package:missing
wrong = outside_package:clinic

[marginalia.layouts]
clinic = outside_package:clinic
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The package as pip leaves it: its module, and its entry points beside it."""
    site = tmp_path / "site"
    about = site / "outside_package-1.0.dist-info"
    about.mkdir(parents=True)
    (site / "outside_package.py").write_text(PACKAGE)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: outside-package\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(str(site))
    yield
    sys.modules.pop("outside_package", None)


@pytest.mark.usefixtures("installed")
def test_the_command_line_lists_and_uses_them(
    study: Study, tmp_path: Path, marginalia: Run, refused: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = study.folder
    study.close()
    written = marginalia("export", folder, "--format", "names", "--out", tmp_path / "out")
    assert written == {"folder": str(tmp_path / "out"), "format": "names", "lesions": 4}
    assert len(json.loads((tmp_path / "out" / "names.json").read_text())) == 4
    assert "--format names has no" not in refused("export", folder, "--format", "names", "--out", tmp_path / "out")
    assert "leave out --run" in refused("export", folder, "--format", "names", "--run", "x", "--out", "y")
    assert "cannot be loaded (AttributeError)" in refused("export", folder, "--format", "broken", "--out", "y")
    assert "is not of the kind ExportFormat" in refused("export", folder, "--format", "wrong", "--out", "y")
    for command, word in (("export", "names"), ("import", "clinic")):
        with pytest.raises(SystemExit):
            run_command_line([command, str(folder), "--format", "?", "--layout", "?"])
        assert word in capsys.readouterr().err


@pytest.mark.usefixtures("installed")
def test_the_window_lists_them(qtbot: QtBot, study: Study, tmp_path: Path) -> None:
    exporting, importing = ExportDialog(study), DataSetDialog(tmp_path)
    for dialog in (exporting, importing):
        qtbot.addWidget(dialog)
    titles = [exporting.kind.itemText(row) for row in range(exporting.kind.count())]
    assert titles[-1] == "Names of lesions" and len(titles) == len(BUILT_IN) + 1
    layouts = [importing.layout_choice.itemText(row) for row in range(importing.layout_choice.count())]
    assert layouts[-1] == "Clinic"


@pytest.mark.usefixtures("installed")
def test_a_folder_is_recognised_by_the_tables_of_a_plug_in(tmp_path: Path) -> None:
    folder = tmp_path / "download"
    folder.mkdir()
    (folder / "clinic.txt").write_text("a.png P1\nb.png P2\n")
    assert recognised(folder) == "clinic"
    assert [(image.path.name, image.patient) for image in make_plan(folder).images] == [
        ("a.png", "P1"),
        ("b.png", "P2"),
    ]


def test_built_in_formats_can_be_loaded_and_are_not_replaced(study: Study, tmp_path: Path) -> None:
    assert format_ids() == tuple(one.id for one in BUILT_IN)
    assert all(callable(one.writer()) for one in BUILT_IN)
    with pytest.raises(StudyError, match="no export format names"):
        export(study, ExportRequest(format="names", target=tmp_path / "x"))
    with pytest.raises(PluginError, match="There is no plug-in clinic"):
        layout_of("clinic")
    assert "clinic" not in layout_ids() and format_of("csv").title == "Table (CSV)"
