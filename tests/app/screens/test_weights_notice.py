"""What the Train screen offers where ImageNet weights are missing."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PySide6.QtGui import QGuiApplication
from pytestqt.qtbot import QtBot

from app.views.train.plan_panel import PlanPanel
from core.model import weights_places
from core.model.weights_places import INSTALL, LITE0, PACKAGED
from tests.core.model.test_efficientnet_lite import published


@pytest.fixture
def panel(qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PlanPanel:
    """The panel on a computer without weights."""
    torch.save(published(6), tmp_path / "lite.pth")
    sha256 = hashlib.sha256((tmp_path / "lite.pth").read_bytes()).hexdigest()
    monkeypatch.setattr(weights_places, "user_cache_path", lambda _name: tmp_path / "cache")
    gone = replace(PACKAGED[LITE0], module="no_such_package_of_weights", sha256=sha256)
    monkeypatch.setitem(weights_places.PACKAGED, LITE0, gone)
    panel = PlanPanel()
    qtbot.addWidget(panel)
    panel.resize(420, 700)
    panel.show()
    yield panel
    panel.weights.stop()


def test_missing_weights_are_named_and_can_be_imported(qtbot: QtBot, panel: PlanPanel, tmp_path: Path) -> None:
    assert panel.preset.currentText() == "compact"  # the default where there are none
    assert not panel.weights.isVisible()
    panel.preset.setCurrentText("pretrained")
    assert panel.weights.isVisible() and not panel.start.isEnabled()
    assert "efficientnet_lite0" in panel.weights.sentence.text()
    panel.weights.copy.click()
    assert QGuiApplication.clipboard().text() == INSTALL
    (tmp_path / "other.npz").write_bytes(b"no weights")
    panel.weights.import_file(tmp_path / "other.npz")
    qtbot.waitUntil(lambda: "other.npz is not a complete archive" in panel.weights.sentence.text(), timeout=20_000)
    panel.weights.import_file(tmp_path / "lite.pth")
    qtbot.waitUntil(lambda: not panel.weights.missing, timeout=20_000)
    assert not panel.weights.isVisible()


def test_a_preset_chosen_by_hand_stays(panel: PlanPanel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.training.presets.packaged_at_hand", lambda _name: True)
    panel.suggest_preset(synthetic=False)
    assert panel.preset.currentText() == "pretrained"
    panel.suggest_preset(synthetic=True)
    assert panel.preset.currentText() == "compact"
    panel.preset.setCurrentText("paper")
    panel.preset.activated.emit(panel.preset.currentIndex())
    panel.suggest_preset(synthetic=False)
    assert panel.preset.currentText() == "paper"
