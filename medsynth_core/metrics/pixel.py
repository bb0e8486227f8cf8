"""Errors of voxel values, within a mask if one is given, otherwise over the full frame.

The full frame is every voxel of the array, including background and air; with a mask, only voxels where it is not
zero are used. Arrays may have any shape, the same for all arguments. The formulas are those of scikit-image, which is
not imported here because the Slicer modules read the metrics registry before it is installed.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from medsynth_core.metrics.metric import Comparison, Metric


def _inside(reference: np.ndarray, synthetic: np.ndarray, mask: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Return the compared values of both arrays, flattened, as float64."""
    inside = np.ones(reference.shape, dtype=bool) if mask is None else mask != 0
    return reference[inside].astype(np.float64), synthetic[inside].astype(np.float64)


def mae(reference: np.ndarray, synthetic: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Return the mean absolute error in the unit of the voxels; nothing is clipped."""
    a, b = _inside(reference, synthetic, mask)
    return float(np.abs(a - b).mean())


def mse(reference: np.ndarray, synthetic: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Return the mean squared error in the squared unit of the voxels; nothing is clipped."""
    a, b = _inside(reference, synthetic, mask)
    return float(np.mean((a - b) ** 2))


def rmse(reference: np.ndarray, synthetic: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Return the root mean squared error in the unit of the voxels; nothing is clipped."""
    return math.sqrt(mse(reference, synthetic, mask))


def nrmse_minmax(reference: np.ndarray, synthetic: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Return the RMSE divided by the reference's range (maximum minus minimum), as a fraction: 0.01 is 1 %.

    With a mask, the range is also that of the reference inside the mask. Nothing is clipped.
    NaN if the reference is constant.
    """
    a, b = _inside(reference, synthetic, mask)
    return math.sqrt(np.mean((a - b) ** 2)) / float(np.ptp(a)) if np.ptp(a) else math.nan


def psnr(reference: np.ndarray, synthetic: np.ndarray, data_range: float, mask: np.ndarray | None = None) -> float:
    """Return the peak signal-to-noise ratio in dB: 10·log10(data_range² / mean squared error).

    If the preset requires clipping, both arrays must be clipped beforehand. Infinite if both are equal.
    """
    a, b = _inside(reference, synthetic, mask)
    if np.array_equal(a, b):
        return math.inf
    return float(10 * np.log10(data_range**2 / np.mean((a - b) ** 2)))


def _plain(function: Callable[[np.ndarray, np.ndarray, np.ndarray | None], float]) -> Callable[[Comparison], float]:
    """Return an error of the unclipped voxels as a function of a comparison."""
    return lambda comparison: function(comparison.reference, comparison.synthetic, comparison.mask)


MAE = Metric("mae", title="MAE", unit="image", direction="lower", function=_plain(mae))
MSE = Metric("mse", title="MSE", unit="image²", direction="lower", function=_plain(mse))
RMSE = Metric("rmse", title="RMSE", unit="image", direction="lower", function=_plain(rmse))
NRMSE_MINMAX = Metric(
    "nrmse_minmax",
    title="NRMSE (min-max)",
    unit="1",
    direction="lower",
    function=_plain(nrmse_minmax),
    undefined="the reference is constant in the compared voxels",
)
PSNR = Metric(
    "psnr",
    title="PSNR",
    unit="dB",
    direction="higher",
    function=lambda c: psnr(c.counted_reference, c.counted_synthetic, c.span, c.mask),
    decimals=".2f",
)
