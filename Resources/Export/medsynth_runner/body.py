"""The body in an image, and boxes around it."""

from __future__ import annotations

import numpy as np

from .filters import components, filled, gaussian, opened, widened

BODY_THRESHOLD_HU = -400.0
PET_THRESHOLD_SUV, PET_SEED_SUV, PET_SMOOTHING = 0.1, 0.2, 20.0
SMALLEST_PART = 0.1


def body_mask(hu: np.ndarray) -> np.ndarray:
    """Return the body mask of a CT (k, j, i) in HU: large parts denser than air, with the air inside them."""
    dense = opened(hu > BODY_THRESHOLD_HU)
    parts, count = components(dense)
    if count == 0:
        return dense
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    body = (sizes >= SMALLEST_PART * sizes.max())[parts]
    return np.stack([filled(plane) for plane in body])


def activity_mask(suv: np.ndarray, spacing: np.ndarray, margin: float) -> np.ndarray:
    """Return the body mask of a PET (k, j, i) in SUVbw; ``spacing`` (i, j, k) and ``margin`` are in mm."""
    smooth = gaussian(suv, PET_SMOOTHING / (2.355 * spacing[::-1]), "symmetric")
    parts, count = components(smooth > PET_THRESHOLD_SUV)
    reached = np.zeros(count + 1, dtype=bool)
    reached[parts[smooth > PET_SEED_SUV]] = True
    seen = reached[parts]
    for axis, reach in enumerate(np.ceil(margin / spacing[::-1]).astype(int)):
        seen = widened(seen, int(reach), axis)
    return seen


def body_box(body: np.ndarray, margin: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the first voxel and the size (both i, j, k) of the box around a mask plus a margin in voxels."""
    first, last = [], []
    for axis, pad in zip((2, 1, 0), np.ceil(margin).astype(int), strict=True):
        used = np.flatnonzero(body.any(axis=tuple(a for a in range(3) if a != axis)))
        n = body.shape[axis]
        first.append(max(used[0] - pad, 0) if used.size else 0)
        last.append(min(used[-1] + pad, n - 1) if used.size else n - 1)
    return np.array(first), np.array(last) - np.array(first) + 1


def body_boxes(body: np.ndarray, margin: np.ndarray) -> np.ndarray:
    """Return first row, row after the last, first column and column after the last of the body in each slice (k, 4).

    ``margin`` is in voxels along (j, i); a slice without body has zeros.
    """
    rows, columns = np.any(body, axis=2), np.any(body, axis=1)
    reach = np.ceil(margin).astype(int)
    boxes = np.concatenate([_ranges(rows, reach[0]), _ranges(columns, reach[1])], axis=1)
    return boxes * np.any(rows, axis=1)[:, None]


def _ranges(occupied: np.ndarray, margin: int) -> np.ndarray:
    length = occupied.shape[1]
    first = occupied.argmax(axis=1) - margin
    last = length - occupied[:, ::-1].argmax(axis=1) + margin
    return np.stack([np.maximum(first, 0), np.minimum(last, length)], axis=1)
