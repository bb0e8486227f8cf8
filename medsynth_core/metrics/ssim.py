"""Structural similarity (SSIM) in 3-D and by slice, as defined by scikit-image."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from medsynth_core.metrics.metric import Metric

WINDOW = 7  # voxels along each axis
SLAB = 32  # slices of a similarity map computed at once, so that a whole-body volume needs little memory

SlabMap = Callable[[np.ndarray, np.ndarray], np.ndarray]


def inner(array: np.ndarray, margin: int) -> np.ndarray:
    """Return the array without ``margin`` voxels at each border, where windows would be incomplete."""
    return array[(slice(margin, -margin),) * array.ndim]


def mirror_thin(array: np.ndarray, window: int) -> np.ndarray:
    """Pad each axis shorter than ``window`` by mirroring half a window at both borders.

    With this rule for thin volumes windows fit, and the border voxels excluded from the similarity map are the
    mirrored ones, so that every voxel of a thin axis is included. A single slice is treated as if it were repeated.
    """
    half = window // 2
    return np.pad(array, [(half, half) if n < window else (0, 0) for n in array.shape], mode="symmetric")


def in_slabs(similarity: SlabMap, reference: np.ndarray, synthetic: np.ndarray, margin: int) -> np.ndarray:
    """Return the map of a windowed ``similarity``, computed slab by slab along the first axis.

    ``margin`` is half a window. Each slab is extended by neighbouring slices, so that the map is the same as if
    computed at once.
    """
    result = np.empty(reference.shape)
    for start in range(0, len(reference), SLAB):
        stop = min(start + SLAB, len(reference))
        # Twice the margin, so that windows also fit into a last slab of few slices.
        first, last = max(start - 2 * margin, 0), min(stop + 2 * margin, len(reference))
        part = similarity(reference[first:last], synthetic[first:last])
        result[start:stop] = part[start - first : stop - first]
    return result


def ssim(reference: np.ndarray, synthetic: np.ndarray, data_range: float, mask: np.ndarray | None = None) -> float:
    """Return the 3-D structural similarity (uniform 7×7×7 window, sample covariance) of (k, j, i) arrays.

    Values must be relative to the lower end of the data range, as in the definition of SynthRAD 2023.
    Without a mask, the mean is over all voxels at least three voxels from every border. With a mask, voxels outside it
    are set to zero in both arrays, and the mean is over the mask's voxels at least three voxels from every border.
    Axes shorter than seven voxels are mirrored (`mirror_thin`).
    NaN if the mask has no voxel that far from the border.
    """
    from skimage.metrics import structural_similarity

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
    """Return the mean over slices k of the 2-D SSIM with scikit-image's defaults.

    Uniform 7×7 window, sample covariance, always over the full frame, including background.
    Slices with fewer than seven rows or columns are mirrored (`mirror_thin`).
    """
    from skimage.metrics import structural_similarity

    return float(
        np.mean(
            [
                structural_similarity(a, b, win_size=WINDOW, data_range=data_range)
                for a, b in _slices(reference, synthetic, WINDOW)
            ]
        )
    )


def ssim_2d_wang11(reference: np.ndarray, synthetic: np.ndarray, data_range: float) -> float:
    """Return the mean over slices k of the 2-D SSIM as defined by Wang et al. (2004).

    Gaussian 11×11 window with a standard deviation of 1.5 pixels, population covariance, always over the full frame,
    including background. Slices with fewer than eleven rows or columns are mirrored (`mirror_thin`).
    """
    from skimage.metrics import structural_similarity

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


SSIM = Metric(
    "ssim",
    title="SSIM (3-D)",
    unit="1",
    direction="higher",
    function=lambda c: ssim(c.counted_reference, c.counted_synthetic, c.span, c.mask),
    undefined="the mask has no voxel at least three voxels from the border",
    decimals=".3f",
)
SSIM_2D_WANG11 = Metric(
    "ssim_2d_wang11",
    title="SSIM of slices (Gaussian 11 × 11)",
    unit="1",
    direction="higher",
    function=lambda c: ssim_2d_wang11(c.counted_reference, c.counted_synthetic, c.span),
    region="frame",
    decimals=".3f",
)
SSIM_2D_SKIMAGE7 = Metric(
    "ssim_2d_skimage7",
    title="SSIM of slices (uniform 7 × 7)",
    unit="1",
    direction="higher",
    function=lambda c: ssim_2d_skimage7(c.counted_reference, c.counted_synthetic, c.span),
    region="frame",
    decimals=".3f",
)
