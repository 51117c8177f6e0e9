"""What the engine says in English is read in German."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QLocale
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.qt.sentences import sentences_of, translate_message
from app.qt.translation import install
from app.views.main_window.window import MainWindow
from core.domain.errors import MarginaliaError
from core.imaging.reader import read_image
from core.store.study import Study
from tests.app.window.conftest import wait_for_picture

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def german(qapp: QApplication) -> Iterator[None]:
    before = QLocale()
    install(qapp, "de")
    yield
    install(qapp, "en")
    QLocale.setDefault(before)


def forms_in_the_source() -> set[str]:
    """Every text of core and of the session, with {} where something is put in."""
    found = set()
    for path in (*(ROOT / "core").rglob("*.py"), *(ROOT / "app").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value.strip())
            elif isinstance(node, ast.JoinedStr):
                parts = [part.value if isinstance(part, ast.Constant) else "{}" for part in node.values]
                found.add("".join(map(str, parts)).strip())
    presets = (ROOT / "resources/presets").glob("*.json")
    return found.union(*(texts_in(json.loads(path.read_text("utf-8"))) for path in presets))


def texts_in(document: object) -> set[str]:
    """Every text in a JSON document: descriptions of presets, and why they depart from the paper."""
    if isinstance(document, str):
        return {document}
    parts = document.values() if isinstance(document, dict) else document if isinstance(document, list) else ()
    return set().union(*map(texts_in, parts))


def test_every_form_is_said_somewhere_and_keeps_what_is_put_in() -> None:
    known = forms_in_the_source()
    for english, german in sentences_of("de").items():
        # one with a number in it says "file says" or "files say"
        plural = re.sub(r"^{} (file|files) (say|says|has|have) ", "{} file{} ", english)
        assert {english, plural} & known, english
        named = sorted(re.findall(r"{(\d*)}", german))
        wanted = english.count("{}")
        assert named in ([""] * wanted, [str(i) for i in range(wanted)]), english


@pytest.mark.usefixtures("german")
def test_errors_of_the_engine_are_said_in_german(tmp_path: Path) -> None:
    empty, text = tmp_path / "empty", tmp_path / "no.png"
    empty.mkdir()
    text.write_text("nothing")
    with pytest.raises(MarginaliaError) as no_study:
        Study.open(empty)
    assert translate_message(no_study.value).startswith(
        f"{empty} ist keine Studie: study.db fehlt darin. Wählen Sie"
    )
    with pytest.raises(MarginaliaError) as no_image:
        read_image(text)
    assert translate_message(no_image.value).startswith("no.png ist ")


@pytest.mark.usefixtures("german")
def test_a_sentence_that_quotes_another_and_one_after_another_are_said_whole() -> None:
    holder = "Dr. A (anna on desk, process 7, since 2024-01-01T10:00:00 UTC)"
    locked = f"The study in /s is in use by {holder}. Close it there, or wait until it is closed."
    gone = "If that program is gone for certain, delete write.lock in the study's folder."
    assert translate_message(f"{locked} {gone}") == (
        "Die Studie in /s wird gerade von Dr. A (anna auf desk, Prozess 7, seit 2024-01-01T10:00:00 UTC) "
        "benutzt. Schließen Sie sie dort, oder warten Sie, bis sie geschlossen ist. "
        "Ist jenes Programm gewiss nicht mehr da, dann löschen Sie write.lock im Ordner der Studie."
    )
    few = "Only 3 patients to train on have a lesion called spiculated; its figures mean little."
    assert "mit dem Namen spikuliert;" in translate_message(few)
    assert (
        translate_message("Nobody has translated this. Nor this {0}.")
        == "Nobody has translated this. Nor this {0}."
    )


@pytest.mark.usefixtures("german")
def test_the_banner_says_in_german_who_has_the_study(qtbot: QtBot, window: MainWindow, study_folder: Path) -> None:
    with Study.open(study_folder, holder="Dr. Other"):
        window.open_study(study_folder)
        wait_for_picture(qtbot, window)
        assert "Dr. Other" in window.banner.text and "hat diese Studie geöffnet" in window.banner.text


def test_english_stays_as_it_is() -> None:
    sentence = "No study is open; open one or make a new one."
    assert translate_message(sentence) == sentence
