"""A shared study whose server does not accept this computer's login asks for another one in the window."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtWidgets import QDialogButtonBox
from pytestqt.qtbot import QtBot

from app.qt import settings
from app.views.dialogs.server_login import ServerLoginDialog
from app.views.main_window.window import MainWindow
from core.domain.messages import message
from core.store import key_store
from core.store.postgresql import login
from core.store.study import Study
from core.store.trusted_studies import mark_trusted
from tests.app.window.test_new_shared_study import KeyStore
from tests.database_server import DatabaseServer, database_server

pytestmark = pytest.mark.postgresql
SECRET = "correct horse battery"


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> KeyStore:
    made = KeyStore()
    monkeypatch.setattr(login, "system_key_store", lambda: made)
    monkeypatch.setattr(login, "_asked", {})
    for name in ("PGUSER", "PGPASSWORD"):
        monkeypatch.delenv(name, raising=False)
    return made


@pytest.fixture
def server() -> Iterator[DatabaseServer]:
    """Asks everybody but the owner for a password."""
    with database_server(settings=("fsync=off",)) as made:
        made.run_sql(f"CREATE ROLE anna LOGIN SUPERUSER PASSWORD '{SECRET}'")
        kinds = {"owner": "trust", "all": "scram-sha-256"}
        lines = (f"host all {who} 127.0.0.1/32 {kind}\n" for who, kind in kinds.items())
        (made.data / "pg_hba.conf").write_text("".join(lines))
        made.run_sql("SELECT pg_reload_conf()")
        yield made


@pytest.fixture
def folder(tmp_path: Path, server: DatabaseServer, store: KeyStore, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A study that another computer made."""
    monkeypatch.setenv("MARGINALIA_STATE", str(tmp_path / "theirs"))
    monkeypatch.setenv("HOME", str(tmp_path))
    Study.create(tmp_path / "s", name="Shared", server=server.address()).close()
    monkeypatch.setenv("MARGINALIA_STATE", str(tmp_path / "mine"))
    mark_trusted(tmp_path / "s")
    return tmp_path / "s"


def _asked(window: MainWindow, folder: Path) -> ServerLoginDialog:
    window.open_study(folder)
    (dialog,) = window.findChildren(ServerLoginDialog)
    assert dialog.isVisible() and not window.session.is_open
    return dialog


def test_a_wrong_password_is_one_sentence_and_asked_again(
    window: MainWindow, folder: Path, store: KeyStore, tmp_path: Path, qtbot: QtBot
) -> None:
    dialog = _asked(window, folder)
    accept = dialog._buttons.button(QDialogButtonBox.StandardButton.Ok)
    assert not accept.isEnabled(), "a user is missing"
    dialog.user.setText("anna")
    for wrong in ("", "wrong"):
        dialog.password.setText(wrong)
        accept.click()
        assert dialog.isVisible() and not window.session.is_open
        assert dialog.problem.text() == "The server does not accept this user with this password; try again."
        assert not dialog.password.text() and not store.kept, "a refused login is not kept"
    dialog.password.setText(SECRET)
    accept.click()
    assert not dialog.isVisible() and window.session.is_open and window.session.study.shared
    assert list(store.kept.values()) == [SECRET]
    assert str(folder) in str(settings.recent_studies())
    window.session.close_study()
    login._asked.clear()  # as a program that was started again
    window.open_study(folder)
    assert window.session.is_open, "opened with the login that was kept"
    window.session.close_study()
    for path in (*(tmp_path / "mine").rglob("*"), *folder.rglob("*")):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path


def test_without_a_key_store_the_password_holds_until_the_program_ends(
    window: MainWindow, folder: Path, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    def missing() -> object:
        raise key_store.KeyStoreMissingError(message("This computer has no key store."))

    monkeypatch.setattr(login, "system_key_store", missing)
    said: list[str] = []
    dialog = _asked(window, folder)
    dialog.unkept.connect(said.append)
    dialog.user.setText("anna")
    dialog.password.setText(SECRET)
    dialog.try_login()
    assert window.session.is_open and "until the program is closed" in said[0] and ".pgpass" in said[0]
    window.session.close_study()
    window.open_study(folder)
    assert window.session.is_open
    window.session.close_study()
    login._asked.clear()
    assert _asked_again(window, folder)


def _asked_again(window: MainWindow, folder: Path) -> bool:
    window.open_study(folder)
    return any(dialog.isVisible() for dialog in window.findChildren(ServerLoginDialog))
