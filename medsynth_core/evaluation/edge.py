"""How well edges are kept."""

from __future__ import annotations

import numpy as np
from skimage.filters import sobel

from medsynth_core.evaluation.pixel import mae


def edge_mae(reference: np.ndarray, synthetic: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Return the mean absolute difference of the Sobel gradient magnitudes of two (k, j, i) arrays.

    scikit-image's 3-D Sobel filter: along each axis the difference between a voxel's two neighbours, smoothed
    across; the magnitude is the root mean square over the three axes, in the unit of the voxels. Borders are
    mirrored, spacing is not regarded, nothing is clipped. With a mask, the mean is over its voxels, while
    gradients at its rim still see the voxels beyond; without, over the full frame.
    """
    return mae(sobel(reference.astype(np.float64)), sobel(synthetic.astype(np.float64)), mask)
