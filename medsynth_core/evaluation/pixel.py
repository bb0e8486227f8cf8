"""Errors of voxel values: over a mask where one is given, otherwise over the full frame.

Full frame means every voxel of the array, background and air included; a mask limits both the sums and
their counts to voxels where it is not zero. Arrays may have any shape, the same for all arguments.
"""

from __future__ import annotations

import math

import numpy as np
from skimage.metrics import mean_squared_error, normalized_root_mse, peak_signal_noise_ratio


def _inside(reference: np.ndarray, synthetic: np.ndarray, mask: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Return the compared values of both as float64, flat."""
    inside = np.ones(reference.shape, dtype=bool) if mask is None else mask != 0
    return reference[inside].astype(np.float64), synthetic[inside].astype(np.float64)


def mae(reference: np.ndarray, synthetic: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Return the mean absolute error in the unit of the voxels; nothing is clipped."""
    a, b = _inside(reference, synthetic, mask)
    return float(np.abs(a - b).mean())


def mse(reference: np.ndarray, synthetic: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Return the mean squared error in the squared unit of the voxels; nothing is clipped."""
    return float(mean_squared_error(*_inside(reference, synthetic, mask)))


def rmse(reference: np.ndarray, synthetic: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Return the root of the mean squared error in the unit of the voxels; nothing is clipped."""
    return math.sqrt(mse(reference, synthetic, mask))


def nrmse_minmax(reference: np.ndarray, synthetic: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Return the RMSE over the reference's range (maximum minus minimum), a fraction: 0.01 is 1 %.

    With a mask the range too is that of the reference inside the mask. Nothing is clipped.
    NaN where the reference is constant.
    """
    a, b = _inside(reference, synthetic, mask)
    return float(normalized_root_mse(a, b, normalization="min-max")) if np.ptp(a) else math.nan


def psnr(reference: np.ndarray, synthetic: np.ndarray, data_range: float, mask: np.ndarray | None = None) -> float:
    """Return the peak signal-to-noise ratio in dB: 10·log10(data_range² / mean squared error).

    Clip both arrays to the range beforehand if the preset says so. Infinite where nothing differs.
    """
    a, b = _inside(reference, synthetic, mask)
    if np.array_equal(a, b):
        return math.inf
    return float(peak_signal_noise_ratio(a, b, data_range=data_range))
