"""One synthetic patient: a mass seen in two views, with the truth about it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.domain.geometry import Box, Point, box_around
from core.domain.shapes import Ellipse, Line, Polygon, Shape
from core.domain.study import Labels
from core.domain.vocabulary import BreastComposition, Laterality, Part, ViewPosition
from core.phantom.annotate import fine_annotation
from core.phantom.boundary import Boundary, draw_boundary
from core.phantom.breast import Anatomy, PhantomBreast, draw_anatomy, draw_breast
from core.phantom.config import CLASSES, PhantomConfig, confounder_of, part_of, patient_id
from core.phantom.confounder import add_marker, draw_marker, place_marker
from core.phantom.labels import PhantomCase, draw_case
from core.phantom.mass import OUTLINE_SHARE, contrast_of, draw_margin, patch_around, render_mass
from core.phantom.noise import Float, stream

VIEWS = (ViewPosition.CC, ViewPosition.MLO)
WHITE = 4095
_NOISE = 20.0
"""Standard deviation of the detector's noise, in grey levels."""


@dataclass(frozen=True, kw_only=True)
class PhantomLesion:
    """The parameters of a drawn lesion, for checks that the task is the margin; no model sees them."""

    diameter_mm: float
    contrast: float
    """The value of ``PhantomConfig.contrast`` in this view, grey levels."""
    local_density: float
    """Share of glandular tissue under the mass, 0 to 1."""
    sign_share: float
    """Share of the boundary that shows the margin's sign."""
    marker: str | None


@dataclass(frozen=True, kw_only=True, eq=False)
class PhantomView:
    """One mammogram. Outlines and shapes are in its continuous pixel coordinates."""

    view: ViewPosition
    pixels: NDArray[np.uint16]
    """(H, W), 12 bits, MONOCHROME2, 0 = air."""
    outline: Polygon
    """The outline drawn by a reader: a tenth outside the boundary."""
    true_margin: Polygon
    """The boundary that the mass was drawn with."""
    fine: tuple[Shape, ...]
    truth: PhantomLesion


@dataclass(frozen=True, kw_only=True, eq=False)
class PhantomPatient:
    """SYNTHETIC. One finding, seen in each view."""

    patient_id: str
    part: Part
    laterality: Laterality
    composition: BreastComposition
    labels: Labels
    views: tuple[PhantomView, ...]


def _place(
    rng: np.random.Generator,
    config: PhantomConfig,
    breast: PhantomBreast,
    radius_mm: float,
    wish: tuple[float, float],
) -> Point:
    """A centre (px) near the wished depth from the nipple and height (mm), with tissue on all sides."""
    depth, height = wish
    best: tuple[float, Point] | None = None
    for attempt in range(60):
        spread = 2.0 + attempt
        x = breast.nipple_mm[0] - depth + rng.normal(0, spread)
        y = breast.nipple_mm[1] + height + rng.normal(0, spread)
        column, row = int(x / config.spacing_mm), int(y / config.spacing_mm)
        room = min(x, y, config.height * config.spacing_mm - y)
        if room < 1.35 * radius_mm or not (0 <= column < config.width and 0 <= row < config.height):
            continue
        free = min(float(breast.skin_mm[row, column]) / (2.0 * radius_mm + 3), room / (1.7 * radius_mm), 1.0)
        score = free - float(breast.muscle[row, column])
        if best is None or score > best[0]:
            best = (score, (x / config.spacing_mm, y / config.spacing_mm))
        if score >= 1.0:
            break
    if best is None:
        raise ValueError("the breast has no room for the lesion: make the images larger or the lesions smaller")
    return best[1]


def _mirrored(shape: Shape, width: int) -> Shape:
    """The shape in the image flipped left to right (circles, lines and polygons)."""
    match shape:
        case Ellipse(centre=(x, y), radius_x=r):
            return Ellipse(centre=(round(width - x, 1), y), radius_x=r, radius_y=r, role=shape.role)
        case Line(points=points, width=line):
            return Line(points=tuple((round(width - x, 1), y) for x, y in points), width=line, role=shape.role)
        case Polygon(points=points):
            return Polygon(points=tuple((round(width - x, 1), y) for x, y in points), role=shape.role)
    raise ValueError("the phantom draws circles, lines and polygons only")


def _finish(rng: np.random.Generator, grey: Float, breast: PhantomBreast) -> NDArray[np.uint16]:
    noisy = rng.standard_normal(grey.shape, dtype=np.float32)
    noisy *= np.float32(_NOISE)
    noisy += grey
    np.rint(noisy, out=noisy)
    np.clip(noisy, 0, WHITE, out=noisy)
    noisy[breast.skin_mm <= 0] = 0
    return noisy.astype(np.uint16)


