"""A small synthetic study and a window on it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.qt.theme import Theme, apply_theme
from app.state.session import Session
from app.views.importing.preview import ImportPreview
from app.views.main_window.window import MainWindow
from core.domain.content import content_sha256
from core.domain.geometry import Box
from core.domain.shapes import Rectangle
from core.domain.study import Finding, Image, Labels, Lesion, Patient, Window
from core.domain.vocabulary import Laterality, MarginType, ViewPosition
from core.store.study import Study
from core.store.trusted_studies import mark_trusted

ROWS, COLUMNS = 480, 400


@pytest.fixture(autouse=True)
def own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test reads or writes what the user of this computer chose."""
    file = tmp_path / "settings.ini"
    monkeypatch.setenv("MARGINALIA_SETTINGS", str(file))
    return file


def make_study(folder: Path, patients: int = 2) -> Path:
    """Two views a patient; a lesion in every image but the last patient's MLO."""
    with Study.create(folder, name="Small", synthetic=True) as study, study.batch():
        for number in range(patients):
            patient = Patient(id=f"patient{number}", pseudonym=f"P{number:03d}", source="test")
            study.patients.add(patient)
            for view in (ViewPosition.CC, ViewPosition.MLO):
                image = add_image(study, patient, view)
                if number < patients - 1 or view is ViewPosition.CC:
                    add_lesion(study, image, margin=MarginType.SPICULATED if number == 0 else None)
    mark_trusted(folder)
    return folder


def add_image(
    study: Study,
    patient: Patient,
    view: ViewPosition,
    side: Laterality = Laterality.LEFT,
    acquired: str | None = None,
) -> Image:
    name = f"{patient.id}-{view.value}" if acquired is None else f"{patient.id}-{side}-{view.value}-{acquired}"
    seed = int(uuid.uuid5(uuid.NAMESPACE_OID, name).int % 2**32)
    y, x = np.mgrid[:ROWS, :COLUMNS]
    noise = np.random.default_rng(seed).integers(0, 60, (ROWS, COLUMNS))
    breast = (x < 300 - (y - 240) ** 2 / 300) * (900 + noise)
    mass = 700 * np.exp(-((x - 150) ** 2 + (y - 240) ** 2) / 1500)
    pixels = (breast + mass).astype(np.uint16)
    if side is Laterality.RIGHT:
        pixels = np.ascontiguousarray(pixels[:, ::-1])
    image = Image(
        id=name,
        patient_id=patient.id,
        content_sha256=content_sha256(pixels),
        width=COLUMNS,
        height=ROWS,
        bits_stored=12,
        pixel_spacing_mm=0.2,
        spacing_source="Imager Pixel Spacing",
        laterality=side,
        view=view,
        windows=(Window(centre=800, width=1600), Window(centre=1200, width=700)),
        acquired=acquired,
        synthetic=True,
    )
    study.arrays.write_pixels(image.id, pixels)
    study.images.add(image)
    return image


def make_examinations(folder: Path) -> Path:
    """One patient, both breasts in two views, examined twice; the mass of the left breast is one finding."""
    with Study.create(folder, name="Twice", synthetic=True) as study, study.batch():
        patient = Patient(id="patient0", pseudonym="P000", source="test")
        study.patients.add(patient)
        mass = Finding(id="mass", patient_id=patient.id)
        study.lesions.add_finding(mass)
        for acquired in ("2019-05-01", "2021-06-01"):
            for side in (Laterality.RIGHT, Laterality.LEFT):
                for view in (ViewPosition.CC, ViewPosition.MLO):
                    image = add_image(study, patient, view, side, acquired)
                    if side is Laterality.LEFT:
                        add_lesion(study, image, margin=None, finding=mass)
    return folder


def add_lesion(study: Study, image: Image, *, margin: MarginType | None, finding: Finding | None = None) -> None:
    if finding is None:
        finding = Finding(id=f"finding-{image.id}", patient_id=image.patient_id)
        study.lesions.add_finding(finding)
    outline = Rectangle(box=Box(x0=100, y0=190, x1=200, y1=290))
    labels = Labels(margin=margin)
    study.lesions.add(
        Lesion(id=f"lesion-{image.id}", finding_id=finding.id, image_id=image.id, outline=outline, labels=labels)
    )


@pytest.fixture
def study_folder(tmp_path: Path) -> Path:
    return make_study(tmp_path / "study")


@pytest.fixture
def window(qtbot: QtBot, qapp: QApplication) -> Iterator[MainWindow]:
    apply_theme(qapp, Theme.DARK)
    shown = MainWindow(Session())
    shown.resize(1280, 800)
    shown.show()
    qtbot.waitExposed(shown)
    yield shown
    shown.close()
    shown.deleteLater()
    qapp.processEvents()


@pytest.fixture
def opened(qtbot: QtBot, window: MainWindow, study_folder: Path) -> MainWindow:
    """With the first image of the study on screen."""
    window.open_study(study_folder)
    wait_for_picture(qtbot, window)
    return window


def preview_of(qtbot: QtBot, window: MainWindow) -> ImportPreview:
    """The page before an import, when it has looked at the files."""
    qtbot.waitUntil(lambda: window.studies.imports.preview is not None, timeout=60_000)
    preview = window.studies.imports.preview
    assert preview is not None
    qtbot.waitUntil(lambda: not preview.busy, timeout=60_000)
    return preview


def press_import(qtbot: QtBot, window: MainWindow) -> None:
    """On the page before an import."""
    preview = preview_of(qtbot, window)
    assert preview.import_button.isEnabled(), preview.text.text()
    qtbot.mouseClick(preview.import_button, Qt.MouseButton.LeftButton)


def wait_for_picture(qtbot: QtBot, window: MainWindow) -> None:
    def there() -> bool:
        shown = window.annotate.shown
        return shown is not None and shown.image.id == window.session.image_id

    qtbot.waitUntil(there, timeout=60_000)
