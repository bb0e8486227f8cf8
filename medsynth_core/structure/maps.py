"""Structure maps and background masks (Algorithms 1 and 2 of Qu's thesis, with three corrections).

The text of Algorithm 1 leaves out that edges are scaled to 0…1, and its line 12 compares the former maps with β where
the blurred one is meant. The mask of Algorithm 2 is 1 on the background, although it is called that of the organ.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from scipy.ndimage import binary_fill_holes, maximum_filter1d

from medsynth_core.errors import MedSynthError
from medsynth_core.preparation.body import steepest_edge
from medsynth_core.structure.settings import StructureSettings

# Share of the organ's pixels that the automatic threshold makes lines, before they are widened.
LINE_SHARE = 0.1
# The automatic threshold of the organ, and the range without its ends, are found in so many slices of a volume.
MOST_SLICES = 32
# Reach (pixels) of the edges of a lesion, which lie on both sides of its border: one of the Sobel kernel and one of the
# Gaussians.
LESION_REACH = 2


def structure_map(
    image: np.ndarray,
    settings: StructureSettings,
    *,
    background: np.ndarray | None = None,
    lesion: np.ndarray | None = None,
    spacing: Sequence[float] | None = None,
) -> np.ndarray:
    """Return the structure map of an image: the lines of its edges (Algorithm 1).

    Args:
        image: (rows, columns) or (k, rows, columns), real numbers. Slices of the latter are treated one by one unless
            ``spacing`` is given.
        settings: parameters.
        background: mask of the background, as `background_mask` returns it; made from the image if None.
        lesion: mask of lesions (not 0), whose own edges are left out; of the image's shape.
        spacing: distances of neighbouring voxels along (k, rows, columns), in any unit, for edges in three dimensions.

    Returns:
        Boolean array of the image's shape, False on the background.

    Raises:
        MedSynthError: the shapes differ, or the image has voxels that are not finite.
    """
    scaled = scale(image, settings)
    hidden = _background(scaled, settings, solid=spacing is not None) if background is None else background != 0
    for name, mask in (("mask of the background", hidden), ("lesion mask", lesion)):
        if mask is not None and mask.shape != scaled.shape:
            raise MedSynthError(
                f"The {name} has the shape {mask.shape} and the image {scaled.shape}; choose one of the same grid.",
                kind="input",
            )
    if spacing is not None:
        if len(spacing) != scaled.ndim or not all(0 < distance < np.inf for distance in spacing):
            raise MedSynthError(
                f"The spacing {tuple(spacing)} is not {scaled.ndim} distances above 0, one for each axis of the image; "
                "state that of its voxels.",
                kind="input",
            )
        weights = [min(spacing) / distance for distance in spacing]
        found = _lines(scaled, ~hidden, settings, weights)
    else:
        found = _by_slice(lambda part, inside: _lines(part, inside, settings), scaled, ~hidden)
    found &= ~hidden
    return found if lesion is None else found & ~_widened(lesion != 0, LESION_REACH, solid=spacing is not None)


def background_mask(image: np.ndarray, settings: StructureSettings, *, solid: bool = False) -> np.ndarray:
    """Return the mask of what is not the organ (Algorithm 2).

    The organ grows because the mask, with the hole where the organ is, is enlarged about the middle of the image and
    cut to its former size; near the edges of the image it grows most, in the middle not at all.

    Args:
        image: as for `structure_map`.
        settings: parameters.
        solid: enlarge and smooth in three dimensions instead of slice by slice.

    Returns:
        Boolean array of the image's shape, True on the background.

    Raises:
        MedSynthError: the image has voxels that are not finite.
    """
    return _background(scale(image, settings), settings, solid)


def scale(image: np.ndarray, settings: StructureSettings) -> np.ndarray:
    """Return an image scaled to 0…1 by the window of the settings or by its own range, float64; a constant one is 0.

    Raises:
        MedSynthError: the image is not of two or three dimensions, or has voxels that are not finite.
    """
    values = np.asarray(image)
    if values.ndim not in (2, 3) or not values.size or values.dtype.kind not in "biuf":
        raise MedSynthError(
            f"A structure map needs a grey image of two or three dimensions, but this one has the shape "
            f"{values.shape}; convert a colour image to grey first.",
            kind="input",
        )
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise MedSynthError(
            "The image has voxels that are not finite, at which it has no edges; fill them first.", kind="input"
        )
    low, high = settings.window or _range(values, settings.clip)
    if high == low:
        return np.zeros(values.shape)
    return np.clip((values - np.float64(low)) / (high - low), 0.0, 1.0)


def _range(values: np.ndarray, clip: float) -> tuple[float, float]:
    if clip == 0.0:
        return float(values.min()), float(values.max())
    low, high = np.percentile(_some_slices(values), (100 * clip, 100 * (1 - clip)))
    return float(low), float(high)


def _background(scaled: np.ndarray, settings: StructureSettings, solid: bool) -> np.ndarray:
    inside = scaled > _organ_threshold(scaled) if settings.gamma is None else scaled > settings.gamma
    if settings.fill:
        inside = binary_fill_holes(inside) if solid else _by_slice(binary_fill_holes, inside)
    for axis in range(inside.ndim) if solid else range(inside.ndim - 2, inside.ndim):
        inside = inside.take(_enlarged(inside.shape[axis], settings.grow), axis=axis)
    # What lies beyond the image is background, so the median is that of the organ.
    side = settings.background_median
    return ~(majority(inside, side) if solid else _by_slice(lambda part: majority(part, side), inside))


def resolved(image: np.ndarray, settings: StructureSettings) -> StructureSettings:
    """Return settings with the window and γ that they find in an image, to treat a part of it as in the whole.

    Args:
        image: as for `structure_map`.
        settings: parameters; those of an image without contrast stay as they are.

    Raises:
        MedSynthError: as `structure_map`.
    """
    low, high = settings.window or _range(image, settings.clip)
    if not low < high:
        return settings
    fixed = settings.with_values(window=(low, high), clip=0.0)
    if settings.gamma is not None:
        return fixed
    return fixed.with_values(gamma=_organ_threshold(scale(_some_slices(image), fixed)))


def _some_slices(image: np.ndarray) -> np.ndarray:
    """Return slices at even distances, as many as automatic thresholds are found in."""
    slices = image.reshape(-1, *image.shape[-2:])
    return slices[:: -(-len(slices) // MOST_SLICES)]


def _organ_threshold(scaled: np.ndarray) -> float:
    """Return the median over slices of the value at which their edges are steepest; 0 without contrast."""
    found = [steepest_edge(one[None]) for one in _some_slices(scaled) if one.min() < one.max()]
    return float(np.median(found)) if found else 0.0


def _enlarged(n: int, grow: int) -> np.ndarray:
    """Return the n indices that enlarging by ``grow`` pixels (nearest neighbour) and cropping to the middle leave."""
    places = np.arange(n) + grow // 2
    return np.floor((places + 0.5) * n / (n + grow)).astype(int)


def _lines(
    scaled: np.ndarray, inside: np.ndarray, settings: StructureSettings, weights: Sequence[float] | None = None
) -> np.ndarray:
    """Return the lines of one image of two or three dimensions, before what is outside the organ is removed."""
    weakest, strongest = _extreme_edges(scaled, weights)
    weakest, strongest = (blur(_unit_range(edges), settings.sigma1) for edges in (weakest, strongest))
    # Above the threshold where either is: the larger of the two distances from the means.
    distance = np.maximum(weakest.mean() - weakest, strongest - strongest.mean())
    alpha = _line_threshold(distance, inside) if settings.alpha is None else settings.alpha
    widened = blur((distance > alpha).astype(np.float64), settings.sigma2) > settings.beta
    return majority(widened, settings.median)


def _line_threshold(distance: np.ndarray, inside: np.ndarray) -> float:
    """Return the threshold that `LINE_SHARE` of the organ exceed; at least 0, and infinite if there is no organ."""
    values = distance[inside]
    return max(float(np.quantile(values, 1 - LINE_SHARE)), 0.0) if values.size else np.inf


def _extreme_edges(image: np.ndarray, weights: Sequence[float] | None) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest and the highest of the Sobel edges of the directions, each multiplied by its weight."""
    edges = []
    for direction in range(image.ndim):
        edge = _difference(image, direction)
        for axis in range(image.ndim):
            edge = edge if axis == direction else _taps(edge, axis, 1.0, 2.0)
        edges.append(edge if weights is None else edge * weights[direction])
    lowest, highest = edges[0].copy(), edges[0]
    for edge in edges[1:]:
        np.minimum(lowest, edge, out=lowest)
        highest = np.maximum(highest, edge)
    return lowest, highest


