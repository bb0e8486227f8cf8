"""Preservation of edges."""

from __future__ import annotations

import numpy as np

from medsynth_core.metrics.metric import Metric
from medsynth_core.metrics.pixel import mae


def edge_mae(reference: np.ndarray, synthetic: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Return the mean absolute difference of the Sobel gradient magnitudes of two (k, j, i) arrays.

    scikit-image's 3-D Sobel filter: along each axis the difference between a voxel's two neighbours, smoothed along
    the other axes; the magnitude is the root mean square over the three axes, in the unit of the voxels. Borders are
    mirrored, spacing is ignored, nothing is clipped. With a mask, the mean is over its voxels, but gradients at its
    edge include voxels outside; without a mask, the mean is over the full frame.
    """
    from skimage.filters import sobel

    return mae(sobel(reference.astype(np.float64)), sobel(synthetic.astype(np.float64)), mask)


EDGE_MAE = Metric(
    "edge_mae",
    title="MAE of edges (Sobel)",
    unit="image",
    direction="lower",
    function=lambda c: edge_mae(c.reference, c.synthetic, c.mask),
)
