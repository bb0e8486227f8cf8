"""Metrics of low-dose PET recovery: preserved activity and dose classification."""

from __future__ import annotations

import math

import numpy as np

from medsynth_core.metrics.metric import Metric


def activity_ratio(reference: np.ndarray, synthetic: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Return the sum of the synthetic voxels divided by that of the reference: 1 if all activity is preserved.

    Args:
        reference: full-dose PET, any shape.
        synthetic: PET of the same shape and unit.
        mask: voxels to sum, usually the body, because noise adds activity to the air; None for all voxels.

    Returns:
        The ratio; NaN if the reference's sum is zero.
    """
    inside = np.ones(reference.shape, dtype=bool) if mask is None else mask != 0
    made, true = (float(array.sum(where=inside, dtype=np.float64)) for array in (synthetic, reference))
    return made / true if true else math.nan


ACTIVITY_RATIO = Metric(
    "activity_ratio",
    title="activity ratio to the reference",
    unit="1",
    direction="one",
    function=lambda c: activity_ratio(c.reference, c.synthetic, c.mask),
    undefined="the reference has no activity in the compared voxels",
    decimals=".3f",
    evaluated=False,
)
DOSE_ACCURACY = Metric(
    "dose_accuracy",
    title="dose classification accuracy",
    unit="1",
    direction="higher",
    # Compares a model's dose class with the simulated dose; not computed from voxels.
    function=None,
    region="frame",
    undefined="the method does not classify the dose",
    decimals=".2f",
    evaluated=False,
)
