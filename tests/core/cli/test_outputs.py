"""``--overwrite`` replaces an earlier result, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.cli.outputs import remove_output
from core.domain.errors import StudyError
from core.exchange.collect import readme


def test_only_the_folder_of_an_earlier_export_is_replaced(tmp_path: Path) -> None:
    file, export, other = tmp_path / "m.onnx", tmp_path / "export", tmp_path / "thesis"
    file.write_text("model")
    for folder in (export, other):
        (folder / "lesion").mkdir(parents=True)
    (export / "README.txt").write_text(readme("Masks", "", []))
    (other / "chapter.txt").write_text("years of work")
    remove_output(file)
    remove_output(export)
    remove_output(tmp_path / "missing")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["thesis"]
    with pytest.raises(StudyError, match="holds other files than an export"):
        remove_output(other)
    assert (other / "chapter.txt").is_file()