def _draw_view(
    config: PhantomConfig,
    index: int,
    number: int,
    *,
    case: PhantomCase,
    anatomy: Anatomy,
    wish: tuple[float, float],
) -> PhantomView:
    key = (config.seed, 14, index, number)
    rng = stream(*key, 0)
    breast = draw_breast(config, anatomy, VIEWS[number], key)
    diameter = case.diameter_mm * rng.uniform(0.94, 1.06)
    radius = diameter / 2 / config.spacing_mm
    centre = _place(rng, config, breast, diameter / 2, wish)
    boundary = draw_boundary(rng, case.shape, centre=centre, radius=radius)
    share = float(np.clip(case.sign_share + rng.normal(0, 0.08), 0.1, 0.98))
    margin = draw_margin(rng, case.margin, share, config.difficulty)
    patch = patch_around(boundary, breast.grey.shape)
    mass = render_mass(rng, margin, boundary, patch)
    contrast = case.contrast * rng.uniform(0.88, 1.12)
    grey = breast.grey.copy()
    grey[patch.slices] += mass * np.float32(contrast / contrast_of(mass, boundary, patch))
    outline = Polygon(points=tuple((round(x, 1), round(y, 1)) for x, y in boundary.polygon(OUTLINE_SHARE)))
    true_margin = Polygon(points=boundary.polygon(vertices=360))
    marker = _mark(config, index, number, case=case, grey=grey, box=box_around(outline.points), breast=breast)
    fine = fine_annotation(stream(*key, 4), margin, boundary, config.spacing_mm)
    truth = PhantomLesion(
        diameter_mm=diameter,
        contrast=contrast,
        local_density=_local_density(breast, boundary),
        sign_share=share,
        marker=marker,
    )
    pixels = _finish(stream(*key, 3), grey, breast)
    if case.laterality is Laterality.RIGHT:
        pixels = np.ascontiguousarray(pixels[:, ::-1])
        outline = Polygon(points=tuple((round(config.width - x, 1), y) for x, y in outline.points))
        true_margin = Polygon(points=tuple((config.width - x, y) for x, y in true_margin.points))
        fine = tuple(_mirrored(shape, config.width) for shape in fine)
    return PhantomView(
        view=VIEWS[number], pixels=pixels, outline=outline, true_margin=true_margin, fine=fine, truth=truth
    )


def _local_density(breast: PhantomBreast, boundary: Boundary) -> float:
    rows, columns = patch_around(boundary, breast.gland.shape, reach=1.0).slices
    return float(breast.gland[rows, columns].mean())


def _mark(
    config: PhantomConfig,
    index: int,
    number: int,
    *,
    case: PhantomCase,
    grey: Float,
    box: Box,
    breast: PhantomBreast,
) -> str | None:
    """Draw this image's marker, if any; its own stream leaves everything else as it is without one."""
    rng = stream(config.seed, 15, index, number)
    mode = confounder_of(config, index)
    marker = draw_marker(rng, mode, CLASSES.index(case.margin), config.marker_agreement)
    if marker is not None:
        centre = place_marker(rng, box, breast.skin_mm)
        radius = config.marker_radius * max(box.width, box.height)
        add_marker(grey, rng, marker, centre, radius=radius, brightness=config.marker_grey)
    return marker


def make_patient(config: PhantomConfig, index: int) -> PhantomPatient:
    """Patient ``index`` of the study, from (seed, index) alone: any order, any process, the same bytes.

    IndexError where the study has no such patient.
    """
    if not 0 <= index < config.patients:
        raise IndexError(f"the phantom study has {config.patients} patients, no number {index}")
    case = draw_case(config, index)
    rng = stream(config.seed, 13, index)
    anatomy = draw_anatomy(rng)
    depth = rng.uniform(28, 0.62 * anatomy.depth * config.width * config.spacing_mm)
    heights = (rng.normal(0, 14), rng.normal(-6, 14))
    views = tuple(
        _draw_view(config, index, number, case=case, anatomy=anatomy, wish=(depth, heights[number]))
        for number in range(len(VIEWS))
    )
    labels = Labels(
        margin=case.margin,
        shape=case.shape,
        density=case.density,
        category=case.category,
        pathology=case.pathology,
        probability_of_malignancy=case.probability,
    )
    return PhantomPatient(
        patient_id=patient_id(config, index),
        part=part_of(config, index),
        laterality=case.laterality,
        composition=anatomy.composition,
        labels=labels,
        views=views,
    )
