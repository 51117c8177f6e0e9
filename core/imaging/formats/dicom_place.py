"""Geometry of a mammogram: side, view, direction of rows and columns, and size of a pixel."""

from __future__ import annotations

import re

from core.domain.messages import Sentence, message
from core.domain.vocabulary import Laterality, ViewPosition
from core.imaging.formats.dicom_header import Attributes

_VIEW_CODES = {
    # SNOMED RT and CT identifiers of context group CID 4014
    "R-10242": ViewPosition.CC,
    "399162004": ViewPosition.CC,
    "R-10226": ViewPosition.MLO,
    "399368009": ViewPosition.MLO,
}
_SIDE_CODES = {
    # CID 244, in SNOMED RT, older SNOMED RT and CT
    **dict.fromkeys(("G-A101", "7771000"), Laterality.LEFT),
    **dict.fromkeys(("G-A100", "24028007"), Laterality.RIGHT),
}
_SIDES = {
    **dict.fromkeys(("L", "LT", "LEFT", "LI", "LINKS", "GAUCHE", "SINISTRA"), Laterality.LEFT),
    **dict.fromkeys(("IZQUIERDA", "IZQUIERDO", "ESQUERDA", "ESQUERDO"), Laterality.LEFT),
    **dict.fromkeys(("R", "RT", "RIGHT", "RE", "RECHTS", "DROIT", "DROITE", "DESTRA"), Laterality.RIGHT),
    **dict.fromkeys(("DERECHA", "DERECHO", "DIREITA", "DIREITO"), Laterality.RIGHT),
}
_LONG_VIEWS = (
    (re.compile(r"MEDIO[\s-]*LATERAL[\s-]*OBLIQUE"), "MLO"),
    (re.compile(r"LATERO[\s-]*MEDIAL[\s-]*OBLIQUE"), "LMO"),
    (re.compile(r"EXAGGERATED[\s-]*CRANIO[\s-]*CAUDAL"), "XCCL"),
    (re.compile(r"CRANIO[\s-]*CAUDAL"), "CC"),
)
_WORD = re.compile(
    r"(?P<before>L|R|LEFT|RIGHT)??(?P<view>CC|MLO|ML|LM|LMO|XCCL|XCCM|XCC|FB|SIO)"
    r"(?P<change>ID|M|S|MAG|SPOT|TAN|RL|RM|RI|RS|NP)*(?P<after>L|R)?"
)
"""View and modifiers of context groups CID 4014 and 4015 in one word, such as RMLO, LCCID or CCL."""
_DESCRIPTIONS = ("SeriesDescription", "ProtocolName", "AcquisitionDeviceProcessingDescription")


def side_and_view(text: str) -> tuple[Laterality | None, ViewPosition | None]:
    """Return side and view from a word or a description: ``LMLO``, ``R CC``, ``MLO-L``, ``Left cranio-caudal``.

    OTHER = a view that is neither CC nor MLO; None = no value, or two different ones.
    """
    upper = text.upper()
    for pattern, short in _LONG_VIEWS:
        upper = pattern.sub(f" {short} ", upper)
    sides, views = set(), set()
    for word in re.findall(r"[A-Z]+", upper):
        if word in _SIDES:
            sides.add(_SIDES[word])
        elif match := _WORD.fullmatch(word):
            sides |= {_SIDES[match[name]] for name in ("before", "after") if match[name]}
            views.add(_view(match["view"]))
    return (
        sides.pop() if len(sides) == 1 else None,
        views.pop() if len(views) == 1 else None,
    )


def _view(word: str) -> ViewPosition:
    return ViewPosition(word) if word in ("CC", "MLO") else ViewPosition.OTHER


def laterality(tags: Attributes, notes: list[Sentence]) -> Laterality | None:
    """Image Laterality, Frame Laterality or Laterality, else the region's code, View Position or a description."""
    found = None
    for keyword in ("ImageLaterality", "Laterality"):
        found = found or _SIDES.get(tags.text(keyword).upper())
    spelt = side_and_view(tags.text("ViewPosition"))[0]
    if found is not None:
        if spelt not in (None, found):
            notes.append(
                message(
                    "its View Position names another side than its Laterality ({found}), which was followed",
                    found=found,
                )
            )
        return found
    region = tags.item("AnatomicRegionSequence", 0)
    for item in region.items("AnatomicRegionModifierSequence") if region is not None else []:
        found = found or _SIDE_CODES.get(item.text("CodeValue"))
    if found or spelt:
        return found or spelt
    for keyword in _DESCRIPTIONS:
        if (side := side_and_view(tags.text(keyword))[0]) is not None:
            notes.append(message("its side was taken from its {keyword}", keyword=_words(keyword)))
            return side
    return None


