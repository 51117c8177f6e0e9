"""Regions as graphics of a Grayscale Softcopy Presentation State (PS3.3 A.33.1), for viewers.

A viewer draws them over the image without touching it. The width of the pen (in pixels of the image) stands in the
Line Style Sequence. Erased areas have no graphic and are left to the Segmentation object.
"""

from __future__ import annotations

import highdicom as hd
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from core.domain.geometry import Box
from core.domain.shapes import Length, Line, Shape, Stroke
from core.exchange.dicom.lesion_report import LesionReport
from core.exchange.dicom.read_gsps import FINE, OUTLINES
from core.exchange.dicom.references import (
    SourceImage,
    finish,
    identified,
    reference_dataset,
    written,
)
from core.exchange.dicom.regions import SpatialRegion, graphic_data, regions_of


def make_gsps(source: SourceImage, lesions: tuple[LesionReport, ...], *, uids: tuple[str, str]) -> bytes:
    """The presentation state as a file; ``uids``: of its series and of itself. ValueError without lesions."""
    if not lesions:
        raise ValueError("a presentation state needs a lesion")
    reference = reference_dataset(source)
    layers = [
        hd.pr.GraphicLayer(OUTLINES, 1, description="Outlines of lesions"),
        hd.pr.GraphicLayer(FINE, 2, description="Fine annotations"),
    ]
    drawn: list[list[tuple[hd.pr.GraphicObject, Length | None]]] = [[], []]
    for lesion in lesions:
        for layer, shapes in enumerate(((lesion.outline,), lesion.fine)):
            for shape in shapes:
                for region in _regions(shape, source.box):
                    drawn[layer].append((_object(region, lesion), region.pen))
    annotations = []
    for graphic_layer, objects in zip(layers, drawn, strict=True):
        if objects:
            graphics = [one for one, _ in objects]
            annotations.append(
                hd.pr.GraphicAnnotation([reference], graphic_layer=graphic_layer, graphic_objects=graphics)
            )
    made = hd.pr.GrayscaleSoftcopyPresentationState(
        referenced_images=[reference],
        graphic_annotations=annotations,
        graphic_layers=layers,
        **identified(uids, series_number=103),
    )
    _add_pens(made, [pen for objects in drawn for _, pen in objects], source)
    finish(made, source)
    made.Laterality = "" if source.laterality is None else source.laterality.value
    del made.ImageComments
    return written(made)


def _regions(shape: Shape, box: Box) -> tuple[SpatialRegion, ...]:
    """Return the regions like those of a report; a stroke of changing width is drawn with its mean width."""
    if isinstance(shape, Stroke) and len(shape.points) > 1 and not shape.erases:
        mean = Length(value=sum(shape.widths) / len(shape.widths), unit=shape.unit)
        return regions_of(Line(points=shape.points, width=mean, role=shape.role), box)
    return regions_of(shape, box)


def _object(region: SpatialRegion, lesion: LesionReport) -> hd.pr.GraphicObject:
    return hd.pr.GraphicObject(
        graphic_type=region.graphic,
        graphic_data=graphic_data(region),
        units=hd.pr.AnnotationUnitsValues.PIXEL,
        is_filled=False,
        tracking_id=f"{lesion.tracking_id} {region.role.value}",
        tracking_uid=lesion.tracking_uid,
    )


def _add_pens(made: Dataset, pens: list[Length | None], source: SourceImage) -> None:
    """Line Style Sequence (0070,0232) of the open lines, in the order in which they were added."""
    objects = [
        graphic
        for annotation in made.get("GraphicAnnotationSequence", [])
        for graphic in annotation.GraphicObjectSequence
    ]
    for graphic, pen in zip(objects, pens, strict=True):
        if pen is None:
            continue
        style = Dataset()
        style.PatternOnColorCIELabValue = [42_000, 48_000, 24_000]
        style.PatternOnOpacity, style.LineThickness = 1.0, pen.in_pixels(source.spacing_mm)
        style.LineDashingStyle, style.ShadowStyle = "SOLID", "OFF"
        style.ShadowOffsetX = style.ShadowOffsetY = 0.0
        style.ShadowColorCIELabValue, style.ShadowOpacity = [0, 32_896, 32_896], 0.0
        graphic.LineStyleSequence = Sequence([style])
