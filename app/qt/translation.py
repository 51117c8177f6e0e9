"""Texts of the window in the user's language.

English stands in the source. Another language is one JSON file in ``resources/translations``, named by its code:
English text to translated text, of the window and of the engine (``core.domain.messages``). A translator needs no
tool, and a test finds what is missing.
"""

from __future__ import annotations

import json
from pathlib import Path

from PySide6.QtCore import QCoreApplication, QLibraryInfo, QLocale, QTranslator

from core.domain.errors import BadFileError
from core.domain.messages import message

FOLDER = Path(__file__).resolve().parents[2] / "resources" / "translations"
_installed: list[QTranslator] = []
"""Kept here, since the application does not own what it is given."""


def languages() -> dict[str, str]:
    """Code of each language to its own name for itself; English first."""
    others = sorted(path.stem for path in FOLDER.glob("*.json"))
    own = {code: QLocale(code).nativeLanguageName() for code in others}
    return {"en": "English"} | {code: name[:1].upper() + name[1:] for code, name in own.items()}


class JsonTranslator(QTranslator):
    """Translator that ignores the context: one English text has one meaning in this program.

    Texts that are not the program's own (names of keys, Qt's dialogs for files) are looked up in ``qt``.
    """

    def __init__(self, texts: dict[str, str], qt: QTranslator) -> None:
        super().__init__()
        self._texts, self._qt = texts, qt

    def isEmpty(self) -> bool:
        return not self._texts

    def translate(self, context: str, source: str, disambiguation: str | None = None, n: int = -1) -> str:
        own = self._texts.get(source)
        if own is not None:
            return own
        # an empty text would count as a translation
        return self._qt.translate(context, source, disambiguation, n) or source


def tr(text: str, **values: object) -> str:
    """The text in the user's language, with ``{name}`` replaced by ``values``."""
    translated = QCoreApplication.translate("Marginalia", text)
    return translated.format(**values) if values else translated


def texts_of(language: str) -> dict[str, str]:
    """English text to translated text; empty for English."""
    if language == "en":
        return {}
    path = FOLDER / f"{language}.json"
    try:
        texts: dict[str, str] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise BadFileError(message("{file} cannot be read; install the program again.", file=path.name)) from error
    return texts


def _of_qt(language: str) -> QTranslator:
    """Qt's own words; empty where it is installed without them."""
    words = QTranslator()
    words.load(f"qtbase_{language}", QLibraryInfo.path(QLibraryInfo.LibraryPath.TranslationsPath))
    return words


def install(application: QCoreApplication, language: str) -> str:
    """Speak ``language`` ("" or an unknown one: the system's, else English) from now on; which one it is."""
    if language not in languages():
        system = QLocale.system().name()[:2]
        language = system if system in languages() else "en"
    QLocale.setDefault(QLocale(language))
    texts = texts_of(language)
    for former in _installed:
        application.removeTranslator(former)
    _installed[:] = [JsonTranslator(texts, _of_qt(language))] if texts else []
    for translator in _installed:
        application.installTranslator(translator)
    return language
