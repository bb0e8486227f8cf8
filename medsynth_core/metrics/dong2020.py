"""The metrics of Dong et al. (2020), CT→MRI, in grey levels: 0 and 255 are the reference's minimum and maximum."""

from __future__ import annotations

import math

import numpy as np

from medsynth_core.metrics.metric import Comparison, Metric
from medsynth_core.metrics.pixel import mae
from medsynth_core.metrics.ssim import ssim_2d_wang11

# Highest grey level.
GREY = 255.0


def grey_levels(voxels: np.ndarray, low: float, span: float) -> np.ndarray:
    """Return voxels as grey levels (float64): ``low`` becomes 0, ``low + span`` 255; nothing is clipped.

    This is the publication's equation 1 if ``low`` and ``span`` are the reference's minimum and range.
    """
    return (voxels.astype(np.float64) - low) * (GREY / span)


def _both(comparison: Comparison) -> tuple[np.ndarray, np.ndarray]:
    reference = comparison.reference
    low, span = float(reference.min()), float(np.ptp(reference.astype(np.float64)))
    return grey_levels(reference, low, span), grey_levels(comparison.synthetic, low, span)


def mae_255(comparison: Comparison) -> float:
    """Return the mean absolute error in grey levels where the reference is not 0, within the mask if there is one.

    NaN if the reference is constant or the mask contains only background.
    """
    if not np.ptp(comparison.reference):
        return math.nan
    reference, synthetic = _both(comparison)
    inside = reference != 0 if comparison.mask is None else (reference != 0) & (comparison.mask != 0)
    return mae(reference, synthetic, inside) if inside.any() else math.nan


def ssim_255(comparison: Comparison) -> float:
    """Return the mean over slices k of the SSIM of Wang et al. (2004) in grey levels, data range 255.

    Over whole slices, including background: the publication's equation 3 in a sliding Gaussian window. NaN if the
    reference is constant.
    """
    if not np.ptp(comparison.reference):
        return math.nan
    return ssim_2d_wang11(*_both(comparison), GREY)


_CONSTANT = "the reference is constant in the compared voxels"
MAE_255 = Metric(
    "mae_255",
    title="MAE in grey levels 0 to 255 (Dong et al. 2020)",
    unit="grey levels",
    direction="lower",
    function=mae_255,
    undefined=_CONSTANT,
    decimals=".2f",
    evaluated=False,
)
SSIM_255 = Metric(
    "ssim_255",
    title="SSIM of slices in grey levels (Dong et al. 2020)",
    unit="1",
    direction="higher",
    function=ssim_255,
    region="frame",
    undefined=_CONSTANT,
    decimals=".3f",
    evaluated=False,
)
