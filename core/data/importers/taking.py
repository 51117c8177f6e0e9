"""Decisions on a decoded file before its rows are made: its kind, its patient, its orientation."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from core.data.importers.headers import LeftOutError
from core.data.importers.pending import Writing, frames_of
from core.data.importers.plan import PlannedImage
from core.domain.messages import NOTHING, Sentence, joined, message
from core.domain.study import Image, Patient
from core.domain.turn import Turn
from core.imaging.decoded import DecodedImage
from core.imaging.display import is_inverted
from core.imaging.formats.dicom_kind import MAMMOGRAPHIC, Kind, sentence
from core.imaging.orientation import breast_in, decide
from core.store.arrays import Shown


def kind_note(decoded: DecodedImage, name: str, *, by_table: bool) -> Sentence:
    """Check that a file may be a mammogram; return a note about its kind ("" if there is none).

    A radiograph or secondary capture whose header does not mention a breast is left out too, unless a table names
    it.

    Raises: LeftOutError for another modality.
    """
    kind = Kind(modality=decoded.modality, breast=decoded.breast)
    if decoded.format != "DICOM" or kind.modality in ("", *MAMMOGRAPHIC):
        return NOTHING
    if not kind.mammogram and not (by_table and kind.uncertain):
        raise LeftOutError(joined([sentence(kind, name), message("It is left out.")]))
    why = message("its header names a breast") if kind.breast else message("the table names it")
    return message(
        "{name} has a Modality other than MG; it was imported as a mammogram because {why}.", name=name, why=why
    )


def patient_key(planned: PlannedImage, decoded: DecodedImage, sha256: str, name: str) -> tuple[str, Sentence]:
    """Return the identifier of the patient, and a note about it.

    Without an identifier, as in de-identified files, each file counts as a patient of its own. Then files of one
    patient are never recognised as related, but files of two patients are never merged.
    """
    if planned.patient or decoded.identity.patient_id:
        return planned.patient or decoded.identity.patient_id, NOTHING
    return f"image {sha256}", message(
        "{name} has no Patient ID and is treated as a separate patient; if that is wrong, give a table with "
        "patient_id, or a split may divide a patient.",
        name=name,
    )


def turned(decoded: DecodedImage, planned: PlannedImage) -> tuple[DecodedImage, Turn, Sentence]:
    """Return the image in display orientation, the applied turn, and a note about it."""
    if decoded.format != "DICOM":
        return decoded, Turn(), NOTHING
    side, view = planned.laterality or decoded.laterality, planned.view or decoded.view
    turn, said = decide(decoded, side, view, breast_in(decoded))
    return replace(decoded, pixels=turn.apply(decoded.pixels)) if turn.code else decoded, turn, said


def shown(decoded: DecodedImage) -> Shown:
    """Return the display data that are stored with the pixels."""
    tables = decoded.voi_luts if decoded.frame == 0 else ()
    return Shown(padding=decoded.padding, inverted=is_inverted(decoded.photometric), voi_luts=tables)


def contradictions(planned: PlannedImage, decoded: DecodedImage, image: Image) -> Iterator[Sentence]:
    """Return notes where table and header differ about side and view, and where both lack them."""
    for table, header, word in (
        (planned.laterality, decoded.laterality, message("side")),
        (planned.view, decoded.view, message("view")),
    ):
        if table is not None and header is not None and table != header:
            sentence = message(
                "The {word} of {file} is {table} in the table and {header} in its header.",
                word=word,
                file=planned.path.name,
                table=table,
                header=header,
            )
            yield joined([sentence, message("The value of the table was used.")])
    missing = [
        word
        for word, value in ((message("side"), image.laterality), (message("view"), image.view))
        if value is None
    ]
    if missing and decoded.format == "DICOM":
        what = missing[0] if len(missing) == 1 else message("side and its view")
        yield message(
            "{file}: neither the table nor the header gives its {what}.", file=planned.path.name, what=what
        )


def image_of(writing: Writing, patient: Patient, sha256: str) -> Image:
    """The row of an image whose pixels are stored."""
    planned, decoded = writing.planned, writing.decoded
    own_spacing = decoded.pixel_spacing_mm is not None
    return Image(
        id=writing.image_id,
        patient_id=patient.id,
        content_sha256=sha256,
        width=writing.size[0],
        height=writing.size[1],
        bits_stored=decoded.bits_stored,
        pixel_spacing_mm=decoded.pixel_spacing_mm if own_spacing else planned.spacing_mm,
        spacing_source=decoded.spacing_source if own_spacing else planned.spacing_source,
        laterality=planned.laterality or decoded.laterality,
        view=planned.view or decoded.view,
        composition=planned.composition,
        photometric=decoded.photometric,
        rescale_slope=decoded.rescale_slope,
        rescale_intercept=decoded.rescale_intercept,
        windows=decoded.windows,
        padding=decoded.padding,
        turn=writing.turn.code,
        tables=len(decoded.voi_luts),
        # of a date, only the year is not identifying
        acquired=None if decoded.acquired is None else decoded.acquired[:4],
        detector=decoded.detector,
        synthetic=decoded.synthetic,
        frames=frames_of(decoded),
    )
