"""Images with a COCO document of instances (CVAT, Label Studio, Roboflow, VIA, and this program's own export).

An annotation becomes a lesion: its polygon, the regions of its bitmap, or its box. Several polygons or regions are
a lesion each, of one finding. Categories that are not masses, such as calcifications or the pectoral muscle, are
left out and counted. Words of BI-RADS in a category's name or in an annotation's attributes become labels. A fine
annotation of this program's export belongs to the lesion of the same name.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from msgspec.structs import replace

from core.data.importers.coco_document import CocoAnnotation, CocoDocument, CocoImage, Rle, mask_of_rle, read_coco
from core.data.importers.contours import outline_area
from core.data.importers.folder import DEFAULT_READER, checked_outline, refuse_wild_numbers
from core.data.importers.images import find_files, listed, walk
from core.data.importers.named_files import file_named, files_of_name, forget_folder
from core.data.importers.plan import ImportPlan, Issue, PlannedImage, PlannedLesion, Severity, refuse_wrong
from core.data.importers.words import ILL_DEFINED
from core.data.mask_shapes import regions_of_mask
from core.domain.errors import BadFileError
from core.domain.geometry import Box
from core.domain.messages import Sentence, message, sentence_of
from core.domain.shapes import Ellipse, Polygon, Rectangle, Shape
from core.domain.study import Labels, LesionOutline
from core.domain.vocabulary import MarginType, Pathology

DOCUMENTS = (
    "annotations.json",
    "_annotations.coco.json",
    "instances_default.json",
    "annotations/instances_default.json",
    "result.json",
    "coco.json",
)
"""Names that this program, Roboflow, CVAT, Label Studio and people give to the document."""
_HEAD_BYTES = 4096
_MASS = re.compile(
    r"mass|lesion|tumou?r|cancer|carcinom|finding|nodule|benign|malignan|" + "|".join(MarginType), re.IGNORECASE
)
_OTHER = re.compile(r"calci|pectoral|muscle|nipple|marker|lymph|skin|label|background", re.IGNORECASE)
_WORDS = {word.value: word for word in MarginType} | {"ill-defined": ILL_DEFINED}
_SMALLEST_PIXELS = 9
"""Regions of a bitmap below this are dust at its edge."""
Id = int | str


def is_document(path: Path) -> bool:
    """Return True for a file that begins like a COCO document: an object with one of its keys."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError:
        return False
    keys = (b'"images"', b'"annotations"', b'"categories"', b'"licenses"', b'"info"')
    return head.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"{") and any(key in head for key in keys)


def document_in(folder: Path) -> Path | None:
    """The COCO document of a folder, by its usual names; None without one."""
    return next((folder / name for name in DOCUMENTS if is_document(folder / name)), None)


def read_coco_folder(
    folder: Path, table: Path | None, *, source: str, reader: str = DEFAULT_READER, skip_bad_rows: bool = False
) -> ImportPlan:
    """The images that the document names, with the lesions that it marks.

    ``table``: the document, where it has none of the usual names. ``reader`` made the fine annotations.

    Raises: BadFileError without a document; BadTableError, which names the first wrong annotation.
    """
    path = table or document_in(folder)
    if path is None:
        raise BadFileError(
            message(
                "{folder} has no {document}; name the COCO document with --table.",
                folder=folder,
                document=DOCUMENTS[0],
            )
        )
    document = read_coco(path)
    forget_folder()
    taken = _CocoImages(folder, document)
    for annotation in document.annotations:
        try:
            taken.take(annotation)
        except (ValueError, BadFileError) as error:
            taken.say(f"annotation {annotation.id}", sentence_of(error), Severity.WRONG)
    taken.conclude()
    refuse_wrong(taken.issues, path, skip=skip_bad_rows)
    images = tuple(one.planned(reader) for one in taken.images.values())
    issues = (*taken.issues, *_not_named(folder, path, {image.path for image in images}))
    return ImportPlan(source=source, images=images, issues=issues, folder=folder.resolve())


@dataclass(kw_only=True)
class _Annotated:
    """An image and what was marked on it."""

    path: Path
    image: CocoImage
    lesions: list[tuple[PlannedLesion, str]] = field(default_factory=list)
    """Each with the name that this program's export gave to it, "" in other documents."""
    fine: dict[str, tuple[Shape, ...]] = field(default_factory=dict)
    """By the name of the lesion."""

    def planned(self, reader: str) -> PlannedImage:
        lesions = []
        for lesion, name in self.lesions:
            fine = self.fine.get(name, ())
            lesions.append(replace(lesion, fine=fine, fine_reader=reader) if fine else lesion)
        spacing = self.image.pixel_spacing_mm
        return PlannedImage(
            path=self.path,
            patient=self.image.pseudonym,
            spacing_mm=spacing,
            spacing_source="COCO document" if spacing is not None else "",
            lesions=tuple(lesions),
            where=f"image {self.image.id}",
        )


