"""COCO JSON (instances) that loses nothing: circles and open lines come back as what they were.

Every annotation has what any COCO reader understands: category, box, area and a segmentation, as polygons whose
union is the marked area or, where something was erased, as uncompressed run lengths. The field ``marginalia``
beside them holds the vector shapes themselves, and ``read_coco`` returns those.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from core.domain.errors import BadFileError
from core.domain.shapes import Polygon, Shape
from core.domain.vocabulary import DISCLAIMER, MarginType
from core.exchange.collect import ExportItem, collect, each, write_export
from core.exchange.formats import EVERYTHING, QUIET, ExportSelection, ExportTools
from core.exchange.masks.clipping import clipped_ring
from core.exchange.masks.mask_shapes import shapes_of_mask
from core.exchange.masks.png import fine_mask, lesion_mask
from core.exchange.masks.polygons import polygons_of
from core.exchange.stored_matrix import stored_items
from core.platform.atomic import atomic_write
from core.store.study import Study

FILE = "annotations.json"
FINE_CATEGORY, UNLABELLED = "fine annotation", "mass, margin not labelled"
CATEGORIES = (*(f"mass, {margin.value}" for margin in MarginType), UNLABELLED, FINE_CATEGORY)
"""Category k of the list has the id k + 1."""
_LARGEST = 1 << 30
_LAYOUT = """
annotations.json  COCO instances, coordinates in pixels of the mammograms; the mammograms are not included

One annotation a lesion outline and one a fine annotation. "segmentation" holds polygons that are meant as a union
(an open line becomes the area that its pen sweeps, piece by piece), cut to the image, or run lengths where
something was erased.
"marginalia" beside it holds the readers' shapes themselves: circles, open lines with their width, strokes.
"""


class Rle(msgspec.Struct, frozen=True, kw_only=True):
    """Run lengths, down the columns, unmarked first."""

    counts: tuple[int, ...] | str
    """Plain, or in the text that pycocotools packs them into (``unpacked_counts``)."""
    size: tuple[int, int]
    """(height, width)"""


class Original(msgspec.Struct, frozen=True, kw_only=True):
    """The field ``marginalia`` of an annotation."""

    lesion: str
    """Name of the lesion in this export."""
    kind: Literal["outline", "fine"]
    shapes: tuple[Shape, ...]


class CocoImage(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    file_name: str
    width: int
    height: int
    pseudonym: str = ""
    pixel_spacing_mm: float | None = None
    sha256: str = ""
    synthetic: bool = False


class CocoAnnotation(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    image_id: int
    category_id: int
    segmentation: Rle | tuple[tuple[float, ...], ...]
    bbox: tuple[float, float, float, float]
    area: float
    iscrowd: int = 0
    marginalia: Original | None = None

    def shapes(self) -> tuple[Shape, ...]:
        """The readers' shapes; of a foreign file its polygons, or shapes that make its bitmap to the bit."""
        if self.marginalia is not None:
            return self.marginalia.shapes
        if isinstance(self.segmentation, Rle):
            return shapes_of_mask(mask_of_rle(self.segmentation))
        return tuple(Polygon(points=tuple(zip(ring[0::2], ring[1::2], strict=True))) for ring in self.segmentation)


