"""The breast without its mass: outline, glandular and fatty tissue, fibres, skin and the pectoral muscle.

All is made with the chest wall at the left edge (a left breast); right breasts are mirrored at the end.
Lengths are in millimetres from the upper left corner of the image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.domain.vocabulary import BreastComposition, ViewPosition
from core.imaging.opencv import cv2
from core.phantom.config import PhantomConfig
from core.phantom.noise import Float, band_field, power_law_field, smooth_step, stream

_FAT, _GLAND, _MUSCLE, _SKIN = 1120.0, 1920.0, 2150.0, 420.0
"""Grey levels of 4096."""
_THRESHOLD = {
    BreastComposition.A: 1.3,
    BreastComposition.B: 0.9,
    BreastComposition.C: 0.5,
    BreastComposition.D: 0.1,
}


@dataclass(frozen=True, kw_only=True)
class Anatomy:
    """One breast, in shares of the image's size, so that it can be drawn in either view."""

    depth: float
    """Nipple to chest wall over the image's width."""
    half_height: float
    """Half the height of the breast in CC over the image's height."""
    composition: BreastComposition
    muscle_width: float
    muscle_height: float


@dataclass(frozen=True, kw_only=True, eq=False)
class PhantomBreast:
    """The tissue of one view before the mass is added."""

    grey: Float
    """(H, W) of 4096 steps; 0 in air."""
    skin_mm: Float
    """(H, W) distance to the skin, negative in air."""
    muscle: Float
    """(H, W) 1 in the pectoral muscle, 0 outside; all 0 in CC."""
    gland: Float
    """(H, W) share of glandular tissue, 0 to 1."""
    nipple_mm: tuple[float, float]


def draw_anatomy(rng: np.random.Generator) -> Anatomy:
    """The four densities are drawn as in screening: 10, 40, 40 and 10%."""
    share = rng.random()
    letters = tuple(BreastComposition)
    return Anatomy(
        depth=rng.uniform(0.64, 0.84),
        half_height=rng.uniform(0.37, 0.45),
        composition=letters[int(np.searchsorted((0.1, 0.5, 0.9), share, side="right"))],
        muscle_width=rng.uniform(0.24, 0.38),
        muscle_height=rng.uniform(0.5, 0.72),
    )


def _grid(config: PhantomConfig) -> tuple[Float, Float]:
    """Pixel centres in millimetres: x (1, W) and y (H, 1)."""
    x = (np.arange(config.width, dtype=np.float32)[None, :] + 0.5) * np.float32(config.spacing_mm)
    y = (np.arange(config.height, dtype=np.float32)[:, None] + 0.5) * np.float32(config.spacing_mm)
    return x, y


def _outline(config: PhantomConfig, anatomy: Anatomy, view: ViewPosition) -> tuple[Float, tuple[float, float]]:
    """Distance to the skin (H, W) and the nipple. In MLO the upper one leads to the axilla."""
    x, y = _grid(config)
    full_w, full_h = config.width * config.spacing_mm, config.height * config.spacing_mm
    depth, half = anatomy.depth * full_w, anatomy.half_height * full_h
    if view is ViewPosition.MLO:
        centre, above, below = 0.58 * full_h, 0.92 * full_h, 0.38 * full_h
        power_above = 2.6
    else:
        centre, above, below = 0.5 * full_h, half, half
        power_above = 2.3
    offset = y - np.float32(centre)
    rise = np.where(offset < 0, (-offset / above).clip(0) ** power_above, (offset / below).clip(0) ** 2.3)
    edge = depth * (1 - rise).clip(0) ** (1 / 1.9)
    nipple = (depth, centre)
    bump = np.hypot(x - np.float32(depth - 1.5), offset) < 4.5
    mask = ((x < edge) | bump).astype(np.uint8)
    # the chest wall and the image's edges are no skin
    wide = cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    inside = cv2.distanceTransform(wide, cv2.DIST_L2, 5)[1:-1, 1:-1]
    distance = np.where(mask == 1, inside * np.float32(config.spacing_mm), np.float32(-1))
    return distance.astype(np.float32), nipple