def view(tags: Attributes, notes: list[Sentence]) -> ViewPosition | None:
    """View Position (0018,5101), else View Code Sequence (0054,0220), else a description."""
    position = tags.text("ViewPosition")
    if (spelt := side_and_view(position)[1]) is not None:
        return spelt
    for item in tags.items("ViewCodeSequence"):
        coded = _VIEW_CODES.get(item.text("CodeValue")) or side_and_view(item.text("CodeMeaning"))[1]
        return coded or ViewPosition.OTHER
    if position:
        return ViewPosition.OTHER
    for keyword in _DESCRIPTIONS:
        if (spelt := side_and_view(tags.text(keyword))[1]) is not None:
            notes.append(message("its view was taken from its {keyword}", keyword=_words(keyword)))
            return spelt
    return None


def _words(keyword: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", keyword)


def spacing(tags: Attributes, notes: list[Sentence]) -> tuple[float | None, str]:
    """Return the millimetres between pixel centres in the breast, and the attributes that give them.

    Pixel Spacing counts if it is calibrated. If it merely repeats Imager Pixel Spacing it is not calibrated (PS3.3
    10.7.1.3), and is divided by the magnification like Imager Pixel Spacing.
    """
    in_plane, at_detector = tags.numbers("PixelSpacing"), tags.numbers("ImagerPixelSpacing")
    scanned = tags.numbers("NominalScannedPixelSpacing")
    factor, source = 1.0, ""
    if len(in_plane) == 2 and not (len(at_detector) == 2 and _equal(in_plane, at_detector)):
        pair, source = in_plane, "Pixel Spacing"
    elif len(at_detector) == 2:
        pair, source = at_detector, "Imager Pixel Spacing"
        factor, divisor = magnification(tags, notes)
        source += f" / {divisor}" if divisor else ""
        if len(in_plane) == 2 and factor == 1.0:
            source = "Pixel Spacing"
    elif len(scanned) == 2:
        pair, source = scanned, "Nominal Scanned Pixel Spacing"
    else:
        return None, ""
    if min(pair) <= 0 or max(pair) > 10:
        notes.append(message("{source} is not a plausible length and was left out", source=source))
        return None, ""
    if max(pair) > 1.01 * min(pair):
        notes.append(
            message(
                "{source} differs between rows and columns; lengths are not measured in this image", source=source
            )
        )
        return None, ""
    return (pair[0] + pair[1]) / 2 / factor, source


def magnification(tags: Attributes, notes: list[Sentence]) -> tuple[float, str]:
    """Return the magnification of the breast on the detector, and the attributes that give it; 1 and "" without
    any.

    It is Estimated Radiographic Magnification Factor (0018,1114), else Distance Source to Detector (0018,1110)
    divided by Distance Source to Patient (0018,1111), which is its definition (PS3.3 C.8.7.10).
    """
    named = tags.number("EstimatedRadiographicMagnificationFactor")
    detector, patient = tags.number("DistanceSourceToDetector"), tags.number("DistanceSourceToPatient")
    distances = detector / patient if detector and patient and patient > 0 else None
    if distances is not None and not 1 <= distances <= 10:
        distances = None
    if named is not None and not 1 <= named <= 10:
        notes.append(message("Estimated Radiographic Magnification Factor is not plausible and was left out"))
        named = None
    if named is not None:
        if distances is not None and abs(distances / named - 1) > 0.05:
            notes.append(
                message(
                    "Estimated Radiographic Magnification Factor is {named:g}, but the distances of source, "
                    "patient and detector give {distances:.3g}; the factor was followed",
                    named=named,
                    distances=distances,
                )
            )
        return named, "Estimated Radiographic Magnification Factor"
    if distances is not None:
        return distances, "(Distance Source to Detector / Distance Source to Patient)"
    return 1.0, ""


def _equal(one: list[float], other: list[float]) -> bool:
    return all(abs(a - b) <= 1e-3 * abs(b) for a, b in zip(one, other, strict=True))
