"""Comparison of patient identities in the image headers of an import with those in the tables."""

from __future__ import annotations

import re
from collections.abc import Callable

from core.data.importers.plan import Severity
from core.domain.messages import Sentence, message
from core.imaging.decoded import Identity

_UID = re.compile(r"(0|[1-9]\d*)(\.(0|[1-9]\d*))+")
_LONGEST_UID = 64
Say = Callable[[str, Sentence, Severity], None]


class LeftOutError(Exception):
    """Error for an image or lesion that cannot be imported, with a sentence that gives the reason."""

    def __init__(self, sentence: Sentence, severity: Severity = Severity.LEFT_OUT) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.severity = severity


class Headers:
    """Check that the headers agree with the identifiers about patient identity."""

    def __init__(self) -> None:
        self._person: dict[str, dict[str, tuple[str, str]]] = {}
        self._key_of_id: dict[str, tuple[str, str]] = {}
        self._invalid_uids = 0

    def check(self, key: str, name: str, identity: Identity, say: Say) -> None:
        """LeftOutError where birth date or sex contradict an earlier image of the same identifier."""
        known = self._person.setdefault(key, {})
        for word, value in (
            (message("birth date"), birth_date(identity.birth_date)),
            (message("sex"), sex(identity.sex)),
        ):
            if not value:
                continue
            first, where = known.setdefault(word, (value, name))
            if first != value:
                raise LeftOutError(
                    message(
                        "{name} is left out: it has the patient identifier of {where} but a different {word}; "
                        "give two "
                        "different patients different identifiers in the table.",
                        name=name,
                        where=where,
                        word=word,
                    ),
                    Severity.WRONG,
                )
        if identity.patient_id:
            other, where = self._key_of_id.setdefault(identity.patient_id, (key, name))
            if other != key:
                sentence = message(
                    "{name} and {where} have one patient identifier in their headers and two in the table.",
                    name=name,
                    where=where,
                )
                say(name, sentence, Severity.NOTE)
        if not uids_valid(identity):
            self._invalid_uids += 1

    def conclude(self, say: Say) -> None:
        """Report the notes that concern the whole import."""
        if self._invalid_uids:
            say(
                "",
                message(
                    "1 file has UIDs that are not valid in DICOM (VinDr-Mammo has digests in their place); they "
                    "are dropped, and no result can refer to them."
                )
                if self._invalid_uids == 1
                else message(
                    "{count} files have UIDs that are not valid in DICOM (VinDr-Mammo has digests in their "
                    "place); they are dropped, and no result can refer to them.",
                    count=self._invalid_uids,
                ),
                Severity.NOTE,
            )


def birth_date(text: str) -> str:
    """Return a date as YYYYMMDD, from the form of DICOM, of ACR-NEMA (``1960.01.01``) or with dashes.

    Return "" for a text that is no date, such as 00000000 or a year alone: it cannot distinguish two people.
    """
    match = re.fullmatch(r"([12]\d{3})([.\-/ ]?)(\d{2})\2(\d{2})", text.strip())
    if match is None or not (1 <= int(match[3]) <= 12 and 1 <= int(match[4]) <= 31):
        return ""
    return match[1] + match[3] + match[4]


def sex(text: str) -> str:
    """Return M or F for a code or a word; "" for a text that cannot distinguish two people."""
    letter = text.strip().upper()[:1]
    return {"M": "M", "F": "F", "W": "F"}.get(letter, "")


def uids_valid(identity: Identity) -> bool:
    """Return True if the UIDs present are valid by PS3.5, 9.1: numbers joined by dots, at most 64 characters."""
    uids = (identity.study_uid, identity.series_uid, identity.sop_uid)
    return all(len(uid) <= _LONGEST_UID and _UID.fullmatch(uid) for uid in uids if uid)
