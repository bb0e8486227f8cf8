"""Multi-scale structural similarity of volumes, as used for ranking in the SynthRAD 2025 challenge.

Own implementation: scikit-image has none, and MONAI's ``MultiScaleSSIMMetric`` supports no mask, so that its values
are not comparable with the challenge's.
"""

from __future__ import annotations

import math

import numpy as np

from medsynth_core.metrics.metric import Metric
from medsynth_core.metrics.ssim import WINDOW, in_slabs, inner

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
# Four halvings of 97 voxels leave seven: one window.
SMALLEST = 97


def ms_ssim(reference: np.ndarray, synthetic: np.ndarray, data_range: float, mask: np.ndarray | None = None) -> float:
    """Return the multi-scale structural similarity of (k, j, i) arrays.

    Five scales with the weights of Wang et al. (2003). At each scale, luminance, contrast and structure from a uniform
    7×7×7 window are clipped at zero, raised to the scale's weight (luminance at every scale) and averaged; the result
    is the product of the five averages, each clipped to 0…1. Values must be relative to the lower end of the data
    range. Axes shorter than 97 voxels are padded with their border voxels. The next scale takes every second voxel of
    the mean over 2×2×2 voxels, and every second voxel of the mask.

    Without a mask, averages are over all voxels at least three voxels from every border of the scale. With a mask,
    voxels outside it are set to zero in both arrays, and averages are over the mask's voxels at least three voxels
    from every border of the scale. NaN if a scale has no such voxel (a small mask).
    """
    inside = np.ones(reference.shape, dtype=bool) if mask is None else mask != 0
    a, b = (_enlarge(np.where(inside, array, 0).astype(np.float64)) for array in (reference, synthetic))
    inside = _enlarge(inside)
    result = 1.0
    for weight in WEIGHTS:
        similarity = in_slabs(lambda x, y: _similarity(x, y, data_range), a, b, WINDOW // 2)
        values = inner(similarity, WINDOW // 2)[inner(inside, WINDOW // 2)]
        if not values.size:
            return math.nan
        result *= float(np.clip((values**weight).mean(), 0, 1))
        a, b, inside = _halve(a), _halve(b), inside[::2, ::2, ::2]
    return result


def _enlarge(array: np.ndarray) -> np.ndarray:
    missing = [max(SMALLEST - n, 0) for n in array.shape]
    return np.pad(array, [(n // 2, n - n // 2) for n in missing], mode="edge")


def _halve(array: np.ndarray) -> np.ndarray:
    """Average each voxel with its predecessors (zero before the first), then take every second voxel."""
    from scipy.ndimage import uniform_filter

    return uniform_filter(array, 2, mode="constant")[::2, ::2, ::2]


def _similarity(a: np.ndarray, b: np.ndarray, data_range: float) -> np.ndarray:
    """Return the product of luminance, contrast and structure at each voxel, at least zero.

    The factors are computed separately because each is clipped at zero; scikit-image returns only their unclipped
    product.
    """
    from scipy.ndimage import uniform_filter

    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    sample = WINDOW**3 / (WINDOW**3 - 1)
    mean_a, mean_b = uniform_filter(a, WINDOW), uniform_filter(b, WINDOW)
    var_a = sample * (uniform_filter(a * a, WINDOW) - mean_a**2)
    var_b = sample * (uniform_filter(b * b, WINDOW) - mean_b**2)
    covariance = sample * (uniform_filter(a * b, WINDOW) - mean_a * mean_b)
    deviations = np.sqrt(np.maximum(var_a, 0) * np.maximum(var_b, 0))
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    contrast = (2 * deviations + c2) / (var_a + var_b + c2)
    structure = (covariance + c2 / 2) / (deviations + c2 / 2)
    return np.maximum(luminance, 0) * np.maximum(contrast, 0) * np.maximum(structure, 0)


MS_SSIM = Metric(
    "ms_ssim",
    title="MS-SSIM (3-D)",
    unit="1",
    direction="higher",
    function=lambda c: ms_ssim(c.counted_reference, c.counted_synthetic, c.span, c.mask),
    undefined="no voxel of the mask is far enough from the border at the coarsest scale",
    decimals=".3f",
)
