"""Structured reports after TID 1500 (PS3.16): BI-RADS words in standard codes, regions, the model's findings.

One report an image. The reader is its verifying observer only if the caller states that they have agreed with all
of it. The model's findings are measurement groups of their own with the identification of the algorithm.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import highdicom as hd
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from core.domain.shapes import Shape
from core.domain.study import Labels
from core.domain.vocabulary import DISCLAIMER, MarginType
from core.exchange.dicom import coded
from core.exchange.dicom.lesion_report import LesionReport, ModelFinding, Verifier
from core.exchange.dicom.references import (
    MANUFACTURER,
    MODEL,
    SourceImage,
    finish,
    reference_dataset,
    software,
    written,
)
from core.exchange.dicom.regions import SpatialRegion, graphic_data, is_cut, region_of, regions_of

CUT = "Parts of it lie outside the image and are left out here; the study keeps them."
ONLY_MASK = "Parts of its fine annotation (strokes, erased areas) can only be stored in the Segmentation object."


def make_sr(
    source: SourceImage,
    lesions: tuple[LesionReport, ...],
    *,
    uids: tuple[str, str, str],
    verifier: Verifier | None = None,
) -> bytes:
    """The report as a file; ``uids``: of its series, of itself and of this program as observing device.

    ``verifier`` makes the report verified. ValueError without lesions and for one whose outline encloses nothing
    in the image.
    """
    if not lesions:
        raise ValueError("a report needs a lesion")
    reference = reference_dataset(source)
    device = hd.sr.ObserverContext(
        codes.DCM.Device,
        hd.sr.DeviceObserverIdentifyingAttributes(
            uid=uids[2], name="Marginalia", manufacturer_name=MANUFACTURER, model_name=MODEL
        ),
    )
    groups = [group for lesion in lesions for group in _groups(lesion, source)]
    report = hd.sr.MeasurementReport(
        observation_context=hd.sr.ObservationContext(observer_device_context=device),
        procedure_reported=coded.MAMMOGRAPHY,
        imaging_measurements=groups,
        title=codes.DCM.ImagingMeasurementReport,
    )
    root = report[0]
    for text in _comments(lesions, source):
        root.ContentSequence.append(
            hd.sr.TextContentItem(coded.COMMENT, text, hd.sr.RelationshipTypeValues.CONTAINS)
        )
    made = _document(
        root,
        evidence=[reference],
        series_instance_uid=uids[0],
        series_number=102,
        sop_instance_uid=uids[1],
        instance_number=1,
        manufacturer=MANUFACTURER,
        is_complete=True,
        is_final=verifier is not None,
        is_verified=verifier is not None,
        verifying_observer_name=None if verifier is None else _person(verifier.name),
        verifying_organization=None if verifier is None else verifier.organisation,
    )
    made.ManufacturerModelName, made.SoftwareVersions = MODEL, software()
    made.CodingSchemeIdentificationSequence = [_own_scheme()]
    finish(made, source)
    del made.ImageComments  # of images only; the report says it in its content
    return written(made)


def _document(root: Dataset, **options: Any) -> hd.sr.ComprehensiveSR:
    """Wrap the content tree in a document.

    highdicom copies the whole tree and searches it twice, which takes most of an export's time. Both serve checks
    that hold here by construction: the only image referred to is the evidence, and no region is three-dimensional.
    The document is therefore made of the root alone, and receives its content items afterwards.
    """
    items = root.ContentSequence
    root.ContentSequence = []
    made = hd.sr.ComprehensiveSR(content=root, **options)
    made.ContentSequence = items
    return made


def _person(name: str) -> str:
    return name if "^" in name else f"{name}^"


def _own_scheme() -> Dataset:
    item = Dataset()
    item.CodingSchemeDesignator, item.CodingSchemeName = coded.OWN, "Codes of Marginalia"
    item.CodingSchemeResponsibleOrganization = MANUFACTURER
    return item


def _comments(lesions: tuple[LesionReport, ...], source: SourceImage) -> Iterator[str]:
    yield DISCLAIMER
    if source.synthetic:
        yield "SYNTHETIC: this report belongs to a computer-made image of no patient."
    for lesion in lesions:
        if any(region_of(shape) is None for shape in lesion.fine):
            yield f"{lesion.tracking_id}: {ONLY_MASK}"
        if any(is_cut(shape, source.box) for shape in (lesion.outline, *lesion.fine)):
            yield f"{lesion.tracking_id}: {CUT}"
        if lesion.model is not None and not lesion.model.has_precedent:
            yield f"{lesion.tracking_id}: the model found no precedent for this lesion and makes no prediction."


def _groups(
    lesion: LesionReport, source: SourceImage
) -> Iterator[hd.sr.PlanarROIMeasurementsAndQualitativeEvaluations | hd.sr.MeasurementsAndQualitativeEvaluations]:
    outlines = regions_of(lesion.outline, source.box)
    if not outlines:
        raise ValueError(f"the outline of {lesion.tracking_id} encloses nothing in the image")
    cancer = lesion.labels.probability_of_malignancy
    yield _region_group(
        lesion,
        source,
        outlines[0],
        coded.OUTLINE,
        evaluations=[*_evaluations(lesion.labels), _origin(lesion.outline)],
        measurements=[] if cancer is None else [_measure(coded.CANCER, 100 * cancer, coded.PERCENT)],
    )
    if not any(shape.erases for shape in lesion.fine):
        for shape in lesion.fine:
            yield from _fine_group(lesion, source, shape)
    if lesion.model is not None:
        yield _model_group(lesion, lesion.model, source)


def _fine_group(
    lesion: LesionReport, source: SourceImage, shape: Shape
) -> Iterator[hd.sr.PlanarROIMeasurementsAndQualitativeEvaluations]:
    for region in regions_of(shape, source.box):
        pen = region.pen
        unit = coded.MILLIMETRE if pen is not None and pen.unit == "mm" else coded.PIXELS
        yield _region_group(
            lesion,
            source,
            region,
            coded.FINE_ROLES[region.role.value],
            measurements=[] if pen is None else [_measure(coded.PEN, pen.value, unit)],
            evaluations=[_origin(shape)],
        )


def _origin(shape: Shape) -> hd.sr.QualitativeEvaluation:
    return hd.sr.QualitativeEvaluation(coded.ORIGIN, coded.ORIGINS[shape.origin.value])


def _region_group(
    lesion: LesionReport,
    source: SourceImage,
    region: SpatialRegion,
    role: Code,
    *,
    measurements: list[hd.sr.Measurement],
    evaluations: list[hd.sr.QualitativeEvaluation] | None = None,
) -> hd.sr.PlanarROIMeasurementsAndQualitativeEvaluations:
    image = hd.sr.SourceImageForRegion(
        referenced_sop_class_uid=source.sop_class, referenced_sop_instance_uid=source.sop_uid
    )
    return hd.sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(uid=lesion.tracking_uid, identifier=lesion.tracking_id),
        referenced_region=hd.sr.ImageRegion(region.graphic, graphic_data(region), image),
        finding_type=coded.MASS,
        finding_sites=_sites(source),
        measurements=measurements or None,
        qualitative_evaluations=[hd.sr.QualitativeEvaluation(coded.REGION_ROLE, role), *(evaluations or [])],
    )


def _sites(source: SourceImage) -> list[hd.sr.FindingSite]:
    side = None if source.laterality is None else coded.SIDES[source.laterality]
    return [hd.sr.FindingSite(coded.BREAST, laterality=side)]


def _evaluations(labels: Labels) -> list[hd.sr.QualitativeEvaluation]:
    pairs = (
        (coded.MARGINS, None if labels.margin is None else coded.MARGIN_CODES[labels.margin]),
        (coded.SHAPE, None if labels.shape is None else coded.SHAPE_CODES[labels.shape]),
        (coded.DENSITY, None if labels.density is None else coded.DENSITY_CODES[labels.density]),
        (coded.CATEGORY, None if labels.category is None else coded.CATEGORY_CODES[labels.category]),
        (coded.PATHOLOGY, None if labels.pathology is None else coded.PATHOLOGY_CODES[labels.pathology]),
    )
    return [hd.sr.QualitativeEvaluation(name, value) for name, value in pairs if value is not None]


def _measure(name: Code, value: float, unit: Code) -> hd.sr.Measurement:
    # a decimal string has 16 characters
    return hd.sr.Measurement(name=name, value=float(f"{value:.9g}"), unit=unit)


def _model_group(
    lesion: LesionReport, found: ModelFinding, source: SourceImage
) -> hd.sr.MeasurementsAndQualitativeEvaluations:
    evaluations = [
        hd.sr.QualitativeEvaluation(
            coded.PRECEDENT, coded.HAS_PRECEDENT if found.has_precedent else coded.NO_PRECEDENT
        )
    ]
    measurements = []
    if found.has_precedent:
        if found.predicted in {margin.value for margin in MarginType}:
            code = coded.MARGIN_CODES[MarginType(found.predicted)]
            evaluations.append(hd.sr.QualitativeEvaluation(coded.MARGINS, code))
        for name, share in zip(found.class_names, found.probabilities, strict=True):
            measurements.append(_measure(_own(f"probability {name}", f"Probability of {name}"), share, coded.ONE))
        if found.malignancy is not None:
            measurements.append(_measure(coded.CANCER, 100 * found.malignancy, coded.PERCENT))
    for one in found.prototypes:
        title = f"of prototype {one.number} ({one.class_name})"
        measurements.append(
            _measure(_own(f"similarity {one.number}", f"Similarity {title}"), one.similarity, coded.ONE)
        )
        measurements.append(_measure(_own(f"weight {one.number}", f"Weight {title}"), one.weight, coded.ONE))
        measurements.append(
            _measure(_own(f"contribution {one.number}", f"Contribution {title}"), one.contribution, coded.ONE)
        )
    return hd.sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(uid=lesion.tracking_uid, identifier=lesion.tracking_id),
        finding_type=coded.MASS,
        finding_sites=_sites(source),
        algorithm_id=hd.sr.AlgorithmIdentification(
            name=f"Marginalia {found.method}",
            version=found.version,
            parameters=[f"run: {found.run}", DISCLAIMER],
        ),
        measurements=measurements or None,
        qualitative_evaluations=evaluations,
    )


def _own(value: str, meaning: str) -> Code:
    """A code of ours; the value has 16 characters at most in its short form, else it is a long one."""
    return Code(value, coded.OWN, meaning[:64])
