"""The search screen against a real PACS: set up, search, retrieve, cancel, resume; every trouble is a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtWidgets import QInputDialog
from pytestqt.qtbot import QtBot

from app.views.main_window.window import MainWindow
from app.views.pacs.dialog import PacsDialog
from app.views.pacs.profile_dialog import ProfileDialog
from core.pacs.profile import Profiles, is_confirmed
from core.store.identity import IdentityFile, Passphrase
from core.store.study import Study
from tests.app.window.conftest import own_settings, window
from tests.pacs.conftest import Examination
from tests.pacs.server import PASSWORD, PacsServer

__all__ = ["own_settings", "window"]


def set_up(screen: PacsDialog, qtbot: QtBot, server: PacsServer, *, ward: bool = False) -> None:
    screen.new.click()
    [dialog] = screen.findChildren(ProfileDialog)
    if ward:
        dialog.kind.setCurrentIndex(dialog.kind.findData("dimse"))
        dialog.name.setText("ward")
        dialog.host.setText("localhost")
        dialog.port.setValue(server.dicom_port)
        dialog.called.setText("ORTHANC")
        dialog.listen_port.setValue(server.receive_port)
    else:
        dialog.name.setText("archive")
        dialog.url.setText(f"http://localhost:{server.http_port}/dicom-web")
        dialog.login.setCurrentIndex(dialog.login.findData("password"))
        dialog.user.setText("reader")
    dialog.confirmed.setChecked(True)
    dialog.save()
    qtbot.waitUntil(lambda: not dialog.isVisible())
    dialog.setParent(None)
    dialog.deleteLater()


def type_password(screen: PacsDialog, qtbot: QtBot, password: str = PASSWORD) -> None:
    qtbot.waitUntil(lambda: any(one.isVisible() for one in screen.findChildren(QInputDialog)), timeout=90_000)
    [asking] = [one for one in screen.findChildren(QInputDialog) if one.isVisible()]
    assert "Password of reader for archive" in asking.labelText()
    asking.setTextValue(password)
    asking.accept()


def idle(screen: PacsDialog, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: screen.task is None, timeout=60_000)


@pytest.fixture
def screen(window: MainWindow) -> PacsDialog:
    window.actions_["study.pacs"].trigger()
    assert window.studies.pacs is not None
    return window.studies.pacs


def test_from_the_welcome_page_to_images_in_the_study(
    qtbot: QtBot,
    window: MainWindow,
    screen: PacsDialog,
    server: PacsServer,
    examinations: tuple[Examination, ...],
    tmp_path: Path,
) -> None:
    assert "No PACS is set up yet" in screen.text.text() and not screen.search.button.isEnabled()
    set_up(screen, qtbot, server)
    [profile] = Profiles().all()
    assert is_confirmed(profile)
    screen.search.name.setText("Müller")
    screen.search.button.click()
    type_password(screen, qtbot)
    qtbot.waitUntil(lambda: screen.table.rowCount() == 1, timeout=90_000)
    row = [screen.table.item(0, column).text() for column in range(5)]
    assert row == ["2024-01-05", "P-0001", "Müller^Anna", "MG", "4"]
    screen.table.selectRow(0)
    assert not screen.get.isEnabled() and screen.hint.isVisible()
    window.studies.create(tmp_path / "study", "New", synthetic=True)
    assert not screen.hint.isVisible()
    screen.table.selectRow(0)
    screen.get.click()
    idle(screen, qtbot)
    assert screen.text.text() == "4 images imported."
    qtbot.waitUntil(lambda: window.annotate.worklist.model.rowCount() == 4)
    assert not screen.waiting.isVisible()


def test_the_link_to_the_patients_is_kept_under_a_passphrase(
    qtbot: QtBot,
    window: MainWindow,
    screen: PacsDialog,
    server: PacsServer,
    examinations: tuple[Examination, ...],
    tmp_path: Path,
) -> None:
    set_up(screen, qtbot, server, ward=True)
    window.studies.create(tmp_path / "study", "New", synthetic=True)
    assert not screen.passphrase.isVisible()
    screen.keep_link.click()
    qtbot.keyClicks(screen.passphrase, "short")
    said = []
    for patient in ("P-0001", "P-0001", "P-0002"):
        screen.search.patient_id.setText(patient)
        screen.search.button.click()
        qtbot.waitUntil(lambda: screen.task is None and screen.table.rowCount() == 1, timeout=90_000)
        screen.table.selectRow(0)
        screen.get.click()
        idle(screen, qtbot)
        said.append(screen.text.text())
        # too short for a new file; then long enough; then what a file that is there needs
        screen.passphrase.setText("correct horse battery" if len(said) == 1 else "")
    assert "is too short" in said[0] and said[1] == "4 images imported."
    assert said[2] == "Type the passphrase of the identity file."
    identity = IdentityFile.open(tmp_path / "study", Passphrase(lambda: "correct horse battery"))
    [patient] = window.session.study.patients.all()
    link = identity.patient_of(patient.pseudonym)
    assert link is not None and link.identifier == "P-0001"
    screen.close_button.click()
    assert screen.passphrase.text() == ""


def test_wrong_words_are_asked_for_again_and_a_search_for_everybody_is_refused(
    qtbot: QtBot, screen: PacsDialog, server: PacsServer
) -> None:
    set_up(screen, qtbot, server)
    screen.test.click()
    type_password(screen, qtbot, "wrong")
    qtbot.waitUntil(lambda: "does not accept" in screen.text.text(), timeout=90_000)
    screen.test.click()
    type_password(screen, qtbot)
    qtbot.waitUntil(lambda: screen.text.text() == "The PACS answers.", timeout=90_000)
    screen.search.button.click()
    qtbot.waitUntil(lambda: "Give a patient identifier" in screen.text.text(), timeout=90_000)


def test_what_is_half_there_is_shown_and_goes_on(
    qtbot: QtBot,
    window: MainWindow,
    screen: PacsDialog,
    server: PacsServer,
    examinations: tuple[Examination, ...],
    tmp_path: Path,
) -> None:
    set_up(screen, qtbot, server, ward=True)
    window.studies.create(tmp_path / "study", "New", synthetic=True)
    screen.search.patient_id.setText("P-0002")
    screen.search.button.click()
    qtbot.waitUntil(lambda: screen.table.rowCount() == 1, timeout=90_000)
    screen.table.selectRow(0)
    screen.get.click()
    # cancelled while images come: what came whole waits
    qtbot.waitUntil(lambda: "images received" in screen.text.text(), timeout=90_000)
    screen.close_button.click()
    idle(screen, qtbot)
    assert "can be resumed" in screen.text.text()
    assert screen.waiting.isVisible() and screen.waiting.rowCount() == 1
    assert "of 4" in screen.waiting.item(0, 2).text()
    assert window.session.study.images.count() == 0
    screen.resume.click()
    idle(screen, qtbot)
    assert screen.text.text() == "4 images imported." and not screen.waiting.isVisible()


def test_closing_the_window_ends_what_runs(
    qtbot: QtBot, window: MainWindow, screen: PacsDialog, server: PacsServer, tmp_path: Path
) -> None:
    set_up(screen, qtbot, server, ward=True)
    Study.create(tmp_path / "study", name="S").close()
    screen.search.since.setText("2020-01-01")
    screen.search.button.click()
    window.close()
    assert screen.task is None or not screen.task.running