def _muscle(config: PhantomConfig, anatomy: Anatomy) -> Float:
    """(H, W) soft indicator of the triangle at the upper chest wall, its edge bulging a little."""
    x, y = _grid(config)
    a = anatomy.muscle_width * config.width * config.spacing_mm
    b = anatomy.muscle_height * config.height * config.spacing_mm
    u, v = x / np.float32(a), y / np.float32(b)
    signed = (1 - u - v + 0.35 * u * v) * np.float32(a * b / np.hypot(a, b))
    soft: Float = smooth_step((signed + 1.0) / 2.5)
    return soft


def _fibres(rng: np.random.Generator, config: PhantomConfig, nipple: tuple[float, float]) -> Float:
    """(H, W) thin bright strands that run towards the nipple, in patches (ducts, ligaments, vessels).

    Ridges (zero crossings) of a band-pass field that was made in polar coordinates about the nipple.
    """
    x, y = _grid(config)
    scale = 2.0  # samples a millimetre: the waves are smooth, and only their zeros are fine
    dx, dy = np.float32(nipple[0] + 14.0) - x, y - np.float32(nipple[1])
    radius, angle = np.hypot(dx, dy), np.arctan2(dy, dx)
    shape = (int(230 * scale), int(230 * scale))
    waves = band_field(rng, shape, scale_px=9.0 * scale, stretch=6.0)
    u = (radius * np.float32(scale)).astype(np.float32)
    v = ((angle * np.float32(70.0) + np.float32(115.0)) * np.float32(scale)).astype(np.float32)
    field = cv2.remap(waves, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    patches = cv2.resize(
        band_field(rng, (90, 90), scale_px=22.0, stretch=1.0),
        (config.width, config.height),
        interpolation=cv2.INTER_CUBIC,
    )
    ridge: Float = np.exp(-((field / np.float32(0.13)) ** 2)) * smooth_step(
        patches * np.float32(0.8) + np.float32(0.1)
    )
    return ridge


def draw_breast(
    config: PhantomConfig, anatomy: Anatomy, view: ViewPosition, key: tuple[int, ...]
) -> PhantomBreast:
    """The tissue of one view; ``key`` begins the random streams of this image."""
    x, y = _grid(config)
    distance, nipple = _outline(config, anatomy, view)
    rng = stream(*key, 1)
    texture = power_law_field(
        rng,
        (config.height, config.width),
        exponent=rng.uniform(*config.spectral_exponent),
        largest_px=60.0 / config.spacing_mm,
    ) * np.float32(config.difficulty.texture)
    # glandular tissue lies behind the nipple and away from the skin
    reach = 0.4 * config.height * config.spacing_mm
    cone = np.exp(-(((y - np.float32(nipple[1])) / np.float32(reach)) ** 2) * 1.4) * (
        0.55 + 0.45 * smooth_step(x / 30)
    )
    prior = smooth_step((distance - 5) / 22) * cone
    gland = 1 / (1 + np.exp(-2.2 * (2.1 * prior - 0.55 + 0.5 * texture - _THRESHOLD[anatomy.composition])))
    muscle = _muscle(config, anatomy) if view is ViewPosition.MLO else np.zeros_like(distance)
    fibres = _fibres(stream(*key, 2), config, nipple) * np.float32(config.difficulty.strands)
    grey = _FAT + (_GLAND - _FAT) * gland + (60 + 70 * gland) * texture
    grey += (110 + 110 * gland) * fibres * smooth_step((distance - 2) / 10)
    grey += (_MUSCLE + 60 * texture - grey) * muscle
    grey += _SKIN * np.exp(-(((distance - 0.9) / 0.7) ** 2))
    grey *= 1 - np.exp(-np.maximum(distance, 0) / 0.8 - np.maximum(distance, 0) ** 2 / 40)
    grey[distance <= 0] = 0
    return PhantomBreast(
        grey=grey.astype(np.float32),
        skin_mm=distance,
        muscle=muscle,
        gland=gland.astype(np.float32),
        nipple_mm=nipple,
    )
