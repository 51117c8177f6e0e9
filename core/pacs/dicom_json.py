"""Answers to a search in the DICOM JSON model (PS3.18, annex F): first values, by keyword."""

from __future__ import annotations

from typing import Any

import pydicom

_PERSON_NAME_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")


def rows(answers: Any) -> list[dict[str, str]]:
    """The first values of each answer; ValueError where it is no list of data sets."""
    if isinstance(answers, dict):  # of some servers where there is one
        answers = [answers]
    if not isinstance(answers, list) or not all(isinstance(answer, dict) for answer in answers):
        raise ValueError("not a list of datasets")
    return [
        {
            keyword: text
            for tag, element in answer.items()
            if (keyword := _keyword(tag)) and (text := _text(element))
        }
        for answer in answers
    ]


def _keyword(tag: Any) -> str:
    try:
        return str(pydicom.datadict.keyword_for_tag(int(tag, 16)))
    except (TypeError, ValueError, OverflowError):  # the last: a tag of more than 32 bits
        return ""


def _text(element: Any) -> str:
    values = element.get("Value") if isinstance(element, dict) else None
    if not isinstance(values, list):
        return ""
    return " ".join(_one_text(value) for value in values[:16] if value is not None)


def _one_text(value: Any) -> str:
    if isinstance(value, dict):
        groups = (value.get(group) for group in _PERSON_NAME_GROUPS)
        return " ".join(group for group in groups if isinstance(group, str) and group)
    return str(value) if isinstance(value, (str, int, float)) else ""
