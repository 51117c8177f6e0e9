"""The hazard table and the list of third-party parts say what is so."""

from __future__ import annotations

import ast
import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import msgspec
import pytest
from packaging.requirements import Requirement

from tests.safety.battery import exists

ROOT = Path(__file__).parents[2]


class Part(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    licence: str
    use: str
    anomalies: str
    control: str


class Hazard(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    hazard: str
    harm: str
    severity: str
    tests: list[str]
    control: str


PARTS = msgspec.json.decode((ROOT / "resources/safety/parts.json").read_bytes(), type=list[Part])
HAZARDS = msgspec.json.decode((ROOT / "resources/safety/hazards.json").read_bytes(), type=list[Hazard])
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_every_dependency_is_a_listed_part_and_no_other() -> None:
    # an extra that reaches the network is a part too
    extra = PROJECT["optional-dependencies"]["postgresql"]
    required = {Requirement(text).name.lower() for text in (*PROJECT["dependencies"], *extra)}
    assert {part.name.lower() for part in PARTS} == required
    assert len(PARTS) == len(required)


def test_installed_versions_are_those_that_were_tested() -> None:
    for text in PROJECT["dependencies"]:
        requirement = Requirement(text)
        installed = version(requirement.name).split("+")[0]
        assert requirement.specifier.contains(installed), f"{requirement.name} {installed}"


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_a_part_says_licence_use_anomalies_and_control(part: Part) -> None:
    assert all((part.licence, part.use, part.anomalies, part.control))


def test_no_part_is_used_that_is_not_listed() -> None:
    """Of what core and app import, everything beyond Python is a part, under its name for import."""
    names = {
        *("torch", "torchvision", "numpy", "scipy", "skimage", "cv2", "h5py", "pydicom", "PIL", "imagecodecs"),
        *("sqlalchemy", "alembic", "msgspec", "safetensors", "cryptography", "keyring", "platformdirs", "jinja2"),
        *("rich", "matplotlib", "PySide6", "shiboken6", "pyqtgraph", "shapely", "markupsafe", "openpyxl"),
        *("dicomweb_client", "pynetdicom", "requests", "highdicom", "nibabel", "threadpoolctl", "psycopg"),
        "urllib3",  # comes with requests
        "onnx",  # an extra: asked for by name where it is missing
        *("core", "app", "resources"),
    }
    import sys

    known = names | set(sys.stdlib_module_names) | {"msvcrt"}
    for path in [*(ROOT / "core").rglob("*.py"), *(ROOT / "app").rglob("*.py"), ROOT / "main.py"]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            modules = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            assert {module.split(".")[0] for module in modules} <= known, path


@pytest.mark.parametrize("hazard", HAZARDS, ids=lambda hazard: hazard.id)
def test_a_hazard_has_controls_that_are_tested(hazard: Hazard) -> None:
    assert re.fullmatch(r"H\d\d", hazard.id)
    assert hazard.severity in ("low", "medium", "high")
    assert hazard.tests and hazard.hazard and hazard.harm and hazard.control
    for name in hazard.tests:
        assert exists(name), name
