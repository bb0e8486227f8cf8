"""Detection of CT whose air has the values of tissue, with noise or without.

A conversion that lost its intercept for the background alone, a lossy compression of a masked CT, or air that was moved
by 1000 leaves no voxel near -1000 where no patient is. CT that is cropped or zoomed to within the patient has none
there either; it is told apart by its tissue, whose noise is the same at the edges and inside.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from medsynth_core.preparation.ct_numbers import AIR_BELOW, tissue_at

# Sides of the cubes of voxels that are judged, and number of layers of cubes inside the volume to compare them with.
CUBE = 4
LAYERS = 8
# With more air than this share at its edges, a CT shows air as it is.
AIR_SHARE = 0.02
# Half of the range (HU) within which the means of cubes count as one level.
LEVEL = 15.0
# A cube is even if its deviation is below this share of that of tissue, or if this share of it has its lowest value, as
# air that was cut off has; 0.6 and 0.05 are found in tissue.
EVEN_DEVIATION = 0.12
EVEN_LOWEST = 0.15
# Cubes of soft tissue are within this of 0 HU, and this percentage of them has no edges of organs in it.
SOFT = 300.0
QUIETEST = 25.0
# Even cubes at one level near that of water, which air that was moved has, or at another one, are not tissue if they
# take this share of the edges; inside, at other levels, there are fewer than that.
NEAR_WATER = 32.0
EVEN_SHARE = 0.1
EVEN_SHARE_ELSEWHERE = 0.25
# Noisy cubes, if they have the level of water and this share of the edges, the noise of tissue or less, and tissue of
# other levels inside.
WATER_LEVEL = 12.0
WATER_SHARE = 0.45
WATER_DEVIATION = 1.06
OTHER_SHARE = 0.25


@dataclass(frozen=True)
class _Cubes:
    """Cubes of voxels.

    Attributes:
        mean: (n,) of each, in HU.
        deviation: (n,) standard deviation of each, in HU.
        lowest: (n,) share of its voxels (0…1) that have its lowest value.
    """

    mean: np.ndarray
    deviation: np.ndarray
    lowest: np.ndarray

    def even(self, tissue: float) -> np.ndarray:
        """Return which cubes are even, bool (n,); ``tissue`` is the standard deviation of tissue in HU."""
        return (self.deviation < EVEN_DEVIATION * tissue) | (self.lowest > EVEN_LOWEST)


def tissue_for_air(hu: np.ndarray) -> list[str]:
    """Return the reason why a CT cannot be used because air around the patient has the values of tissue; [] if not.

    Args:
        hu: (k, j, i) CT in Hounsfield units, of any orientation.
    """
    edges = _cubes(_edge_bars(hu))
    if np.mean(edges.mean < AIR_BELOW) > AIR_SHARE:
        return []
    inside = _cubes(_layers(hu))
    tissue = _tissue_deviation(edges, inside)
    level = _even_level(edges, inside, tissue)
    if level is None:
        level = _water_level(edges, inside, tissue)
    if level is None:
        return []
    return [
        f"The surroundings of the patient have values around {round(level)} HU, which is {tissue_at(level)}, and no "
        "air, which has about -1000, so the model would take them for tissue; choose the CT as it was scanned, or set "
        "what is outside the patient to -1000."
    ]


def _tissue_deviation(edges: _Cubes, inside: _Cubes) -> float:
    """Return the standard deviation (HU) of quiet cubes of soft tissue, without the level of the quietest edges."""
    quiet = float(np.median(edges.mean[edges.deviation <= np.percentile(edges.deviation, QUIETEST)]))
    soft = (np.abs(inside.mean) < SOFT) & (np.abs(inside.mean - quiet) > LEVEL)
    return float(np.percentile(inside.deviation[soft], QUIETEST)) if soft.any() else 0.0


def _even_level(edges: _Cubes, inside: _Cubes, tissue: float) -> float | None:
    """Return the level (HU) of even cubes at the edges; None if there are few, or if tissue is even as well."""
    level, count = _commonest(edges.mean[edges.even(tissue)])
    least = EVEN_SHARE if abs(level) <= NEAR_WATER else EVEN_SHARE_ELSEWHERE
    other = np.abs(inside.mean - level) > LEVEL
    if count < least * edges.mean.size or not other.any():
        return None
    return None if np.mean(inside.even(tissue)[other]) > EVEN_SHARE else level


def _water_level(edges: _Cubes, inside: _Cubes, tissue: float) -> float | None:
    """Return the level (HU) of most of the edges if it is that of water and of little inside; None otherwise."""
    level, count = _commonest(edges.mean)
    if abs(level) > WATER_LEVEL or count < WATER_SHARE * edges.mean.size:
        return None
    noise = float(np.median(edges.deviation[np.abs(edges.mean - level) <= LEVEL]))
    other = np.mean(np.abs(inside.mean - level) > LEVEL)
    return level if noise <= WATER_DEVIATION * tissue and other > OTHER_SHARE else None


def _commonest(means: np.ndarray) -> tuple[float, int]:
    """Return the level with the most means within `LEVEL` of it, and their number."""
    if not means.size:
        return 0.0, 0
    found = np.sort(means)
    counts = np.searchsorted(found, found + 2 * LEVEL, side="right") - np.arange(found.size)
    first = int(counts.argmax())
    return float(np.median(found[first : first + counts[first]])), int(counts[first])


def _edge_bars(hu: np.ndarray) -> list[np.ndarray]:
    """Return a bar of voxels, one cube thick, along each of the twelve edges of the volume."""
    bars = []
    for first, second in itertools.combinations(range(3), 2):
        for ends in itertools.product((slice(CUBE), slice(-CUBE, None)), repeat=2):
            index = [slice(None)] * 3
            index[first], index[second] = ends
            bars.append(hu[tuple(index)])
    return bars


def _layers(hu: np.ndarray) -> list[np.ndarray]:
    """Return layers of the volume, one cube thick, across its first axis."""
    starts = np.unique(np.linspace(0, max(hu.shape[0] - CUBE, 0), LAYERS).astype(int))
    return [hu[start : start + CUBE] for start in starts]


def _cubes(parts: list[np.ndarray]) -> _Cubes:
    """Divide parts of a volume into cubes, which are less thick where the part is."""
    cubes = [_divided(part) for part in parts]
    mean, deviation, lowest = (
        np.concatenate([measure(each) for each in cubes])
        for measure in (
            lambda each: each.mean(axis=1),
            lambda each: each.std(axis=1),
            lambda each: (each == each.min(axis=1, keepdims=True)).mean(axis=1),
        )
    )
    return _Cubes(mean, deviation, lowest)


def _divided(part: np.ndarray) -> np.ndarray:
    """Return the voxels of each cube of a part, float32 (cubes, voxels); a rest that fills no cube is left out."""
    sides = [min(CUBE, n) for n in part.shape]
    counts = [n // side for n, side in zip(part.shape, sides, strict=True)]
    whole = part[tuple(slice(n * side) for n, side in zip(counts, sides, strict=True))]
    split = whole.reshape([n for pair in zip(counts, sides, strict=True) for n in pair])
    return split.transpose(0, 2, 4, 1, 3, 5).reshape(int(np.prod(counts)), -1).astype(np.float32)
