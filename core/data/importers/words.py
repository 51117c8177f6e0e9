"""Words and codes that several public data sets share, turned into the program's vocabulary."""

from __future__ import annotations

import re
from collections.abc import Mapping

from core.data.importers.plan import Issue, Severity
from core.domain.messages import Sentence, message
from core.domain.vocabulary import BiradsCategory, BreastComposition, MarginType

ILL_DEFINED = MarginType.INDISTINCT
"""Ill-defined is the word of BI-RADS 3 for what BI-RADS 4 and 5 call indistinct."""
_CATEGORY = re.compile(r"(?:bi-?rads\s*)?([0-6]|4[abc])", re.IGNORECASE)
_DENSITY = re.compile(r"(?:density\s*)?([a-d1-4])(?:\.0)?", re.IGNORECASE)


class Notes:
    """Notes of an importer, collected in the order of the rows."""

    def __init__(self) -> None:
        self.issues: list[Issue] = []

    def note(self, where: str, sentence: Sentence) -> None:
        self._say(where, sentence, Severity.NOTE)

    def left_out(self, where: str, sentence: Sentence) -> None:
        self._say(where, sentence, Severity.LEFT_OUT)

    def wrong(self, where: str, sentence: Sentence) -> None:
        self._say(where, sentence, Severity.WRONG)

    def _say(self, where: str, sentence: Sentence, severity: Severity) -> None:
        self.issues.append(Issue(where=where, sentence=sentence, severity=severity))


def one_margin(words: list[str], known: Mapping[str, MarginType]) -> tuple[MarginType | None, str]:
    """Return the margin of a field that may contain several, and a note about it ("" if there is none).

    A mass with several margin words has no single class. Only a reader can decide which is the most suspicious, so
    its margin is left open.

    Raises: ValueError for an unknown word.
    """
    strange = [word for word in words if word not in known]
    if strange:
        raise ValueError(
            message(
                "{word!r} is not a known margin; use one of {known}.", word=strange[0][:40], known=", ".join(known)
            )
        )
    margins = list(dict.fromkeys(known[word] for word in words))
    if len(margins) > 1:
        return None, f"it has several margins ({', '.join(margins)}), so no margin was taken"
    return (margins[0] if margins else None), ""


def category(text: str) -> BiradsCategory | None:
    """Return the category of "4", "4a" or "BI-RADS 4"; None for anything else."""
    match = _CATEGORY.fullmatch(text.strip())
    return BiradsCategory(match[1].lower()) if match else None


def composition(text: str) -> BreastComposition | None:
    """Return the composition of "c", "3", "3.0" or "DENSITY C"; None for anything else."""
    match = _DENSITY.fullmatch(text.strip())
    if match is None:
        return None
    code = match[1].lower()
    return BreastComposition("abcd"[int(code) - 1] if code.isdigit() else code)
