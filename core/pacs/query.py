"""Queries to a PACS and their answers: foreign text made harmless, identifiers checked."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date

import msgspec

from core.domain.errors import PacsError
from core.domain.messages import message
from core.domain.vocabulary import Laterality, ViewPosition
from core.imaging.decoded import clean_text

MOST_STUDIES = 500
"""Answers that are listed; more than these nobody reads."""
_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
_LONGEST_TEXT = 64


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """Empty: not asked for. ``*`` and ``?`` stand for anything; a name needs only its beginning."""

    patient_id: str = ""
    patient_name: str = ""
    since: str = ""
    """Study Date from (YYYY-MM-DD), and ``until``, both included."""
    until: str = ""
    laterality: Laterality | None = None
    view: ViewPosition | None = None
    modality: str = "MG"
    """"" for any."""

    @property
    def asks_of_images(self) -> bool:
        return self.laterality is not None or self.view is not None

    @property
    def study_keys(self) -> dict[str, str]:
        """Matching keys at the study level (PS3.4, C.6.2.1.2), by keyword."""
        name = self.patient_name if not self.patient_name or set("*?") & set(self.patient_name) else ""
        if self.patient_name and not name:
            name = f"{self.patient_name}*"
        dates = f"{self.since.replace('-', '')}-{self.until.replace('-', '')}" if self.since or self.until else ""
        keys = {
            "PatientID": self.patient_id,
            "PatientName": name,
            "StudyDate": dates,
            "ModalitiesInStudy": self.modality,
        }
        return {key: value for key, value in keys.items() if value}


class FoundImage(msgspec.Struct, frozen=True, kw_only=True):
    study_uid: str
    series_uid: str
    sop_uid: str
    modality: str = ""
    laterality: Laterality | None = None
    view: ViewPosition | None = None


class FoundStudy(msgspec.Struct, frozen=True, kw_only=True):
    """One examination. It names a person: shown to the user who asked, never stored."""

    study_uid: str
    patient_id: str
    patient_name: str
    date: str
    """Date as YYYY-MM-DD, or in the form of the PACS."""
    description: str
    modalities: str
    objects: int | None
    """Number of Study Related Instances (0020,1208), if the PACS gives it."""
    matching: tuple[FoundImage, ...] = ()
    """Images with the requested side or view, if the query specified them."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    studies: tuple[FoundStudy, ...]
    left_out: int = 0
    """Answers whose identifiers are no UIDs; they cannot be retrieved."""
    more: bool = False
    """True if the PACS has more than are listed."""


def checked(query: Query) -> Query:
    """Return the query if it can be sent. Raises: PacsError, which describes the defect."""
    for text, what in ((query.patient_id, message("patient identifier")), (query.patient_name, message("name"))):
        if "\\" in text or not text.isprintable() or len(text) > _LONGEST_TEXT:
            raise PacsError(
                message(
                    "The {what} to search for has a backslash or a control character, or more than {limit} "
                    "characters.",
                    what=what,
                    limit=_LONGEST_TEXT,
                )
            )
    if query.modality and not re.fullmatch(r"[A-Z0-9_ ]{1,16}", query.modality):
        raise PacsError(message("{modality} is not a modality such as MG.", modality=clean_text(query.modality)))
    for day in (query.since, query.until):
        try:
            if day and date.fromisoformat(day).strftime("%Y-%m-%d") != day:
                raise ValueError(day)
        except ValueError as error:
            raise PacsError(
                message("{date} is not a date of the form YYYY-MM-DD.", date=clean_text(day))
            ) from error
    if query.since and query.until and query.since > query.until:
        raise PacsError(
            message("The dates from {since} to {until} hold no day.", since=query.since, until=query.until)
        )
    return query


def refuse_without_criteria(query: Query) -> None:
    """A search for everybody burdens a PACS and shows people whom nobody asked for."""
    if not (query.patient_id or query.patient_name or query.since or query.until):
        raise PacsError(message("Give a patient identifier, a name or a date to search for."))


def is_uid(text: str) -> bool:
    """Return True for a UID by PS3.5, 9.1, with leading zeros allowed, which real systems write."""
    return len(text) <= 64 and _UID.fullmatch(text) is not None


def matches(pattern: str, text: str) -> bool:
    """Wildcard matching (PS3.4, C.2.2.2.4), without regard to case."""
    wanted = re.escape(pattern.casefold()).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(wanted, text.casefold(), re.DOTALL) is not None


def study_from(values: dict[str, str]) -> FoundStudy | None:
    """One answer, by keyword; None where its Study Instance UID is none."""
    uid = values.get("StudyInstanceUID", "").strip()
    if not is_uid(uid):
        return None
    day = values.get("StudyDate", "")
    count = values.get("NumberOfStudyRelatedInstances", "").strip()
    return FoundStudy(
        study_uid=uid,
        patient_id=clean_text(values.get("PatientID", "")),
        patient_name=clean_text(values.get("PatientName", "")),
        date=f"{day[:4]}-{day[4:6]}-{day[6:]}" if re.fullmatch(r"[0-9]{8}", day) else clean_text(day),
        description=clean_text(values.get("StudyDescription", "")),
        modalities=clean_text(values.get("ModalitiesInStudy", "")),
        objects=int(count) if re.fullmatch(r"[0-9]{1,9}", count) else None,
    )


def image_from(values: dict[str, str], study_uid: str, series_uid: str, modality: str) -> FoundImage | None:
    """One answer at the image level; None where its SOP Instance UID is none."""
    uid = values.get("SOPInstanceUID", "").strip()
    series = series_uid or values.get("SeriesInstanceUID", "").strip()
    if not (is_uid(uid) and is_uid(series)):
        return None
    side = (values.get("ImageLaterality") or values.get("Laterality") or "").strip().upper()
    view = values.get("ViewPosition", "").strip().upper()
    return FoundImage(
        study_uid=study_uid,
        series_uid=series,
        sop_uid=uid,
        modality=clean_text(modality),
        laterality=Laterality(side) if side in ("L", "R") else None,
        view=None if not view else ViewPosition(view) if view in ("CC", "MLO") else ViewPosition.OTHER,
    )


def matching(images: Iterable[FoundImage], query: Query) -> tuple[FoundImage, ...]:
    """Return the images with the requested side and view; an image without them is not included."""
    return tuple(
        image
        for image in images
        if query.laterality in (None, image.laterality) and query.view in (None, image.view)
    )
