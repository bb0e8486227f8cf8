"""Filters of images on NumPy and SimpleITK, which give what those of SciPy give."""

from __future__ import annotations

from typing import Literal

import numpy as np
import SimpleITK as sitk

TRUNCATE = 3.0


def gaussian(voxels: np.ndarray, sigma: np.ndarray, beyond: Literal["edge", "symmetric"]) -> np.ndarray:
    """Return float32 voxels (k, j, i) smoothed with a Gaussian of ``sigma`` voxels along each axis.

    ``beyond`` is what continues the image at its ends: its last voxels, or the image mirrored.
    """
    smooth = voxels.astype(np.float32)
    for axis, width in enumerate(sigma):
        if width > 1e-15:
            smooth = _smooth_along(smooth, axis, float(width), beyond)
    return smooth


def _smooth_along(voxels: np.ndarray, axis: int, sigma: float, beyond: Literal["edge", "symmetric"]) -> np.ndarray:
    radius = int(TRUNCATE * sigma + 0.5)
    weights = np.exp(-0.5 / (sigma * sigma) * np.arange(-radius, radius + 1) ** 2)
    weights /= weights.sum()
    lines = np.moveaxis(voxels, axis, -1)
    length = lines.shape[-1]
    made = np.empty_like(lines)
    # Plane by plane, because sums in double precision need several times the memory of the image.
    for number, plane in enumerate(lines):
        wide = np.pad(plane.astype(np.float64), ((0, 0), (radius, radius)), mode=beyond)
        total = wide[:, radius : radius + length] * weights[radius]
        for step in range(radius, 0, -1):
            near, far = wide[:, radius - step :][:, :length], wide[:, radius + step :][:, :length]
            total += (near + far) * weights[radius - step]
        made[number] = total
    return np.moveaxis(made, -1, axis)


def widened(mask: np.ndarray, reach: int, axis: int) -> np.ndarray:
    """Return a mask with all voxels that are within ``reach`` voxels of it along an axis."""
    lines = np.moveaxis(mask, axis, 0)
    counts = np.cumsum(lines, axis=0, dtype=np.int32)
    counts = np.concatenate([np.zeros_like(counts[:1]), counts])
    place = np.arange(len(lines))
    first, last = np.maximum(place - reach, 0), np.minimum(place + reach + 1, len(lines))
    return np.moveaxis(counts[last] > counts[first], 0, axis)


def opened(mask: np.ndarray) -> np.ndarray:
    """Return a mask (k, j, i) without what is thinner than a cross of five voxels in its slice.

    Axes with fewer than three voxels do not count, because a single slice seen from the side would vanish.
    """
    axes = [axis for axis in (1, 2) if mask.shape[axis] >= 3]
    return _dilated(~_dilated(~mask, axes, beyond=True), axes, beyond=False)


def _dilated(mask: np.ndarray, axes: list[int], *, beyond: bool) -> np.ndarray:
    """Return a mask with the neighbours of its voxels along ``axes``; ``beyond`` is its value outside the image."""
    made = mask.copy()
    for axis in axes:
        here, source = np.moveaxis(made, axis, 0), np.moveaxis(mask, axis, 0)
        here[1:] |= source[:-1]
        here[:-1] |= source[1:]
        if beyond:
            here[[0, -1]] = True
    return made


def components(mask: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the number of the connected component of each voxel, 0 outside the mask, and how many there are."""
    found = sitk.GetArrayFromImage(sitk.ConnectedComponent(sitk.GetImageFromArray(mask.astype(np.uint8))))
    return found, int(found.max(initial=0))


def filled(plane: np.ndarray) -> np.ndarray:
    """Return a mask (j, i) without holes."""
    image = sitk.GetImageFromArray(plane.astype(np.uint8))
    return sitk.GetArrayFromImage(sitk.BinaryFillhole(image, fullyConnected=False, foregroundValue=1)).astype(bool)
