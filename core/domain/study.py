"""Parts of a study: patients, images, findings, lesions, readers and the readers' labels.

All values are immutable. Identifiers are the study's own (UUID strings and pseudonyms); nothing here holds a
patient's identity. Boxes and outlines are in continuous pixel coordinates of the image.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from core.domain.geometry import Box
from core.domain.shapes import Ellipse, Polygon, Rectangle, Shape, bounds
from core.domain.vocabulary import (
    BiradsCategory,
    BreastComposition,
    Laterality,
    MarginType,
    MassDensity,
    MassShape,
    Part,
    Pathology,
    ViewPosition,
)

LesionOutline = Rectangle | Ellipse | Polygon
"""Outline of a lesion: the radiologist's box, a circle (mini-MIAS) or a drawn contour (CDD-CESM)."""


class Patient(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    pseudonym: str
    """Made at import; the link back lies in the encrypted identity file, if it is kept."""
    source: str
    """The data set or site that the patient came from; figures are reported per source."""


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """One VOI window of the file (Window Center and Width, (0028,1050) and (0028,1051))."""

    centre: float
    width: float
    function: str = "LINEAR"
    """VOI LUT Function (0028,1056): LINEAR, LINEAR_EXACT or SIGMOID."""
    explanation: str = ""


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """One mammogram or tomosynthesis. Its pixels lie in array files of the same id, decoded, with a pyramid."""

    id: str
    patient_id: str
    content_sha256: str
    """Hash of the decoded pixels and their shape: finds the same image under two names. For a tomosynthesis: hash
    over the hashes of its slices (``core.domain.content.frames_sha256``)."""
    width: int
    height: int
    bits_stored: int
    pixel_spacing_mm: float | None = None
    spacing_source: str = ""
    """Which attribute gave the spacing: it is named beside every measurement."""
    laterality: Laterality | None = None
    view: ViewPosition | None = None
    composition: BreastComposition | None = None
    photometric: str = "MONOCHROME2"
    rescale_slope: float = 1.0
    rescale_intercept: float = 0.0
    windows: tuple[Window, ...] = ()
    padding: tuple[int, int] | None = None
    """Smallest and largest stored value that is no part of the picture and is shown black."""
    turn: str = ""
    """Turn of the stored matrix for display (``core.domain.turn``); results refer to the stored matrix."""
    acquired: str | None = None
    """Date of the examination, shifted or truncated according to the import's profile; None if unknown."""
    detector: str = ""
    """Manufacturer and model, to find scanners that go with a class."""
    synthetic: bool = False
    tables: int = 0
    """Number of VOI LUTs of the file, which lie beside its pixels."""
    frames: int = 1
    """Number of reconstructed slices of a tomosynthesis, all of one size; 1 for a plain mammogram."""

    @property
    def box(self) -> Box:
        return Box(x0=0, y0=0, x1=self.width, y1=self.height)


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One mass of one patient, seen in one or more views."""

    id: str
    patient_id: str


class Labels(msgspec.Struct, frozen=True, kw_only=True):
    """Labels of a lesion by one reader (or the data set); None = not given."""

    margin: MarginType | None = None
    shape: MassShape | None = None
    density: MassDensity | None = None
    category: BiradsCategory | None = None
    pathology: Pathology | None = None
    probability_of_malignancy: float | None = None
    """The reader's own estimate, in [0, 1], recorded before any model output was shown."""
    comment: str = ""
    flagged: bool = False


class Lesion(msgspec.Struct, frozen=True, kw_only=True):
    """A finding in one image."""

    id: str
    finding_id: str
    image_id: str
    outline: LesionOutline
    labels: Labels = Labels()
    number: int = 1
    """Order of the lesions in an image, from 1."""
    frame: int = 0
    """The slice of a tomosynthesis that it was drawn on and is trained on, from 0."""

    @property
    def box(self) -> Box:
        return bounds(self.outline)

    def is_inside(self, image: Image) -> bool:
        """Return True if any part of the outline lies in the image; else there is nothing to see or learn."""
        return self.box.intersection(image.box) is not None


class Reader(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    name: str


class FineAnnotation(msgspec.Struct, frozen=True, kw_only=True):
    """One reader's fine annotation of a lesion, in one revision; shapes in drawing order."""

    lesion_id: str
    reader_id: str
    revision: int
    """From 1, one more with every committed edit; undo is a new revision too."""
    shapes: tuple[Shape, ...]


class Split(msgspec.Struct, frozen=True, kw_only=True):
    """A division of patients into parts; never of images, since a patient's images resemble each other."""

    id: str
    name: str
    seed: int
    parts: dict[str, Part]
    """Patient id to part."""


class Prototype(msgspec.Struct, frozen=True, kw_only=True):
    """Origin of a projected prototype (method.md, stage A2)."""

    index: int
    class_name: str
    lesion_id: str
    roi_sha256: str
    """Content hash of the un-augmented network input that it is a patch of."""
    cell: tuple[int, int]
    """(row, column) in the latent grid."""
    patch_box_roi: Box
    """Box of the cell, in network-input pixels."""
    patch_box_image: Box
    """Box of the cell, in pixels of the mammogram."""
    distance_moved: float
    """Squared distance between the prototype before and after projection."""


class ModelRevision(msgspec.Struct, frozen=True, kw_only=True):
    """One immutable state of a model; pruning makes a new one whose parent is the old."""

    id: str
    run_id: str
    parent_id: str | None
    prototype_indices: tuple[int, ...]
    """Indices, into the run's prototypes, of those that are kept."""
    reason: str
    created_utc: str


class RunStatus(StrEnum):
    """Status of a training run."""

    PLANNED = "planned"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One training run, with all that is needed to repeat it."""

    id: str
    name: str
    created_utc: str
    status: RunStatus = RunStatus.PLANNED
    config: dict[str, object] = {}
    """The training configuration as JSON values."""
    folder: str = ""
    """Folder of the checkpoints, relative to the study's folder."""
    code_version: str = ""
    data_fingerprint: str = ""
    metrics: dict[str, object] = {}
    """Summary figures as JSON values; an undefined one is None."""
    notes: str = ""
    archived: bool = False
