"""Seeded random streams and Gaussian random fields made by inverse Fourier transform."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import scipy.fft
from numpy.typing import NDArray

Float = NDArray[np.float32]


def stream(*key: int) -> np.random.Generator:
    """The generator of one purpose: streams with different keys are independent, equal keys are equal."""
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(key)))


@lru_cache(maxsize=8)
def _log_frequency(height: int, width: int, stretch: float) -> Float:
    """log of the frequency in cycles per pixel on the half plane of ``rfft2``; ``stretch`` elongates along x."""
    fy = np.fft.fftfreq(height)[:, None]
    fx = np.fft.rfftfreq(width)[None, :] * stretch
    f = np.hypot(fy, fx)
    f[0, 0] = 1.0
    result: Float = np.log(f).astype(np.float32)
    return result


def _synthesise(rng: np.random.Generator, amplitude: Float, shape: tuple[int, int]) -> Float:
    noise = rng.standard_normal((*amplitude.shape, 2), dtype=np.float32)
    spectrum = noise.view(np.complex64)[..., 0] * amplitude
    spectrum[0, 0] = 0
    field: Float = scipy.fft.irfft2(spectrum, s=shape)
    field /= field.std()
    return field


def power_law_field(
    rng: np.random.Generator, shape: tuple[int, int], *, exponent: float, largest_px: float
) -> Float:
    """(h, w) Gaussian field of mean 0 and variance 1 with the isotropic power spectrum 1/f^exponent.

    Below the frequency ``1/largest_px`` the spectrum is flat. The field is made on a larger torus, so that its
    opposite edges are not alike.
    """
    height, width = (scipy.fft.next_fast_len(int(n * 1.1), real=True) for n in shape)
    log_f = np.maximum(_log_frequency(height, width, 1.0), -np.log(largest_px).astype(np.float32))
    field = _synthesise(rng, np.exp(np.float32(-exponent / 2) * log_f), (height, width))
    return field[: shape[0], : shape[1]]


def band_field(rng: np.random.Generator, shape: tuple[int, int], *, scale_px: float, stretch: float) -> Float:
    """(h, w) Gaussian field of mean 0 and variance 1 whose waves are about ``scale_px`` long across x.

    ``stretch`` > 1 draws them out along x by that factor. A log-normal band of half an octave.
    """
    height, width = (scipy.fft.next_fast_len(n, real=True) for n in shape)
    distance = _log_frequency(height, width, stretch) + np.float32(np.log(scale_px))
    field = _synthesise(rng, np.exp(np.float32(-2.0) * distance * distance), (height, width))
    return field[: shape[0], : shape[1]]


def smooth_step(x: NDArray[np.floating]) -> Float:
    """0 below 0, 1 above 1, with a continuous slope."""
    t: Float = np.clip(x, 0, 1).astype(np.float32, copy=False)
    result = np.multiply(t, np.float32(-2))
    result += 3
    result *= t
    result *= t
    return result