def _unit_range(values: np.ndarray) -> np.ndarray:
    low, high = values.min(), values.max()
    return (values - low) / (high - low) if high > low else np.zeros_like(values)


def blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """Return an image after a Gaussian of three taps along each axis, mirrored at its edges.

    Args:
        image: float64 of any dimension.
        sigma: standard deviation in pixels; below 0.03 the neighbours' weights are 0 to the last bit.
    """
    side = float(np.exp(-0.5 / sigma**2)) if sigma > 0 else 0.0
    if side == 0.0:
        return image
    total = 1 + 2 * side
    for axis in range(image.ndim):
        image = _taps(image, axis, side / total, 1 / total)
    return image


def _taps(image: np.ndarray, axis: int, side: float, middle: float) -> np.ndarray:
    """Return the image filtered by (side, middle, side) along an axis, mirrored at its edges."""
    before, after = _neighbours(image, axis)
    out = before + after
    if side != 1.0:
        out *= side
    out += image * middle
    return out


def _difference(image: np.ndarray, axis: int) -> np.ndarray:
    """Return the difference of both neighbours along an axis; 0 at the edges, which are mirrored."""
    before, after = _neighbours(image, axis)
    return after - before


def _neighbours(image: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Return views of the neighbours before and after each pixel along an axis, mirrored at the edges."""
    n = image.shape[axis]
    width = [(1, 1) if one == axis else (0, 0) for one in range(image.ndim)]
    padded = np.pad(image, width, mode="reflect" if n > 1 else "edge")
    index = [slice(None)] * image.ndim
    index[axis] = slice(0, n)
    before = padded[tuple(index)]
    index[axis] = slice(2, n + 2)
    return before, padded[tuple(index)]


def majority(mask: np.ndarray, side: int) -> np.ndarray:
    """Return the median filter of a mask: True where more than half of the surrounding square or cube is.

    Counting is many times faster than a filter that sorts, and gives the same.

    Args:
        mask: boolean of any dimension; False outside.
        side: side of the square or cube, odd.
    """
    if side == 1:
        return mask
    count = mask.astype(np.uint16 if side**mask.ndim < 2**16 else np.uint32)
    for axis in range(mask.ndim):
        count = _running_sum(count, side, axis)
    return count > side**mask.ndim // 2


def _running_sum(count: np.ndarray, side: int, axis: int) -> np.ndarray:
    """Return the sum of ``side`` neighbours along an axis, 0 outside."""
    n, half = count.shape[axis], side // 2
    width = [(half + 1, half) if one == axis else (0, 0) for one in range(count.ndim)]
    # Differences of sums are right also where the sums have passed the largest number of their type.
    total = np.cumsum(np.pad(count, width), axis=axis, dtype=count.dtype)
    index = [slice(None)] * count.ndim
    index[axis] = slice(side, side + n)
    last = total[tuple(index)]
    index[axis] = slice(0, n)
    return last - total[tuple(index)]


def _widened(mask: np.ndarray, reach: int, solid: bool) -> np.ndarray:
    axes = range(mask.ndim) if solid else range(mask.ndim - 2, mask.ndim)
    for axis in axes:
        mask = maximum_filter1d(mask, 2 * reach + 1, axis=axis, mode="constant")
    return mask


def _by_slice(function: Callable[..., np.ndarray], *images: np.ndarray) -> np.ndarray:
    """Return the result of a function of slices for each slice, computed on all cores."""
    if images[0].ndim == 2:
        return function(*images)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return np.stack(list(pool.map(function, *images)))
