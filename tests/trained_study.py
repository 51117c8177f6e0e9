"""A small synthetic study with a trained run, made once a session; what changes it works on a copy."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from core.cli.main import run_command_line
from core.phantom.config import PhantomConfig
from core.phantom.source import write_study_source

TINY = (
    "transform.input_size=64",
    "architecture.latent_channels=16",
    "architecture.prototypes_per_class=2",
    "architecture.top_k=3",
    "epochs.warm_start=1",
    "epochs.warm_up=1",
    "epochs.joint=2",
    "epochs.project_every=1",
    "batch_lesion=12",
    "batch_fine=4",
)
"""Changes to the compact preset that make a training of seconds: its figures mean nothing."""


@pytest.fixture(scope="session")
def synthetic_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phantom") / "source"
    write_study_source(folder, PhantomConfig(patients=24, seed=5, height=480, width=440), workers=1)
    return folder


@pytest.fixture(scope="session")
def trained_study(tmp_path_factory: pytest.TempPathFactory, synthetic_source: Path) -> Path:
    """Study with the run ``tiny``; read only."""
    folder = tmp_path_factory.mktemp("trained") / "study"
    assert run_command_line(["study", "create", str(folder)]) == 0
    assert run_command_line(["import", str(folder), str(synthetic_source), "--quiet"]) == 0
    assert run_command_line(["split", str(folder), "--fractions", "0.5", "0.25", "0.25"]) == 0
    changes = [part for change in TINY for part in ("--set", change)]
    assert run_command_line(["train", str(folder), "--name", "tiny", "--quiet", *changes]) == 0
    return folder


@pytest.fixture
def own_study(trained_study: Path, tmp_path: Path) -> Path:
    """A copy that the test may change."""
    folder = tmp_path / "study"
    shutil.copytree(trained_study, folder)
    return folder
