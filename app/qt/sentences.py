"""Sentences of the engine in the user's language.

The engine writes only English, also in its child processes, in logs and on the command line. Its sentences are
values (``core.domain.messages``): here the translation of the id is looked up, and the arguments are put in.
"""

from __future__ import annotations

from string import Formatter
from typing import Any

from PySide6.QtCore import QLocale

from app.qt.formatting import VOCABULARY
from app.qt.translation import tr
from core.domain.errors import MarginaliaError
from core.domain.messages import Sentence


def translate_message(what: Sentence | MarginaliaError) -> str:
    """An error, or a sentence of the engine, as the user reads it."""
    sentence = what.sentence if isinstance(what, MarginaliaError) else what
    return _LocalFormatter().vformat(tr(sentence.id), (), sentence.args)


class _LocalFormatter(Formatter):
    """Writes numbers with the user's decimal mark, and translates sentences and words of the vocabulary."""

    def convert_field(self, value: Any, conversion: Any) -> Any:
        return super().convert_field(_translated(value), conversion)

    def format_field(self, value: Any, format_spec: str) -> str:
        text: str = super().format_field(value, format_spec)
        if not isinstance(value, int | float):
            return text
        locale = QLocale()
        return text.translate({ord(","): locale.groupSeparator(), ord("."): locale.decimalPoint()})


def _translated(value: object) -> object:
    if isinstance(value, Sentence):
        return translate_message(value)
    return tr(value) if isinstance(value, str) and value in VOCABULARY else value
