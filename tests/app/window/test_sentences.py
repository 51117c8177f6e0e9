"""What the engine says in English is read in the user's language."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QLocale
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.qt import translation
from app.qt.sentences import translate_message
from app.qt.translation import install, languages, texts_of
from app.views.main_window.window import MainWindow
from core.domain.errors import MarginaliaError
from core.domain.messages import has_words, joined, message
from core.imaging.reader import read_image
from core.store.study import Study
from core.store.write_lock import LockOwner
from tests.app.window.conftest import wait_for_picture
from tests.catalogue import sentences


@pytest.fixture
def german(qapp: QApplication) -> Iterator[None]:
    before = QLocale()
    install(qapp, "de")
    yield
    install(qapp, "en")
    QLocale.setDefault(before)


@pytest.mark.parametrize("language", [name for name in languages() if name != "en"])
def test_every_sentence_of_the_source_is_in_every_language_with_the_same_arguments(language: str) -> None:
    texts = texts_of(language)
    wanted = {template: place for template, place in sentences().items() if has_words(template)}
    assert sorted(f"{wanted[one]}: {one}" for one in wanted.keys() - texts.keys()) == []
    for template in wanted:
        own, translated = (sorted(set(re.findall(r"{[^}]*}", text))) for text in (template, texts[template]))
        assert own == translated, template


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
    assert translate_message(no_image.value).startswith("no.png ist kein lesbares Bild (Text)")


@pytest.mark.usefixtures("german")
def test_a_sentence_in_another_and_one_after_another_are_said_whole() -> None:
    holder = LockOwner(holder="Dr. A", user="anna", host="desk", pid=7, since_utc="2024-01-01T10:00:00")
    locked = message(
        "The study in {folder} is in use by {holder}. Close it there, or wait until it is closed.",
        folder="/s",
        holder=holder.sentence,
    )
    gone = message("If that program is gone for certain, delete {file} in the study's folder.", file="write.lock")
    assert translate_message(joined([locked, gone])) == (
        "Die Studie in /s wird gerade von Dr. A (anna auf desk, Prozess 7, seit 2024-01-01T10:00:00 UTC) "
        "benutzt. Schließen Sie sie dort, oder warten Sie, bis sie geschlossen ist. "
        "Ist jenes Programm gewiss nicht mehr da, dann löschen Sie write.lock im Ordner der Studie."
    )


@pytest.mark.usefixtures("german")
def test_words_of_the_vocabulary_and_numbers_are_those_of_the_language() -> None:
    few = message(
        "Only {count} patients to train on have a lesion called {name}; its figures mean little.",
        count=3,
        name="spiculated",
    )
    assert translate_message(few).startswith("Nur 3 ") and "mit dem Namen spikuliert;" in translate_message(few)
    large = message("{name} has {size:,} bytes; {limit:,} can be read.", name="1,5.dcm", size=1234567, limit=1000)
    assert translate_message(large) == "1,5.dcm hat 1.234.567 Bytes; gelesen werden können 1.000."
    slow = message(
        "{host} did not answer within {seconds:g} s; log in there by hand with ssh and see if the program there "
        "starts.",
        host="a.b",
        seconds=2.5,
    )
    assert translate_message(slow).startswith("a.b hat innerhalb von 2,5 s ")


@pytest.mark.usefixtures("german")
def test_a_sentence_without_a_translation_stays_english() -> None:
    assert translate_message(message("Nobody has translated this {name}.", name="{0}")) == (
        "Nobody has translated this {0}."
    )


@pytest.mark.usefixtures("german")
def test_the_banner_says_in_german_who_has_the_study(qtbot: QtBot, window: MainWindow, study_folder: Path) -> None:
    with Study.open(study_folder, holder="Dr. Other"):
        window.open_study(study_folder)
        wait_for_picture(qtbot, window)
        assert "Dr. Other" in window.banner.text and "hat diese Studie geöffnet" in window.banner.text


def test_one_file_adds_a_language(qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = QLocale()
    words = {"There is no backup {path}.": "Er is geen back-up {path}.", "Theme": "Thema"}
    (tmp_path / "nl.json").write_text(json.dumps(words), "utf-8")
    monkeypatch.setattr(translation, "FOLDER", tmp_path)
    assert languages() == {"en": "English", "nl": "Nederlands"}
    assert install(qapp, "nl") == "nl"
    try:
        assert translation.tr("Theme") == "Thema"
        assert translate_message(message("There is no backup {path}.", path="a")) == "Er is geen back-up a."
    finally:
        install(qapp, "en")
        QLocale.setDefault(before)


def test_english_stays_as_it_is() -> None:
    sentence = message("No study is open; open one or make a new one.")
    assert translate_message(sentence) == sentence
