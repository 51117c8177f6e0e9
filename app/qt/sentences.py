"""Sentences of the engine in the user's language.

The engine writes only English, also in its child processes, in logs and on the command line. Its sentences are
recognised here by their form. ``resources/translations/de.sentences.json`` holds the English sentence with ``{}``
for each name or number. The translation has ``{}`` in the same order, or ``{0}``, ``{1}`` in another. A sentence
that is not in the table stays English.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from PySide6.QtCore import QLocale

from app.qt.formatting import VOCABULARY
from app.qt.translation import tr
from core.domain.errors import BadFileError

_END = re.compile(r"[.] ")
_LONGEST = 2000
"""Characters: a sentence is shorter, and what is longer is no reason to search long."""
FOLDER = Path(__file__).resolve().parents[2] / "resources" / "translations"


def translate_message(what: object) -> str:
    """An error, or a sentence of the engine, as the user reads it."""
    text = str(what)
    forms = _forms(QLocale().name()[:2])
    if not forms or len(text) > _LONGEST:
        return text
    whole = _recognised(text, forms)
    if whole is not None:
        return whole
    for end in reversed([found.end() for found in _END.finditer(text)]):
        begin = _recognised(text[:end].rstrip(), forms)
        if begin is not None:
            return f"{begin} {translate_message(text[end:])}"
    return text


def _recognised(text: str, forms: Sequence[tuple[re.Pattern[str], str]]) -> str | None:
    for pattern, translated in forms:
        found = pattern.fullmatch(text)
        if found is not None:
            return translated.format(*(_quoted(part) for part in found.groups()))
    return None


def _quoted(part: str) -> str:
    """Another sentence, such as why a file cannot be used, a word of the vocabulary, or a name."""
    return tr(part) if part in VOCABULARY else translate_message(part)


def sentences_of(language: str) -> dict[str, str]:
    """English form to translated form; empty for a language that has none."""
    path = FOLDER / f"{language}.sentences.json"
    if not path.is_file():
        return {}
    try:
        forms: dict[str, str] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise BadFileError(f"{path.name} cannot be read; install the program again.") from error
    return forms


@cache
def _forms(language: str) -> tuple[tuple[re.Pattern[str], str], ...]:
    """The form with most words of its own first: another one may fit the same sentence by chance."""
    forms = sorted(sentences_of(language).items(), key=lambda form: -len(form[0].replace("{}", "")))
    return tuple(
        (re.compile("(.+?)".join(re.escape(part) for part in form.split("{}")), re.DOTALL), translated)
        for form, translated in forms
    )
