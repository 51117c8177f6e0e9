"""The references of DICOM results: the image that a lesion was drawn in, and its patient.

With the identity file these are the original identifiers, so that an archive files the result beside its image.
Without it they are pseudonyms and UIDs made from the study's own identifiers, the same at every export.
"""

from __future__ import annotations

import re
from io import BytesIO
from typing import TYPE_CHECKING, Any

import msgspec
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from core.deidentify.options import Keyed
from core.domain.errors import StudyError
from core.domain.geometry import Box
from core.domain.messages import message
from core.domain.study import Image, Patient
from core.domain.vocabulary import DISCLAIMER, Laterality, ViewPosition
from core.imaging.write_dicom import MG_FOR_PRESENTATION
from core.platform.version import code_version
from core.store.study import Study

if TYPE_CHECKING:
    from core.store.identity import IdentityFile

MANUFACTURER, MODEL = "Marginalia", "Marginalia (research software)"
_DATE = re.compile(r"[12]\d{3}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
_TIME = re.compile(r"(?:[01]\d|2[0-3])(?:[0-5]\d(?:[0-5]\d(?:\.\d{1,6})?)?)?")
_SEX = re.compile("[MFO]")
PURPOSE = "exports"
"""The purpose of the study's secret that UIDs of exports are made with."""


class SourceImage(msgspec.Struct, frozen=True, kw_only=True):
    """An image as results refer to it."""

    image_id: str
    patient_id: str
    patient_name: str = ""
    birth_date: str = ""
    sex: str = ""
    study_uid: str
    series_uid: str
    sop_uid: str
    sop_class: str = MG_FOR_PRESENTATION
    accession: str = ""
    study_id: str = ""
    study_date: str = ""
    study_time: str = ""
    patient_orientation: tuple[str, ...] = ()
    """The value of the image; empty if it is not known (Patient Orientation is of type 2)."""
    rows: int
    columns: int
    spacing_mm: float | None = None
    laterality: Laterality | None = None
    view: ViewPosition | None = None
    original: bool
    """True if these are the archive's own identifiers."""
    synthetic: bool = False

    @property
    def box(self) -> Box:
        """Return the box that coordinates may lie in (PS3.3, C.10.5.1.2 and C.18.6.1.2)."""
        return Box(x0=0, y0=0, x1=self.columns, y1=self.rows)

    def __repr__(self) -> str:
        return f"SourceImage({self.image_id})"


class Naming:
    """UIDs of what an export makes: the same objects get the same ones, whoever exports the study and when."""

    def __init__(self, study: Study) -> None:
        secret = study.links.secret(PURPOSE)
        if secret is None:
            raise StudyError(
                message(
                    "This study keeps no links, so its exports cannot be given stable UIDs; export COCO, PNG or "
                    "NIfTI."
                )
            )
        self._keyed = Keyed(secret)

    def uid(self, *names: str) -> str:
        return self._keyed.uid(" ".join(names))


def source_image(
    image: Image, patient: Patient, naming: Naming, identity: IdentityFile | None = None
) -> SourceImage:
    """The image under its original identifiers, or without ``identity`` under the study's own.

    StudyError where the identity file holds no UIDs of this image.
    """
    shape: dict[str, Any] = {
        "image_id": image.id,
        "rows": image.height,
        "columns": image.width,
        "spacing_mm": image.pixel_spacing_mm,
        "laterality": image.laterality,
        "view": image.view,
        "synthetic": image.synthetic,
    }
    if identity is None:
        return SourceImage(
            patient_id=patient.pseudonym,
            patient_name=patient.pseudonym,
            study_uid=naming.uid("study of patient", patient.id),
            series_uid=naming.uid("series of patient", patient.id),
            sop_uid=naming.uid("image", image.id),
            original=False,
            **shape,
        )
    link = identity.uids_of(image.id)
    if link is None or not (link.study_uid and link.series_uid):
        raise StudyError(
            message(
                "The identity file holds no original UIDs of image {image}, so its results cannot go back to "
                "an archive; export without identifiers, or import the original DICOM file again.",
                image=image.id[:8],
            )
        )
    person = identity.patient_of(patient.pseudonym)
    return SourceImage(
        patient_id=link.patient_id or (person.identifier if person is not None else ""),
        patient_name=link.patient_name,
        birth_date=_valid(link.birth_date, _DATE),
        sex=_valid(link.sex, _SEX),
        study_uid=link.study_uid,
        series_uid=link.series_uid,
        sop_uid=link.sop_uid,
        sop_class=link.sop_class or MG_FOR_PRESENTATION,
        accession=link.accession,
        study_id=link.study_id,
        study_date=_valid(link.study_date, _DATE),
        study_time=_valid(link.study_time, _TIME),
        patient_orientation=link.patient_orientation,
        original=True,
        **shape,
    )


def _valid(value: str, pattern: re.Pattern[str]) -> str:
    """The value where it is one; originals hold what equipment wrote, such as a birth date of 00000000."""
    return value if pattern.fullmatch(value) else ""


def reference_dataset(source: SourceImage) -> Dataset:
    """The image's header as far as a result repeats or refers to it; it has no pixels."""
    found = Dataset()
    found.SOPClassUID, found.SOPInstanceUID = UID(source.sop_class), UID(source.sop_uid)
    found.StudyInstanceUID, found.SeriesInstanceUID = UID(source.study_uid), UID(source.series_uid)
    # the name is put back by ``finish``: the library that is given this data set warns of names without "^"
    found.PatientID, found.PatientName = source.patient_id, "^"
    found.PatientBirthDate, found.PatientSex = source.birth_date, source.sex
    found.AccessionNumber, found.StudyID = source.accession, source.study_id
    found.StudyDate, found.StudyTime = source.study_date, source.study_time
    found.ReferringPhysicianName = ""
    found.Modality, found.SeriesNumber, found.InstanceNumber = "MG", 1, 1
    found.Rows, found.Columns = source.rows, source.columns
    found.SamplesPerPixel, found.PhotometricInterpretation = 1, "MONOCHROME2"
    found.BitsAllocated, found.BitsStored, found.HighBit, found.PixelRepresentation = 16, 16, 15, 0
    found.PatientOrientation = list(source.patient_orientation)
    if source.laterality is not None:
        found.ImageLaterality = source.laterality.value
    found.file_meta = FileMetaDataset()
    found.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return found


def identified(uids: tuple[str, str], *, series_number: int) -> dict[str, Any]:
    """Return the identifying attributes of every object with graphics or masks.

    ``uids``: of its series and of itself.
    """
    return {
        "series_instance_uid": uids[0],
        "series_number": series_number,
        "sop_instance_uid": uids[1],
        "instance_number": 1,
        "manufacturer": MANUFACTURER,
        "manufacturer_model_name": MODEL,
        "software_versions": software(),
        "device_serial_number": "0",
        "content_label": "MARGINS",
        "content_description": "Lesions and fine annotations",
    }


def finish(made: Dataset, source: SourceImage) -> None:
    """Adds what every result has: the patient's name, whether it is a pseudonym, and what the result is not for.

    The character set is UTF-8 whatever the image's was: names and identifiers keep every character.
    """
    made.SpecificCharacterSet = "ISO_IR 192"
    made.PatientName = source.patient_name
    made.SeriesDescription = "Margins of masses (research, not for clinical use)"
    if not source.original:
        made.PatientIdentityRemoved = "YES"
        made.DeidentificationMethod = "Marginalia: made from an allow-list with pseudonyms"
    synthetic = "SYNTHETIC: it belongs to a computer-made image of no patient. " if source.synthetic else ""
    made.ImageComments = synthetic + DISCLAIMER


def written(made: Dataset) -> bytes:
    """A data set as the bytes of a file."""
    buffer = BytesIO()
    made.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def software() -> str:
    """(0018,1020): what made the object."""
    return f"Marginalia {code_version()}"[:64]