class _CocoImages:
    """Gathers the annotations of a document by image."""

    def __init__(self, folder: Path, document: CocoDocument) -> None:
        self.issues: list[Issue] = []
        self.images: dict[Id, _Annotated] = {}
        self._categories = {category.id: category.name for category in document.categories}
        self._left_out: Counter[str] = Counter()
        missing = []
        for image in document.images:
            try:
                self.images[image.id] = _Annotated(path=_file(folder, image.file_name), image=image)
            except ValueError:
                missing.append(image.file_name)
        if missing and not self.images:
            raise BadFileError(
                message(
                    "No image that the COCO document names ({count}) is in {folder}: "
                    "{names}. Put the document beside its images.",
                    count=len(missing),
                    folder=folder.name,
                    names=listed(missing),
                )
            )
        self._missing = {image.id for image in document.images} - self.images.keys()
        if missing:
            sentence = message(
                "Images that the document names are not in the folder ({count}): {names}.",
                count=len(missing),
                names=listed(missing),
            )
            self.say("", sentence, Severity.LEFT_OUT)

    def say(self, where: str, sentence: Sentence, severity: Severity) -> None:
        self.issues.append(Issue(where=where, sentence=sentence, severity=severity))

    def take(self, annotation: CocoAnnotation) -> None:
        """ValueError or BadFileError, with the sentence for the user, for an annotation that cannot be used."""
        if annotation.image_id in self._missing:
            return
        image = self.images.get(annotation.image_id)
        if image is None:
            raise ValueError(message("it belongs to an image that the document does not name."))
        original = annotation.marginalia
        if original is not None and original.kind == "fine":
            for shape in original.shapes:
                refuse_wild_numbers(shape, "fine annotation")
            image.fine[original.lesion] = original.shapes
            return
        category = self._categories.get(annotation.category_id, "")
        if not self._is_mass(category):
            self._left_out[category] += 1
            return
        where = f"annotation {annotation.id}"
        outlines = _outlines(annotation, image.image)
        if len(outlines) > 1:
            sentence = message("It has {count} regions; each is a lesion of one finding.", count=len(outlines))
            self.say(where, sentence, Severity.NOTE)
        size = (image.image.width, image.image.height)
        for outline in outlines:
            lesion = PlannedLesion(
                outline=checked_outline(outline),
                drawn_on=size if min(size) > 0 else None,
                labels=_labels(category, annotation),
                finding=f"COCO {annotation.id}" if len(outlines) > 1 else "",
                where=where,
            )
            image.lesions.append((lesion, "" if original is None else original.lesion))

    def _is_mass(self, category: str) -> bool:
        """Return True for a mass by its name; of a single category, whatever its name."""
        if _MASS.search(category):
            return True
        return len(self._categories) <= 1 and not _OTHER.search(category)

    def conclude(self) -> None:
        for category, number in self._left_out.items():
            sentence = message(
                "Annotations of the category {category!r} are left out ({number}): masses are imported.",
                category=category,
                number=number,
            )
            self.say("", sentence, Severity.LEFT_OUT)


def _file(folder: Path, name: str) -> Path:
    """The file of an image: by its path, or by its name alone where one file of the folder has it."""
    try:
        return file_named(folder, name)
    except ValueError:
        found = files_of_name(folder, name)
        if len(found) != 1:
            raise
        return found[0]


def _outlines(annotation: CocoAnnotation, image: CocoImage) -> tuple[LesionOutline, ...]:
    if annotation.marginalia is not None:
        shapes = annotation.marginalia.shapes
        return tuple(shape for shape in shapes if isinstance(shape, (Rectangle, Ellipse, Polygon)))
    if isinstance(annotation.segmentation, Rle):
        if image.height and annotation.segmentation.size != (image.height, image.width):
            raise BadFileError(message("its bitmap has another size than its image."))
        mask = mask_of_rle(annotation.segmentation)
        regions = regions_of_mask(mask)
        if not regions:
            raise ValueError(message("its bitmap marks nothing."))
        return tuple(one for one in regions if outline_area(one) >= _SMALLEST_PIXELS) or regions
    if annotation.segmentation:
        if any(len(ring) % 2 for ring in annotation.segmentation):
            raise ValueError(message("a polygon has an odd number of coordinates."))
        return tuple(shape for shape in annotation.shapes() if isinstance(shape, Polygon))
    if len(annotation.bbox) != 4:
        raise ValueError(message("it has neither a polygon nor a box."))
    x, y, width, height = annotation.bbox
    if width <= 0 or height <= 0:
        raise ValueError(message("its box encloses nothing."))
    return (Rectangle(box=Box(x0=x, y0=y, x1=x + width, y1=y + height)),)


def _labels(category: str, annotation: CocoAnnotation) -> Labels:
    """Words of BI-RADS in the category and the attributes; a label that has two different words is left open."""
    texts = [category, *(value for value in annotation.attributes.values() if isinstance(value, str))]
    words = " ".join(texts).lower()
    margins = {margin for word, margin in _WORDS.items() if re.search(rf"\b{word}\b", words)}
    pathologies = {word for word in Pathology if re.search(rf"\b{word.value}\b", words)}
    return Labels(
        margin=margins.pop() if len(margins) == 1 else None,
        pathology=pathologies.pop() if len(pathologies) == 1 else None,
    )


def _not_named(folder: Path, document: Path, named: set[Path]) -> list[Issue]:
    """A note on the image files of the folder that the document does not name."""
    root = folder.resolve()
    others = [path for path in walk(root) if path not in named and path != document.resolve()]
    left = [path.relative_to(root).as_posix() for path, _ in find_files(others, root).images]
    if not left:
        return []
    sentence = message(
        "Images of the folder that {document} does not name are left out ({count}): {left}.",
        document=document.name,
        count=len(left),
        left=listed(left),
    )
    return [Issue(where="", sentence=sentence, severity=Severity.NOTE)]
