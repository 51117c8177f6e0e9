"""Masks as DICOM Segmentation objects (PS3.3 A.51, binary).

One object an image, with the image's own geometry; for each lesion a segment of its outline and, where there is
one, of its fine annotation. Segments may overlap.
"""

from __future__ import annotations

from dataclasses import dataclass

import highdicom as hd
import numpy as np
from numpy.typing import NDArray
from pydicom.sr.codedict import codes

from core.exchange.dicom.references import (
    SourceImage,
    finish,
    identified,
    reference_dataset,
    written,
)

LESION, FINE = "lesion", "fine"
_MASS = codes.cid6054.MammographicBreastMass
_CATEGORY = codes.cid7150.MorphologicallyAbnormalStructure
_MARGIN = hd.sr.CodedConcept("111037", "DCM", "Margins")
_COLOURS = {LESION: (70.0, 20.0, 50.0), FINE: (65.0, 60.0, -30.0)}
"""CIELab, for viewers."""


@dataclass(frozen=True, kw_only=True, eq=False)
class MaskOfLesion:
    """One segment."""

    tracking_id: str
    """Name of the lesion in this export."""
    tracking_uid: str
    kind: str
    """``lesion`` or ``fine``."""
    mask: NDArray[np.uint8]
    """(rows, columns) of the image, 1 where marked."""


def make_seg(source: SourceImage, masks: tuple[MaskOfLesion, ...], *, uids: tuple[str, str]) -> bytes:
    """The object as a file; ``uids``: of its series and of itself. ValueError without any mask."""
    if not masks:
        raise ValueError("a segmentation needs a mask")
    reference = reference_dataset(source)
    stack = np.stack([one.mask for one in masks], axis=-1)[None].astype(bool)
    made = hd.seg.Segmentation(
        source_images=[reference],
        pixel_array=stack,
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[_description(k + 1, one) for k, one in enumerate(masks)],
        omit_empty_frames=False,
        pixel_measures=_measures(source),
        **identified(uids, series_number=101),
    )
    made.PatientOrientation = list(source.patient_orientation)
    finish(made, source)
    return written(made)


def _measures(source: SourceImage) -> hd.PixelMeasuresSequence | None:
    if source.spacing_mm is None:
        return None
    # a projection has no thickness; the attribute is required and a nominal value is given
    return hd.PixelMeasuresSequence(pixel_spacing=(source.spacing_mm,) * 2, slice_thickness=1.0)


def _description(number: int, one: MaskOfLesion) -> hd.seg.SegmentDescription:
    fine = one.kind == FINE
    return hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=f"{one.tracking_id} {'fine annotation' if fine else 'outline'}"[:64],
        segmented_property_category=_CATEGORY,
        segmented_property_type=_MARGIN if fine else _MASS,
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.MANUAL,
        tracking_uid=one.tracking_uid,
        tracking_id=one.tracking_id[:64],
        anatomic_regions=[codes.SCT.Breast],
        display_color=hd.color.CIELabColor(*_COLOURS[one.kind]),
    )