class CocoCategory(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    name: str
    supercategory: str = ""


class CocoDocument(msgspec.Struct, frozen=True, kw_only=True):
    info: dict[str, str | bool] = {}
    images: tuple[CocoImage, ...]
    annotations: tuple[CocoAnnotation, ...]
    categories: tuple[CocoCategory, ...]


def export_coco(
    study: Study,
    folder: Path,
    selection: ExportSelection = EVERYTHING,
    tools: ExportTools = QUIET,
) -> int:
    """Write all lesions into a new folder as one COCO document; returns their number.

    StudyError where there are none or the folder is not empty; Cancelled leaves no folder.
    """
    items = stored_items(collect(study, selection))

    def write(target: Path) -> tuple[ExportItem, ...]:
        annotations: list[CocoAnnotation] = []
        images = _images(items)
        for item in each(items, tools):
            image_id = images[item.image.id].id
            annotations.append(_outline(item, len(annotations) + 1, image_id))
            if item.truth.fine:
                annotations.append(_fine(item, len(annotations) + 1, image_id))
        document = CocoDocument(
            info={
                "description": "Lesions and fine annotations, exported by Marginalia",
                "disclaimer": DISCLAIMER,
                "synthetic": any(item.image.synthetic for item in items),
            },
            images=tuple(images.values()),
            annotations=tuple(annotations),
            categories=tuple(
                CocoCategory(id=k + 1, name=name, supercategory="breast") for k, name in enumerate(CATEGORIES)
            ),
        )
        atomic_write(target / FILE, msgspec.json.encode(document))
        return items

    return write_export(folder, "COCO annotations", _LAYOUT, write)


def _images(items: Sequence[ExportItem]) -> dict[str, CocoImage]:
    found: dict[str, CocoImage] = {}
    for item in items:
        image = item.image
        if image.id not in found:
            found[image.id] = CocoImage(
                id=len(found) + 1,
                file_name=f"{item.name.rsplit('_', 1)[0]}.png",
                width=image.width,
                height=image.height,
                pseudonym=item.patient.pseudonym,
                pixel_spacing_mm=image.pixel_spacing_mm,
                sha256=image.content_sha256,
                synthetic=image.synthetic,
            )
    return found


def _outline(item: ExportItem, number: int, image_id: int) -> CocoAnnotation:
    margin = item.lesion.labels.margin
    category = UNLABELLED if margin is None else f"mass, {margin.value}"
    original = Original(lesion=item.name, kind="outline", shapes=(item.lesion.outline,))
    return _annotation(item, number, image_id, category, original, lesion_mask(item))


def _fine(item: ExportItem, number: int, image_id: int) -> CocoAnnotation:
    original = Original(lesion=item.name, kind="fine", shapes=item.truth.fine)
    return _annotation(item, number, image_id, FINE_CATEGORY, original, fine_mask(item))


def _annotation(
    item: ExportItem, number: int, image_id: int, category: str, original: Original, mask: NDArray[np.uint8]
) -> CocoAnnotation:
    if any(shape.erases for shape in original.shapes):
        segmentation: Rle | tuple[tuple[float, ...], ...] = run_lengths(mask)
    else:
        rings = [
            ring
            for shape in original.shapes
            for whole in polygons_of(shape, item.image.pixel_spacing_mm)
            if (ring := clipped_ring(whole, item.image.box))
        ]
        segmentation = tuple(tuple(round(v, 3) for point in ring for v in point) for ring in rings)
    return CocoAnnotation(
        id=number,
        image_id=image_id,
        category_id=CATEGORIES.index(category) + 1,
        segmentation=segmentation,
        bbox=_box(mask),
        area=float(mask.sum()),
        marginalia=original,
    )


def _box(mask: NDArray[np.uint8]) -> tuple[float, float, float, float]:
    """(x, y, width, height) of the marked pixels; all 0 where none is."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if len(rows) == 0:
        return 0.0, 0.0, 0.0, 0.0
    x, y = float(columns[0]), float(rows[0])
    return x, y, float(columns[-1] + 1) - x, float(rows[-1] + 1) - y


def run_lengths(mask: NDArray[np.uint8]) -> Rle:
    """Return the run lengths of a mask (height, width) of 0 and 1."""
    flat = np.concatenate([[0], mask.T.ravel(), [2]])
    edges = np.flatnonzero(np.diff(flat))
    counts = np.diff(np.concatenate([[0], edges]))
    return Rle(counts=tuple(counts.tolist()), size=(mask.shape[0], mask.shape[1]))


def mask_of_rle(rle: Rle) -> NDArray[np.uint8]:
    """Inverse of ``run_lengths``; BadFileError where the runs do not fill the size."""
    height, width = rle.size
    counts = unpacked_counts(rle.counts) if isinstance(rle.counts, str) else rle.counts
    sound = min(height, width) >= 0 and min(counts, default=0) >= 0
    if not sound or height * width > _LARGEST or sum(counts) != height * width:
        raise BadFileError("A bitmap of the COCO file does not have the size that it declares.")
    values = np.arange(len(counts)) % 2
    return np.repeat(values, counts).astype(np.uint8).reshape(width, height).T


def unpacked_counts(text: str) -> tuple[int, ...]:
    """Return the run lengths of a text of pycocotools (``rleFrString``): five bits a character from "0" on, the
    sixth says that more follow, the sign is extended; from the fourth run on differences to the last but one.

    Raises: BadFileError for another text.
    """
    counts: list[int] = []
    value = shift = 0
    for letter in text:
        bits = ord(letter) - 48
        if not 0 <= bits < 64 or shift > 35:
            raise BadFileError("A bitmap of the COCO file is not packed as COCO packs it.")
        value |= (bits & 0x1F) << shift
        shift += 5
        if bits & 0x20:
            continue
        if bits & 0x10:
            value -= 1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
        value = shift = 0
    if shift:
        raise BadFileError("A bitmap of the COCO file is cut off.")
    return tuple(counts)


def read_coco(path: Path) -> CocoDocument:
    """The document at ``path``; BadFileError where it is missing, too large or none."""
    try:
        if path.stat().st_size > _LARGEST:
            raise BadFileError(f"{path.name} is too large for a COCO document and was not opened.")
        return msgspec.json.decode(path.read_bytes(), type=CocoDocument)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadFileError(f"{path.name} is not a COCO document of instances: {error}.") from error
