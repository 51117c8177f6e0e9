"""German is complete, keeps every placeholder, and is spoken by the window."""

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

from app.actions.catalogue import read_actions
from app.actions.keymap import native
from app.qt.formatting import VOCABULARY
from app.qt.translation import install, languages, texts_of, tr
from app.state.session import Session
from app.views.main_window.window import MainWindow
from app.widgets.explain.numbers import localised
from core.domain.messages import has_words
from core.domain.vocabulary import (
    DISCLAIMER,
    MarginType,
    MassDensity,
    MassShape,
    Part,
    Pathology,
)
from tests.catalogue import sentences, texts_of_presets

ROOT = Path(__file__).resolve().parents[3]


def texts_in_the_source() -> Iterator[str]:
    for path in sorted((ROOT / "app").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {"tr", "_tr", "self.tr"} and node.args:
                text = node.args[0]
                if isinstance(text, ast.Constant) and isinstance(text.value, str):
                    yield text.value
    for spec in read_actions():
        yield from (text for text in (spec.text, spec.menu_name, spec.tip) if text)
    yield from VOCABULARY
    yield DISCLAIMER
    yield from filter(has_words, sentences())


@pytest.mark.parametrize("language", [name for name in languages() if name != "en"])
def test_a_language_has_every_text_with_its_placeholders(language: str) -> None:
    texts = texts_of(language)
    wanted = set(texts_in_the_source())
    assert sorted(wanted - texts.keys()) == []
    assert sorted(texts.keys() - wanted - texts_of_presets()) == [], "texts that nobody shows any more"
    for english, translated in texts.items():
        assert translated.strip()
        assert set(re.findall(r"{\w+}", english)) == set(re.findall(r"{\w+}", translated)), english


def test_the_vocabulary_that_is_shown_is_in_the_list_to_translate() -> None:
    shown = {member.value for kind in (MarginType, MassShape, MassDensity, Pathology, Part) for member in kind}
    assert shown <= set(VOCABULARY)


def test_the_window_speaks_german(qtbot: QtBot, qapp: QApplication) -> None:
    before = QLocale()
    assert install(qapp, "de") == "de"
    try:
        window = MainWindow(Session(), "de")
        qtbot.addWidget(window)
        assert window.actions_["study.new"].text() == "Neue Studie …"
        assert (
            tr("Mine: {done} of {all} fine annotations", done=27, all=30) == "Meine: 27 von 30 Läsionen gezeichnet"
        )
        window.close()
    finally:
        install(qapp, "en")
        QLocale.setDefault(before)


def test_keys_and_the_dialogs_of_qt_speak_german_too(qapp: QApplication) -> None:
    before = QLocale()
    install(qapp, "de")
    try:
        assert native(("Ctrl+Shift+Del",)) == "Strg+Umschalt+Entf"
        assert qapp.translate("QFileDialog", "Directory:") == "Verzeichnis:"
        assert qapp.translate("QFileDialog", "not a text of Qt") == "not a text of Qt"
    finally:
        install(qapp, "en")
        QLocale.setDefault(before)
    assert native(("Ctrl+Shift+Del",)) == "Ctrl+Shift+Del"


def test_the_translation_is_a_plain_table(tmp_path: Path) -> None:
    file = ROOT / "resources" / "translations" / "de.json"
    assert all(isinstance(text, str) for text in json.loads(file.read_text("utf-8")).values())


def test_numbers_are_written_with_the_mark_of_the_users_language() -> None:
    """A decimal point of Python's own format is the same in every language."""
    own = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in sorted((ROOT / "app").rglob("*.py"))
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1)
        if re.search(r"{[^}]*:[,.]?\.?[1-9][0-9]*[fe]}", line) and "settings.put" not in line
    ]
    assert own == []
    assert localised("0.81 (0.78 to 0.83), 3. place. End") == "0.81 (0.78 to 0.83), 3. place. End"
    before = QLocale()
    QLocale.setDefault(QLocale("de"))
    try:
        assert localised("0.81 (0.78 to 0.83), 3. place. End") == "0,81 (0,78 to 0,83), 3. place. End"
    finally:
        QLocale.setDefault(before)
