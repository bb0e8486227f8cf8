"""Body segmentation by thresholds and connected components.

Implemented here because segmentation networks need weights of their own, take minutes without a GPU, and are trained
on full-dose images.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

# Between air (-1000 HU) and fat (-100 HU), and above clothes and foam.
BODY_THRESHOLD_HU = -400.0
# Hysteresis thresholds (SUVbw) for tissue in a PET after smoothing (mm, full width at half maximum). Lung and fat reach
# the seed threshold. With less smoothing, noise in air at 1/100 of the dose reaches both.
PET_THRESHOLD_SUV, PET_SEED_SUV, PET_SMOOTHING = 0.1, 0.2, 20.0
# Components smaller than this share of the largest one are table, blanket or noise.
SMALLEST_PART = 0.1
# Logarithmic compression: about linear up to 1/30 (MR) of the brightest value and logarithmic above, because a body is
# brighter than the surrounding noise by a factor, despite the bias field of the coil.
MR_COMPRESSION, PET_COMPRESSION = 30.0, 100.0
LEVELS = 64


def body_mask(hu: np.ndarray) -> np.ndarray:
    """Return the body mask of a CT.

    Args:
        hu: (k, j, i) CT in Hounsfield units, with axial slices.

    Returns:
        Boolean array of the same shape. Air inside the body (lungs, bowel) is included. All False if nothing is
        denser than air.
    """
    return _without_small_parts(np.asarray(hu) > BODY_THRESHOLD_HU)


def activity_mask(suv: np.ndarray, spacing: np.ndarray, margin: float) -> np.ndarray:
    """Return the body mask of a PET with a margin, so that it includes all tissue with uptake.

    Args:
        suv: (k, j, i) SUVbw.
        spacing: voxel spacing in mm along (i, j, k).
        margin: margin around the body in mm.

    Returns:
        Boolean array of the same shape: smoothed uptake above half of that of lung and fat, where it is connected
        to uptake that reaches theirs. This excludes specks of noise in air, but may include streaks that touch the
        patient.
    """
    sigma = PET_SMOOTHING / (2.355 * spacing[::-1])
    smooth = ndimage.gaussian_filter(np.asarray(suv, dtype=np.float32), sigma, truncate=3.0)
    # scikit-image's hysteresis threshold needs several times the memory, which matters for whole-body images.
    parts, count = ndimage.label(smooth > PET_THRESHOLD_SUV)
    reached = np.zeros(count + 1, dtype=bool)
    reached[parts[smooth > PET_SEED_SUV]] = True
    seen = reached[parts]
    # Dilation by a box, one axis at a time; dilation by a ball would take minutes.
    for axis, reach in enumerate(np.ceil(margin / spacing[::-1]).astype(int)):
        seen = ndimage.maximum_filter1d(seen, 2 * reach + 1, axis=axis)
    return seen


def tissue_mask(voxels: np.ndarray, modality: str = "MR") -> np.ndarray:
    """Return the body mask of an image without an absolute intensity scale.

    In a PET, the darkest of three brightness classes (multi-level Otsu) is air; the others are body and hot organs. In
    an MR image, or one of unknown modality, the threshold is the brightness at which edges are steepest, because the
    body outline is the strongest edge, while a two-class threshold would often separate muscle from fat. Both methods
    work on the logarithm of the voxels.

    Args:
        voxels: (k, j, i) with axial slices; higher values mean more signal.
        modality: DICOM modality.

    Returns:
        Boolean array of the same shape, as `body_mask`. All False for a constant image.
    """
    values = np.asarray(voxels, dtype=np.float32)
    values = np.maximum(values - min(float(np.percentile(values, 0.1)), 0.0), 0)
    # A percentile, so that vessels or the bladder do not set the scale.
    brightest = float(np.percentile(values, 99)) or float(values.max())
    if brightest == 0 or values.min() == values.max():
        return np.zeros(values.shape, dtype=bool)
    relative = np.minimum(values / brightest, 1)
    dense = _above_air(relative) if modality == "PT" else relative > steepest_edge(relative)
    return _without_small_parts(dense)


def _above_air(relative: np.ndarray) -> np.ndarray:
    from skimage.filters import threshold_multiotsu, threshold_otsu

    compressed = np.log1p(PET_COMPRESSION * relative)
    try:
        return compressed > threshold_multiotsu(compressed, classes=3)[0]
    except ValueError:  # fewer than three values
        return compressed > threshold_otsu(compressed)


def steepest_edge(relative: np.ndarray) -> float:
    """Return the brightness at which the edges in slices are steepest, which separates a body from air.

    Args:
        relative: (k, j, i) from 0 to 1, not constant.
    """
    # Without smoothing, noise would have the steepest edges.
    smooth = np.log1p(MR_COMPRESSION * ndimage.gaussian_filter(relative, 1))
    steepness = np.hypot(*np.gradient(smooth, axis=(1, 2))) if min(smooth.shape[1:]) > 1 else np.zeros(smooth.shape)
    level = np.minimum((smooth / smooth.max() * LEVELS).astype(int), LEVELS - 1).ravel()
    count = np.bincount(level, minlength=LEVELS)
    mean = np.bincount(level, steepness.ravel(), minlength=LEVELS) / np.maximum(count, 1)
    # Ignore levels with only a few voxels.
    mean[count < 1e-4 * level.size] = 0
    step = (ndimage.gaussian_filter1d(mean, 2).argmax() + 0.5) / LEVELS * smooth.max()
    return float(np.expm1(step) / MR_COMPRESSION)


def _without_small_parts(dense: np.ndarray) -> np.ndarray:
    """Return the large components of a mask, separated from touching objects and filled slice by slice."""
    cross = np.zeros((3, 3, 3), dtype=bool)
    cross[1] = ndimage.generate_binary_structure(2, 1)
    # Do not open along an axis with fewer than three voxels: a single sagittal or coronal slice would vanish.
    for axis, voxels in enumerate(dense.shape):
        cross = cross.take([1], axis=axis) if voxels < 3 else cross
    # In-plane opening separates the table where it touches the skin.
    dense = ndimage.binary_opening(dense, cross)
    parts, count = ndimage.label(dense)
    if count == 0:
        return dense
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    body = (sizes >= SMALLEST_PART * sizes.max())[parts]
    return np.stack([ndimage.binary_fill_holes(plane) for plane in body])


def body_box(body: np.ndarray, margin: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the first voxel and the size (both i, j, k) of the bounding box of ``body`` plus a margin in voxels.

    The box is limited to the array; if the mask is empty, it is the whole array.
    """
    first, last = [], []
    for axis, pad in zip((2, 1, 0), np.ceil(margin).astype(int), strict=True):
        used = np.flatnonzero(body.any(axis=tuple(a for a in range(3) if a != axis)))
        n = body.shape[axis]
        first.append(max(used[0] - pad, 0) if used.size else 0)
        last.append(min(used[-1] + pad, n - 1) if used.size else n - 1)
    return np.array(first), np.array(last) - np.array(first) + 1
