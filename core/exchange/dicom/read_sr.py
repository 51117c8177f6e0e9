"""Reading back structured reports that ``sr`` made. The file is foreign: only ``reading``'s child does it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import msgspec
from pydicom.dataset import Dataset

from core.domain.errors import BadFileError
from core.domain.messages import A_FILE, Sentence, message
from core.domain.shapes import Length, Origin, Role, Shape
from core.domain.study import Labels, LesionOutline
from core.exchange.dicom import coded
from core.exchange.dicom.lesion_report import LesionReport, ModelFinding, PrototypeShare, ReportRead
from core.exchange.dicom.read_gsps import MOST_POINTS, MOST_REGIONS, ShapelessError, region_shape

_MEASUREMENTS, _GROUP, _TRACKING, _TRACKING_UID = "126010", "125007", "112039", "112040"
_ALGORITHM, _VERSION, _PARAMETER = "111001", "111003", "111002"
_DEEPEST, _MOST = 32, 100_000
_LONGEST_TEXT, _MOST_COMMENTS = 65_536, 1_000
"""Characters of a text and number of comments of a report; a report of a person has far fewer."""


@dataclass(kw_only=True)
class _Group:
    texts: dict[str, list[str]] = field(default_factory=dict)
    evaluations: dict[str, str] = field(default_factory=dict)
    numbers: dict[str, tuple[float, str]] = field(default_factory=dict)
    meanings: dict[str, str] = field(default_factory=dict)
    """The meanings of the names of the numbers."""
    region: tuple[str, tuple[float, ...]] | None = None
    further: int = 0
    """Regions beside the first one."""
    source: str = ""


def report_of(found: Dataset) -> ReportRead:
    """The lesions of a report; BadFileError for a data set that is none, or not one of this program's."""
    if str(found.get("Modality") or "") != "SR":
        raise BadFileError(message("{file} is not a structured report.", file=A_FILE))
    comments = _comments(found)
    groups: list[_Group] = []
    for item in _measurement_groups(found):
        if len(groups) == MOST_REGIONS:
            raise BadFileError(
                message(
                    "{file} holds more than {most_regions:,} measurement groups; it is not read.",
                    file=A_FILE,
                    most_regions=MOST_REGIONS,
                )
            )
        groups.append(_group(item))
    if not groups:
        raise BadFileError(
            message(
                "{file} is a structured report without measurement groups; nothing in it can be read.", file=A_FILE
            )
        )
    if sum(len(group.region[1]) for group in groups if group.region is not None) > 2 * MOST_POINTS:
        raise BadFileError(
            message(
                "{file} holds regions of more than {most_points:,} points.", file=A_FILE, most_points=MOST_POINTS
            )
        )
    verifiers = found.get("VerifyingObserverSequence") or []
    notes: list[Sentence] = []
    lesions = list(_lesions(groups, notes))
    return ReportRead(
        study_uid=str(found.StudyInstanceUID),
        verified_by=str(verifiers[0].VerifyingObserverName).rstrip("^") if verifiers else "",
        lesions=tuple(lesion for _, lesion in lesions),
        sources=tuple(source for source, _ in lesions),
        comments=tuple(comments),
        notes=tuple(notes),
    )


def _comments(found: Dataset) -> list[str]:
    comments = [_text(str(i.TextValue)) for i in _children(found) if _name(i) == coded.COMMENT.value]
    if len(comments) > _MOST_COMMENTS:
        raise BadFileError(
            message(
                "{file} holds more than {limit:,} comments; it is not read.", file=A_FILE, limit=_MOST_COMMENTS
            )
        )
    return comments


def _text(value: str) -> str:
    if len(value) > _LONGEST_TEXT:
        raise BadFileError(
            message("{file} holds a text of {count:,} characters; it is not read.", file=A_FILE, count=len(value))
        )
    return value


def _children(item: Dataset) -> list[Dataset]:
    return list(item.get("ContentSequence") or [])


def _name(item: Dataset) -> str:
    names = item.get("ConceptNameCodeSequence") or []
    return _code(names[0]) if names else ""


def _code(item: Dataset) -> str:
    return str(item.get("CodeValue") or item.get("LongCodeValue") or "")


def _measurement_groups(found: Dataset) -> Iterator[Dataset]:
    waiting, seen = [(found, 0)], 0
    while waiting:
        item, depth = waiting.pop(0)
        for child in _children(item):
            seen += 1
            if depth > _DEEPEST or seen > _MOST:
                raise BadFileError(
                    message("{file} nests its content deeper or wider than a report of this program.", file=A_FILE)
                )
            if _name(child) == _GROUP:
                yield child
            else:
                waiting.append((child, depth + 1))


