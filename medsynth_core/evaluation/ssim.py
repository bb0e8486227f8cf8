"""Structural similarity in three dimensions and slice by slice, by scikit-image's definition."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from skimage.metrics import structural_similarity

WINDOW = 7  # voxels along each axis
SLAB = 32  # slices of a similarity map made at once, so that a whole-body volume needs little memory

SlabMap = Callable[[np.ndarray, np.ndarray], np.ndarray]


def inner(array: np.ndarray, margin: int) -> np.ndarray:
    """Return the array without ``margin`` voxels at each border, where windows are cut."""
    return array[(slice(margin, -margin),) * array.ndim]


def mirror_thin(array: np.ndarray, window: int) -> np.ndarray:
    """Continue each axis shorter than ``window`` by mirroring half a window at both borders.

    This is the rule for thin volumes: windows then fit, and the voxels that lose their place at the border
    of the similarity map are the mirrored ones, so that every voxel of a thin axis counts. A single slice
    counts as if it were repeated.
    """
    half = window // 2
    return np.pad(array, [(half, half) if n < window else (0, 0) for n in array.shape], mode="symmetric")


def in_slabs(similarity: SlabMap, reference: np.ndarray, synthetic: np.ndarray, margin: int) -> np.ndarray:
    """Return the map of a windowed ``similarity``, made slab by slab along the first axis.

    ``margin`` is half a window: as many slices are added at each side of a slab, so that the map is the
    same as if it were made at once.
    """
    result = np.empty(reference.shape)
    for start in range(0, len(reference), SLAB):
        stop = min(start + SLAB, len(reference))
        # Windows must fit into the last slab as well, however few slices are left for it.
        first, last = max(start - 2 * margin, 0), min(stop + 2 * margin, len(reference))
        part = similarity(reference[first:last], synthetic[first:last])
        result[start:stop] = part[start - first : stop - first]
    return result


def ssim(reference: np.ndarray, synthetic: np.ndarray, data_range: float, mask: np.ndarray | None = None) -> float:
    """Return the 3-D structural similarity (uniform 7×7×7 window, sample covariance) of (k, j, i) arrays.

    Values are to be counted from the lower end of the data range, as the definition of SynthRAD 2023 asks.
    Full frame: the mean over all voxels at least three from every border. With a mask: voxels outside it
    are set to zero in both arrays, and the mean is over the mask's voxels at least three from every border.
    Axes shorter than seven voxels are mirrored (`mirror_thin`).
    NaN where the mask has no voxel that far from the border.
    """
    if mask is not None:
        reference, synthetic = (np.where(mask != 0, array, 0) for array in (reference, synthetic))
    a, b = (mirror_thin(array.astype(np.float64), WINDOW) for array in (reference, synthetic))

    def similarity(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return structural_similarity(x, y, win_size=WINDOW, data_range=data_range, full=True)[1]

    values = inner(in_slabs(similarity, a, b, WINDOW // 2), WINDOW // 2)
    if mask is not None:
        values = values[inner(mirror_thin(mask != 0, WINDOW), WINDOW // 2)]
    return float(values.mean()) if values.size else math.nan


def _slices(reference: np.ndarray, synthetic: np.ndarray, window: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for a, b in zip(reference, synthetic, strict=True):
        yield mirror_thin(a.astype(np.float64), window), mirror_thin(b.astype(np.float64), window)


def ssim_2d_skimage7(reference: np.ndarray, synthetic: np.ndarray, data_range: float) -> float:
    """Return the mean over slices k of the 2-D similarity with scikit-image's defaults.

    Uniform 7×7 window, sample covariance, always over the full frame, background included.
    Slices with fewer than seven rows or columns are mirrored (`mirror_thin`).
    """
    return float(
        np.mean(
            [
                structural_similarity(a, b, win_size=WINDOW, data_range=data_range)
                for a, b in _slices(reference, synthetic, WINDOW)
            ]
        )
    )


def ssim_2d_wang11(reference: np.ndarray, synthetic: np.ndarray, data_range: float) -> float:
    """Return the mean over slices k of the 2-D similarity as Wang et al. (2004) define it.

    Gaussian 11×11 window with a standard deviation of 1.5 pixels, population covariance, always over the
    full frame, background included. Slices with fewer than eleven rows or columns are mirrored
    (`mirror_thin`).
    """
    return float(
        np.mean(
            [
                structural_similarity(
                    a, b, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=data_range
                )
                for a, b in _slices(reference, synthetic, 11)
            ]
        )
    )
