"""Phantoms of activity and tissue with known projections."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from medsynth_core.volume import LPS_TO_RAS, Volume


def distance(size: int, pixel: float) -> np.ndarray:
    """Return how far each pixel of a square slice lies from its centre, in mm."""
    place = (np.arange(size) - (size - 1) / 2) * pixel
    return np.hypot(*np.meshgrid(place, place, indexing="ij"))


def matrix(pixel: float = 4.0, step: float = 3.0) -> np.ndarray:
    """Return the ijk_to_ras of an axial scan."""
    lps = np.diag([pixel, pixel, step, 1.0])
    lps[:3, 3] = (-100.0, -90.0, 35.0)
    return LPS_TO_RAS @ lps


def uniform_pet(slices: int = 4, size: int = 64, radius: float = 90.0, pixel: float = 4.0, **changes) -> Volume:
    """Return a cylinder of SUVbw 1 along the patient."""
    disc = (distance(size, pixel) < radius).astype(np.float32)
    return Volume(np.repeat(disc[None], slices, axis=0), matrix(pixel), "PT", "SUVbw", **changes)


def water(slices: int = 4, size: int = 64, radius: float = 90.0, pixel: float = 4.0) -> Volume:
    """Return the CT of a cylinder of water along the patient."""
    disc = np.where(distance(size, pixel) < radius, 0, -1000).astype(np.int16)
    return Volume(np.repeat(disc[None], slices, axis=0), matrix(pixel), "CT", "HU")


def asymmetric_slice(size: int = 64) -> np.ndarray:
    """Return a slice (j, i) with a hot and a cold spot, in which no two directions look alike."""
    y, x = np.meshgrid(*[np.linspace(-1, 1, size)] * 2, indexing="ij")
    image = 1.0 * ((x / 0.8) ** 2 + (y / 0.6) ** 2 < 1)
    image += 3.0 * (np.hypot(x - 0.35, y - 0.1) < 0.15) - 1.0 * (np.hypot(x + 0.3, y + 0.2) < 0.18)
    return gaussian_filter(image, 1.0).astype(np.float32)
