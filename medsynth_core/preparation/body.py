"""Where the patient is in an image."""

from __future__ import annotations

import numpy as np

# Between air (-1000 HU) and fat (-100 HU), above clothes and foam.
BODY_THRESHOLD_HU = -400.0
# SUVbw after smoothing (mm, full width at half maximum) above which a PET shows tissue, and which a part must reach
# somewhere: lung and fat reach the latter. Smoothed by less, noise in the air of a hundredth of the dose reaches both.
PET_THRESHOLD_SUV, PET_SEED_SUV, PET_SMOOTHING = 0.1, 0.2, 20.0
# Parts smaller than this share of the largest one are table, blanket or noise.
SMALLEST_PART = 0.1
# Values up to 1/30 of the brightest are told apart by their difference, those above by their ratio: a body is brighter
# than the noise around it by a factor, whatever the field of the coil does to its brightness.
MR_COMPRESSION, PET_COMPRESSION = 30.0, 100.0
LEVELS = 64


def body_mask(hu: np.ndarray) -> np.ndarray:
    """Return the patient's body in a CT.

    Args:
        hu: (k, j, i) CT in Hounsfield units, slices axial.

    Returns:
        Boolean array of the same shape. Air inside the body (lungs, bowel) belongs to it. All False when
        nothing is denser than air.
    """
    return _without_small_parts(np.asarray(hu) > BODY_THRESHOLD_HU)


def activity_mask(suv: np.ndarray, spacing: np.ndarray, margin: float) -> np.ndarray:
    """Return where a PET shows a patient, with a margin: nothing that takes up tracer lies outside.

    Args:
        suv: (k, j, i) SUVbw.
        spacing: mm along (i, j, k).
        margin: mm that are added around.

    Returns:
        Boolean array of the same shape: smoothed uptake above half of that of lung and fat, where it is connected
        to some that reaches theirs. Specks of noise in the air do not, streaks that touch the patient may.
    """
    from scipy import ndimage

    sigma = PET_SMOOTHING / (2.355 * spacing[::-1])
    smooth = ndimage.gaussian_filter(np.asarray(suv, dtype=np.float32), sigma, truncate=3.0)
    # scikit-image's hysteresis threshold needs several times the memory, and this runs on whole bodies.
    parts, count = ndimage.label(smooth > PET_THRESHOLD_SUV)
    reached = np.zeros(count + 1, dtype=bool)
    reached[parts[smooth > PET_SEED_SUV]] = True
    seen = reached[parts]
    # Boxes one axis after the other, because a ball of some voxels takes minutes.
    for axis, reach in enumerate(np.ceil(margin / spacing[::-1]).astype(int)):
        seen = ndimage.maximum_filter1d(seen, 2 * reach + 1, axis=axis)
    return seen


def tissue_mask(voxels: np.ndarray, modality: str = "MR") -> np.ndarray:
    """Return the patient's body in an image that has no scale of its own.

    In a PET the darkest of three classes of brightness (Otsu) is air; the others are body and hot organs. In an MR
    image, or one of an unknown modality, the body begins at the brightness at which edges are steepest: its outline is
    the largest step in the image, while a threshold between two classes would often part muscle from fat. Both look at
    the logarithm of the voxels.

    Args:
        voxels: (k, j, i), slices axial, the brighter the more signal.
        modality: DICOM modality.

    Returns:
        Boolean array of the same shape, as `body_mask`. All False for an image of one value.
    """
    values = np.asarray(voxels, dtype=np.float32)
    values = np.maximum(values - min(float(np.percentile(values, 0.1)), 0.0), 0)
    # Vessels, or the bladder, are no measure of how bright a body is.
    brightest = float(np.percentile(values, 99)) or float(values.max())
    if brightest == 0 or values.min() == values.max():
        return np.zeros(values.shape, dtype=bool)
    relative = np.minimum(values / brightest, 1)
    dense = _above_air(relative) if modality == "PT" else _within_steepest_edge(relative)
    return _without_small_parts(dense)


def _above_air(relative: np.ndarray) -> np.ndarray:
    from skimage.filters import threshold_multiotsu, threshold_otsu

    compressed = np.log1p(PET_COMPRESSION * relative)
    try:
        return compressed > threshold_multiotsu(compressed, classes=3)[0]
    except ValueError:  # fewer than three values
        return compressed > threshold_otsu(compressed)


def _within_steepest_edge(relative: np.ndarray) -> np.ndarray:
    from scipy import ndimage

    # Blurred, or noise would have the steepest edges.
    smooth = np.log1p(MR_COMPRESSION * ndimage.gaussian_filter(relative, 1))
    steepness = np.hypot(*np.gradient(smooth, axis=(1, 2))) if min(smooth.shape[1:]) > 1 else np.zeros(smooth.shape)
    level = np.minimum((smooth / smooth.max() * LEVELS).astype(int), LEVELS - 1).ravel()
    count = np.bincount(level, minlength=LEVELS)
    mean = np.bincount(level, steepness.ravel(), minlength=LEVELS) / np.maximum(count, 1)
    # A level that only a few voxels have says nothing.
    mean[count < 1e-4 * level.size] = 0
    step = (ndimage.gaussian_filter1d(mean, 2).argmax() + 0.5) / LEVELS * smooth.max()
    return relative > np.expm1(step) / MR_COMPRESSION


def _without_small_parts(dense: np.ndarray) -> np.ndarray:
    """Return the large parts of a mask, detached from what touches them and filled slice by slice."""
    from scipy import ndimage

    cross = np.zeros((3, 3, 3), dtype=bool)
    cross[1] = ndimage.generate_binary_structure(2, 1)
    # What is too thin to be opened along an axis would vanish: a single sagittal or coronal slice.
    for axis, voxels in enumerate(dense.shape):
        cross = cross.take([1], axis=axis) if voxels < 3 else cross
    # Opening in the plane detaches the table, which touches the skin in places.
    dense = ndimage.binary_opening(dense, cross)
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
