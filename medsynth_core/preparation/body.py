"""Where the patient is in a CT."""

from __future__ import annotations

import numpy as np

# Between air (-1000 HU) and fat (-100 HU), above clothes and foam.
BODY_THRESHOLD_HU = -400.0
# Parts smaller than this share of the largest one are table, blanket or noise.
SMALLEST_PART = 0.1


def body_mask(hu: np.ndarray) -> np.ndarray:
    """Return the patient's body in a CT.

    Args:
        hu: (k, j, i) CT in Hounsfield units, slices axial.

    Returns:
        Boolean array of the same shape. Air inside the body (lungs, bowel) belongs to it. All False when
        nothing is denser than air.
    """
    from scipy import ndimage

    cross = np.zeros((3, 3, 3), dtype=bool)
    cross[1] = ndimage.generate_binary_structure(2, 1)
    # What is too thin to be opened along an axis would vanish: a single sagittal or coronal slice.
    for axis, voxels in enumerate(np.shape(hu)):
        cross = cross.take([1], axis=axis) if voxels < 3 else cross
    # Opening in the plane detaches the table, which touches the skin in places.
    dense = ndimage.binary_opening(np.asarray(hu) > BODY_THRESHOLD_HU, cross)
    parts, count = ndimage.label(dense)
    if count == 0:
        return dense
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    body = (sizes >= SMALLEST_PART * sizes.max())[parts]
    return np.stack([ndimage.binary_fill_holes(plane) for plane in body])


def body_box(body: np.ndarray, margin: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the first voxel and the size (both i, j, k) of the box around ``body`` with a margin in voxels.

    The box stays inside the array; without a body it is the whole array.
    """
    first, last = [], []
    for axis, pad in zip((2, 1, 0), np.ceil(margin).astype(int), strict=True):
        used = np.flatnonzero(body.any(axis=tuple(a for a in range(3) if a != axis)))
        n = body.shape[axis]
        first.append(max(used[0] - pad, 0) if used.size else 0)
        last.append(min(used[-1] + pad, n - 1) if used.size else n - 1)
    return np.array(first), np.array(last) - np.array(first) + 1