def _group(item: Dataset) -> _Group:
    group = _Group()
    for child in _children(item):
        name, kind = _name(child), str(child.ValueType)
        if kind in ("TEXT", "UIDREF"):
            value = _text(str(child.get("TextValue") or child.get("UID") or ""))
            group.texts.setdefault(name, []).append(value)
        elif kind == "CODE":
            group.evaluations[name] = _code(child.ConceptCodeSequence[0])
        elif kind == "NUM":
            if not child.get("MeasuredValueSequence"):
                continue  # without a value, and perhaps with a qualifier that gives the reason
            measured = child.MeasuredValueSequence[0]
            unit = _code(measured.MeasurementUnitsCodeSequence[0])
            group.meanings[name] = str(child.ConceptNameCodeSequence[0].CodeMeaning)
            exact = measured.get("FloatingPointValue")
            group.numbers[name] = (float(exact if exact is not None else measured.NumericValue), unit)
        elif kind == "SCOORD" and group.region is not None:
            group.further += 1
        elif kind == "SCOORD":
            group.region = (str(child.GraphicType), tuple(float(v) for v in child.GraphicData))
            images = [i for i in _children(child) if str(i.ValueType) == "IMAGE"]
            if images:
                group.source = str(images[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID)
    return group


def _lesions(groups: list[_Group], notes: list[Sentence]) -> Iterator[tuple[str, LesionReport]]:
    """Each lesion with the UID of its image. Groups with one tracking UID in one image belong together."""
    order: dict[tuple[str, str], list[_Group]] = {}
    # a group without a region, such as a model's findings, belongs to the image of the lesion's outline
    image_of = {_tracking_uid(group): group.source for group in reversed(groups) if group.source}
    for number, group in enumerate(groups):
        uid = _tracking_uid(group)
        source = group.source or image_of.get(uid, "")
        order.setdefault((source, uid or f"group {number}"), []).append(group)
    if further := sum(group.further for group in groups):
        notes.append(
            message(
                "has {further} further regions in its groups; only the first of each group was read.",
                further=further,
            )
        )
    left_out = 0
    for (source, uid), own in order.items():
        lesion = _lesion(uid if _tracking_uid(own[0]) else "", own)
        if lesion is None or not source:
            left_out += 1
        else:
            yield source, lesion
    if left_out:
        notes.append(
            message(
                "describes {left_out} lesions without an outline in an image; they are left out.",
                left_out=left_out,
            )
        )


def _tracking_uid(group: _Group) -> str:
    return group.texts.get(_TRACKING_UID, [""])[0]


def _lesion(uid: str, groups: list[_Group]) -> LesionReport | None:
    """The lesion that these groups describe; None without an outline."""
    outline: LesionOutline | None = None
    fine: list[Shape] = []
    labels, model = Labels(), None
    for group in groups:
        role = group.evaluations.get(coded.REGION_ROLE.value, "")
        # reports of other programs say not what a region marks: their first closed one is the outline
        with suppress(ShapelessError):  # a point, as of a program that finds lesions: it outlines nothing
            if role == coded.OUTLINE.value or (not role and group.region is not None and outline is None):
                shape = _shape(group, Role.MARGIN)
                if not isinstance(shape, LesionOutline):
                    raise BadFileError(message("{file} outlines a lesion with an open line.", file=A_FILE))
                outline, labels = msgspec.structs.replace(shape, origin=_origin(group)), _labels(group)
            elif group.region is not None:
                fine.append(msgspec.structs.replace(_shape(group, _role(role)), origin=_origin(group)))
        if _ALGORITHM in group.texts:
            model = _model(group)
    if outline is None:
        return None
    name = groups[0].texts.get(_TRACKING, [""])[0]
    return LesionReport(
        tracking_id=name, tracking_uid=uid, outline=outline, fine=tuple(fine), labels=labels, model=model
    )


def _role(code: str) -> Role:
    return next((Role(word) for word, own in coded.FINE_ROLES.items() if own.value == code), Role.MARGIN)


def _origin(group: _Group) -> Origin:
    code = group.evaluations.get(coded.ORIGIN.value, "")
    return next((Origin(word) for word, own in coded.ORIGINS.items() if own.value == code), Origin.DRAWN)


def _shape(group: _Group, role: Role) -> Shape:
    if group.region is None:
        raise BadFileError(message("{file} names a region without coordinates.", file=A_FILE))
    graphic, flat = group.region
    pen = None
    if coded.PEN.value in group.numbers:
        value, unit = group.numbers[coded.PEN.value]
        pen = Length(value=value, unit="mm" if unit == "mm" else "px")
    return region_shape(graphic, list(flat), pen, role)


def _labels(group: _Group) -> Labels:
    said = group.evaluations
    cancer = group.numbers.get(coded.CANCER.value)
    return Labels(
        margin=coded.word_of(coded.MARGIN_CODES, said.get(coded.MARGINS.value, "")),
        shape=coded.word_of(coded.SHAPE_CODES, said.get(coded.SHAPE.value, "")),
        density=coded.word_of(coded.DENSITY_CODES, said.get(coded.DENSITY.value, "")),
        category=coded.word_of(coded.CATEGORY_CODES, said.get(coded.CATEGORY.value, "")),
        pathology=coded.word_of(coded.PATHOLOGY_CODES, said.get(coded.PATHOLOGY.value, "")),
        probability_of_malignancy=None if cancer is None else cancer[0] / 100,
    )


def _model(group: _Group) -> ModelFinding:
    numbers = {name: value for name, (value, _) in group.numbers.items()}
    classes = [name.removeprefix("probability ") for name in numbers if name.startswith("probability ")]
    shares = tuple(numbers[f"probability {name}"] for name in classes)
    has = group.evaluations.get(coded.PRECEDENT.value) == coded.HAS_PRECEDENT.value
    parameters = dict(text.split(": ", 1) for text in group.texts.get(_PARAMETER, []) if ": " in text)
    cancer = numbers.get(coded.CANCER.value)
    return ModelFinding(
        method=group.texts[_ALGORITHM][0].removeprefix("Marginalia "),
        version=group.texts.get(_VERSION, [""])[0],
        run=parameters.get("run", ""),
        class_names=tuple(classes),
        probabilities=shares,
        predicted=classes[shares.index(max(shares))] if has and shares else "",
        has_precedent=has,
        malignancy=None if cancer is None else cancer / 100,
        prototypes=tuple(
            PrototypeShare(
                number=int(name.split()[1]),
                class_name=group.meanings[name].partition("(")[2].removesuffix(")"),
                similarity=value,
                weight=numbers[f"weight {name.split()[1]}"],
            )
            for name, value in numbers.items()
            if name.startswith("similarity ")
        ),
    )
