"""New study makes one whose database is on a server; its password is in the key store and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtWidgets import QDialogButtonBox, QLineEdit
from pytestqt.qtbot import QtBot

from app.views.dialogs.new_study import NewStudyDialog
from app.views.main_window.window import MainWindow
from core.store.postgresql import login
from tests.database_server import DatabaseServer

SECRET = "correct horse battery"


class KeyStore:
    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.kept[service, username]


def test_the_dialog_asks_for_a_server_only_where_one_is_wanted(qtbot: QtBot, tmp_path: Path) -> None:
    dialog = NewStudyDialog("New study", "Margins", "", None)
    qtbot.addWidget(dialog)
    dialog.show()
    dialog._place.setText(str(tmp_path))
    make = dialog._buttons.button(QDialogButtonBox.StandardButton.Ok)
    assert dialog.server is None and make.isEnabled() and not dialog._address.isVisible()
    dialog._shared.setChecked(True)
    assert dialog._address.isVisible() and not make.isEnabled(), "an address is missing"
    assert dialog._password.echoMode() is QLineEdit.EchoMode.Password
    dialog._address.setText("db.example/margins")
    dialog._password.setText(SECRET)
    server = dialog.server
    assert make.isEnabled() and server is not None and server.address == "db.example/margins"
    assert SECRET not in repr(server)


@pytest.mark.postgresql
def test_a_study_is_made_on_the_server_and_its_password_stands_in_no_file(
    window: MainWindow,
    qtbot: QtBot,
    tmp_path: Path,
    shared_server: DatabaseServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    state, store = tmp_path / "state", KeyStore()
    monkeypatch.setenv("MARGINALIA_STATE", str(state))
    monkeypatch.setattr(login, "system_key_store", lambda: store)
    window.studies.ask_new()
    (dialog,) = window.findChildren(NewStudyDialog)
    dialog._name.setText("Margins")
    dialog._place.setText(str(tmp_path / "studies"))
    dialog._shared.setChecked(True)
    # the server of the tests takes every password
    address = shared_server.address().partition("://")[2].partition("@")[2]
    dialog._address.setText(address)
    dialog._user.setText("owner")
    dialog._password.setText(SECRET)
    dialog.accept()
    assert window.session.is_open and window.session.study.shared
    folder = window.session.study.folder
    assert list(store.kept.values()) == [SECRET]
    window.session.close_study()
    window.open_study(folder)
    assert window.session.is_open and window.session.study.shared, "opened again with the login that was kept"
    window.session.close_study()
    for path in (*state.rglob("*"), *folder.rglob("*"), tmp_path / "settings.ini"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path
