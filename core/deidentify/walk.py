"""The table applied to a data set: one pass over everything in it, without recursion.

Only in the child process (``core.deidentify.child``): a foreign data set is parsed here, level by level, down to a
depth of 32 and no further (safety.md, F12).
"""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from pydicom.datadict import dictionary_has_tag, keyword_for_tag
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag

from core.deidentify.allowed import clean_item, may_stay
from core.deidentify.options import Dates, Keyed, Options
from core.deidentify.profile import Action, AttributeRule, rule_of
from core.domain.messages import A_FILE, message
from core.imaging.decoded import Refusal, RefusedImageError
from core.imaging.formats.dicom_header import PARSER_ERRORS

DEEPEST = 32
_TIMES = {"DA", "DT", "TM"}
_BYTES = {"OB": 2, "OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8, "UN": 2}
_CHARACTERISTICS = {
    *("PatientSex", "PatientAge", "PatientSize", "PatientWeight", "EthnicGroup", "EthnicGroups", "SmokingStatus"),
    *("PregnancyStatus", "PatientSexNeutered"),
}
"""Rows with K under Retain Patient Characteristics."""
_NOT_SHIFTED = {"PatientBirthDate", "PatientBirthTime", "PatientDeathDateInAlternativeCalendar"}
"""Times that Retain Longitudinal Temporal Information leaves to the basic profile."""
_OLDEST = 89
_PIXEL_DATA = 0x7FE00010
_PIXELS = {0x7FE00001, 0x7FE00002, 0x7FE00008, 0x7FE00009, 0x7FE00010}
"""Pixel data and the tables of where their frames are."""


@dataclass(kw_only=True)
class Tally:
    """Record of the changes, in names of attributes and numbers, never in values."""

    removed: Counter[str] = field(default_factory=Counter)
    emptied: Counter[str] = field(default_factory=Counter)
    replaced: Counter[str] = field(default_factory=Counter)
    shifted: Counter[str] = field(default_factory=Counter)
    uids: int = 0
    private: int = 0
    unknown: int = 0
    """Attributes of even groups that the dictionary does not know, removed."""
    overlays: int = 0


def apply_profile(dataset: Dataset, options: Options) -> Tally:
    """De-identify ``dataset`` in place, with everything that is nested in it.

    RefusedImageError where it is nested deeper than 32 levels.
    """
    return _Walk(dataset, options).run(dataset)


class _Walk:
    def __init__(self, dataset: Dataset, options: Options) -> None:
        self._options, self._keyed, self.tally = options, Keyed(options.secret), Tally()
        patient = _text(dataset, "PatientID") or _text(dataset, "PatientName")
        self._pseudonym = self._keyed.pseudonym(patient)
        # dates of a file that this key has shifted already stay
        done = _text(dataset, "LongitudinalTemporalInformationModified") == "MODIFIED"
        self._days = 0 if done and self._keyed.made_pseudonym(patient) else self._keyed.days(patient)

    def run(self, dataset: Dataset) -> Tally:
        waiting: list[tuple[Dataset, int]] = [(dataset, 0)]
        while waiting:
            item, depth = waiting.pop()
            if depth > DEEPEST:
                raise RefusedImageError(
                    message(
                        "{file} nests its data more than {limit} levels deep and was refused.",
                        file=A_FILE,
                        limit=DEEPEST,
                    ),
                    Refusal.DAMAGED,
                )
            for tag in list(item.keys()):
                if tag in _PIXELS and (depth or tag != _PIXEL_DATA):
                    # of pictures in a picture nothing is cleaned; tables of frames do not fit the rewritten ones
                    del item[tag]
                else:
                    waiting.extend((nested, depth + 1) for nested in self._element(item, tag))
            self._clean(item)
        return self.tally

    def _clean(self, item: Dataset) -> None:
        try:
            clean_item(item)
        except PARSER_ERRORS:
            for word in ("CodeMeaning", "LUTData", "LUTDescriptor"):
                item.pop(word, None)

    def _element(self, item: Dataset, tag: BaseTag) -> list[Dataset]:
        """Treat one element; returns the nested data sets that stay and have to be looked at."""
        if tag in _PIXELS:
            return []
        if 0x6000 <= tag.group <= 0x60FF:
            # without its data an overlay is nothing, and its label and description are free text
            self.tally.overlays += 1
            del item[tag]
            return []
        rule = rule_of(tag)
        if rule is not None and rule.action is Action.REMOVE and not self._spared(tag):
            self._remove(item, tag, rule)
            return []
        if not dictionary_has_tag(tag):
            self.tally.unknown += 1
            del item[tag]
            return []
        try:
            element = item[tag]
            if rule is not None:
                return self._follow(item, element, rule)
            if element.VR != "SQ" and not self._may_stay(element):
                self.tally.removed[keyword_for_tag(tag)] += 1
                del item[tag]
                return []
            return _nested(element)
        except PARSER_ERRORS:
            # what cannot be read cannot be judged
            self.tally.removed[keyword_for_tag(tag)] += 1
            with contextlib.suppress(KeyError):
                del item[tag]
            return []

    def _remove(self, item: Dataset, tag: BaseTag, rule: AttributeRule) -> None:
        if tag.is_private:
            self.tally.private += 1
        else:
            self.tally.removed[rule.name] += 1
        del item[tag]

    def _may_stay(self, element: DataElement) -> bool:
        """Return True if an attribute that the table lacks stays: by the allow-list, or as a shifted date."""
        word = keyword_for_tag(element.tag)
        shifted = self._options.dates is Dates.SHIFTED and word not in _NOT_SHIFTED
        if shifted and element.VR in _TIMES and "AlternativeCalendar" not in word:
            return self._shift(element, word)
        return may_stay(element)

    def _spared(self, tag: BaseTag) -> bool:
        """Return True if an option exempts the attribute from the table's X."""
        word = keyword_for_tag(tag)
        if self._options.keep_characteristics and word in _CHARACTERISTICS:
            return True
        return self._options.dates is Dates.SHIFTED and _vr(tag) in ("DA", "DT") and word not in _NOT_SHIFTED

    def _follow(self, item: Dataset, element: DataElement, rule: AttributeRule) -> list[Dataset]:
        word = keyword_for_tag(element.tag)
        if self._options.keep_characteristics and word in _CHARACTERISTICS:
            if word == "PatientAge":
                element.value = _capped_age(str(element.value or ""))
            return _nested(element)
        if self._options.dates is Dates.SHIFTED and element.VR in _TIMES and word not in _NOT_SHIFTED:
            if self._shift(element, word):
                return []
            if rule.action is Action.REMOVE:
                self._remove(item, element.tag, rule)
                return []
        if word in ("PatientID", "PatientName"):
            element.value = self._pseudonym
            self.tally.replaced[rule.name] += 1
            return []
        if rule.action is Action.UID:
            return self._uids(element)
        if rule.action is Action.EMPTY:
            item[element.tag] = DataElement(element.tag, element.VR, [] if element.VR == "SQ" else "")
            self.tally.emptied[rule.name] += 1
        else:
            item[element.tag] = DataElement(element.tag, element.VR, self._dummy(element))
            self.tally.replaced[rule.name] += 1
        return []

    def _uids(self, element: DataElement) -> list[Dataset]:
        if element.VR == "SQ":
            return _nested(element)  # a reference stays, and the UIDs in it are replaced when they are met
        values = _values(element)
        element.value = (
            [self._keyed.uid(str(value)) for value in values]
            if len(values) != 1
            else (self._keyed.uid(str(values[0])))
        )
        self.tally.uids += len(values)
        return []

    def _dummy(self, element: DataElement) -> Any:
        """Return a value without information, of the element's own kind."""
        match element.VR:
            case "DA":
                return "19000101"
            case "DT":
                return "19000101000000"
            case "TM":
                return "000000"
            case "SQ":
                return Sequence([Dataset()])
            case "UI":
                return self._keyed.uid(str(element.value or "none"))
            case "AS":
                return "000Y"
            case "UR":
                return "urn:deidentified"
            case "DS" | "IS":
                return "0"
            case "FD" | "FL" | "SS" | "US" | "SL" | "UL" | "SV" | "UV" | "AT":
                return 0
            case vr if vr in _BYTES:
                return b"\0" * _BYTES[vr]
            case _:
                return "DEIDENTIFIED"

    def _shift(self, element: DataElement, word: str) -> bool:
        """Move dates by whole days; the time of day then may stay. False where a value is no date."""
        if element.VR == "TM":
            return True
        moved = [_moved(str(value), self._days) for value in _values(element)]
        if any(value is None for value in moved):
            return False
        element.value = moved if len(moved) != 1 else moved[0]
        self.tally.shifted[word] += 1
        return True


def _moved(value: str, days: int) -> str | None:
    """A DA or DT value ``days`` earlier; one that names a year or month only has no day to move."""
    if not value:
        return ""
    try:
        day = date(int(value[:4]), int(value[4:6]), int(value[6:8])) - timedelta(days=days)
    except (ValueError, OverflowError):
        return None
    return f"{day:%Y%m%d}{value[8:]}" if day.year >= 1000 else None


def _capped_age(age: str) -> str:
    """(0010,1010): over 89 years is 90."""
    if age[:3].isdecimal() and age[3:] == "Y":
        return age if int(age[:3]) <= _OLDEST else f"0{_OLDEST + 1}Y"
    return age if age[:3].isdecimal() and age[3:] in ("D", "W", "M") else ""


def _nested(element: DataElement) -> list[Dataset]:
    return list(element.value or []) if element.VR == "SQ" else []


def _values(element: DataElement) -> list[Any]:
    value = element.value
    if value is None or value == "":
        return []
    return list(value) if element.VM > 1 else [value]


def _vr(tag: BaseTag) -> str:
    from pydicom.datadict import dictionary_VR

    return dictionary_VR(tag) if dictionary_has_tag(tag) else "UN"


def _text(dataset: Dataset, keyword: str) -> str:
    try:
        return str(dataset.get(keyword) or "")
    except PARSER_ERRORS:
        return ""
