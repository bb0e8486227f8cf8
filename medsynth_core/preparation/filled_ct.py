"""Detection of CT in which air was replaced by something that looks like tissue.

Converters, masks, defacing and resampling fill with 0 by default, which is water. Real air and tissue are noisy, so
large regions of exactly one value above that of lung are such a filling; constants below it (-1000, -1024, -2000,
-3024) are what a CT has outside its field of view. Air that is not exactly constant is the subject of `air_level`.
"""

from __future__ import annotations

import itertools

import numpy as np
from scipy import ndimage

from medsynth_core.preparation.air_level import tissue_for_air
from medsynth_core.preparation.ct_numbers import AIR_BELOW, tissue_at

# Share of the voxels on the edges of the volume, where no patient is, that makes a constant the filling around one.
EDGE_SHARE = 0.05
# The filling around a patient is seen on a face of the volume as squares of this many voxels of one value, which take
# at least this share of the face; noise hardly has one.
SQUARE = 5
FACE_SHARE = 0.01
# A whole plane of voxels with one value is a filling if it has at least this many; every such voxel is compared only
# where a few in each plane are equal.
PLANE_SIZE = 64
FEW_IN_PLANE = 8
# Resampling that mixes a filling into the last plane lifts air there (HU) and keeps a part of the contrast to tissue:
# levels of air and soft tissue in the plane before, least share of each, and largest deviation from one level.
AIR_IN_PLANE, TISSUE_IN_PLANE = (-1100.0, -900.0), (-200.0, 200.0)
MIXED_SHARE = 0.05
MIXED_DEVIATION = 40.0
# A filled region inside the volume is reported if it takes at least this share of the voxels.
REGION_SHARE = 0.005
# In a CT with noise, fewer neighbouring voxels of tissue than this share are equal; in a drawn phantom most are.
EQUAL_SHARE = 0.4
# Metal is cut off at the highest value that was stored (3071, or less), which is no filling.
METAL = 2000.0
# Step of the samples in which the constant is looked for.
SAMPLE_STEP = 3


def filled_surroundings(hu: np.ndarray) -> list[str]:
    """Return the reason why a CT cannot be used because its surroundings are filled with tissue; [] if they are not.

    Args:
        hu: (k, j, i) CT in Hounsfield units, of any orientation.
    """
    return _filled_planes(hu) or _filled_edges(hu) or _mixed_ends(hu) or tissue_for_air(hu)


def _filled_planes(hu: np.ndarray) -> list[str]:
    """Return a sentence if whole planes of voxels have one value, as those beyond a resampled scan have."""
    found = [hu.take(n, axis).flat[0] for axis in range(3) for n in _constant_planes(hu, axis)]
    if not found:
        return []
    return _refused(float(found[0]), f"in {len(found)} whole plane{'s' * (len(found) > 1)} of voxels")


def _refused(value: float, where: str) -> list[str]:
    return [
        f"The surroundings of the patient have exactly the value {value:g} HU ({where}), which is {tissue_at(value)}, "
        "where air has about -1000, so the model would take them for tissue; fill them with -1000, or choose the CT as "
        "it was scanned."
    ]


def _constant_planes(hu: np.ndarray, axis: int) -> list[int]:
    """Return the indexes of the planes across an axis that have one value, above that of air."""
    planes = np.moveaxis(hu, axis, 0)
    if len(planes) == 1 or planes[0].size < PLANE_SIZE:
        return []
    few = planes[(slice(None), *(slice(None, None, -(-n // FEW_IN_PLANE)) for n in planes.shape[1:]))]
    few = few.reshape(len(planes), -1)
    alike = (few == few[:, :1]).all(axis=1) & (few[:, 0] > AIR_BELOW)
    return [int(n) for n in np.flatnonzero(alike) if (planes[n] == planes[n].flat[0]).all()]


def _filled_edges(hu: np.ndarray) -> list[str]:
    """Return a sentence if a value above that of air is common on the edges of the volume and fills part of a face."""
    values = _edges(hu)
    value, count = _most_common(values[values > AIR_BELOW])
    if count < EDGE_SHARE * values.size or max(_flat_share(face, value) for face in _faces(hu)) < FACE_SHARE:
        return []
    return _refused(value, f"{np.count_nonzero(hu == value) / hu.size:.2%} of the volume")


def _faces(hu: np.ndarray) -> list[np.ndarray]:
    """Return the six faces of the volume; the slice itself for a single one."""
    return [hu.take(end, axis) for axis in range(3) for end in (0, -1)]


def _flat_share(face: np.ndarray, value: float) -> float:
    """Return the share of a face around which all voxels of a square have a value."""
    return float(ndimage.minimum_filter((face == value).astype(np.uint8), SQUARE, mode="nearest").mean())


def _mixed_ends(hu: np.ndarray) -> list[str]:
    """Return a sentence if a filling is mixed into the first or last plane, as resampling between two slices does."""
    for axis, n in enumerate(hu.shape):
        for last, before in ((0, 1), (n - 1, n - 2)):
            if n > 2 and (level := _mixed_air(hu.take(last, axis), hu.take(before, axis))) is not None:
                return [
                    f"Air has about {level:.0f} HU in the outermost plane of voxels, such as a slice, and about -1000 "
                    "in the plane beside it, because a value beyond the scan was mixed into it when the volume was "
                    "resampled; crop the volume by one plane, or resample with -1000 outside."
                ]
    return []


def _mixed_air(last: np.ndarray, before: np.ndarray) -> float | None:
    """Return the level (HU) of what is air in the plane before, if it lies between air and tissue; None if not."""
    air, tissue = (last[(before > low) & (before < high)] for low, high in (AIR_IN_PLANE, TISSUE_IN_PLANE))
    if min(air.size, tissue.size) < max(MIXED_SHARE * last.size, PLANE_SIZE):
        return None
    level, spread = _level(air)
    tissue_level, _ = _level(tissue)
    mixed = level > AIR_BELOW and tissue_level - level > MIXED_DEVIATION and spread < MIXED_DEVIATION
    return level if mixed else None


def _level(values: np.ndarray) -> tuple[float, float]:
    """Return the median of values and the half-width around it that holds the middle 80 %."""
    low, middle, high = np.percentile(values, (10, 50, 90))
    return float(middle), float(high - low) / 2


def blanked_region(hu: np.ndarray) -> list[str]:
    """Return a doubt about a CT in which a region inside was overwritten with a constant; [] if there is none.

    Args:
        hu: (k, j, i) CT in Hounsfield units.
    """
    sample = hu[tuple(slice(None, None, SAMPLE_STEP if n > SAMPLE_STEP else 1) for n in hu.shape)]
    value, count = _most_common(sample[(sample > AIR_BELOW) & (sample < METAL)])
    if count < REGION_SHARE * sample.size or _is_drawn(hu[::SAMPLE_STEP], value):
        return []
    share = _plateau_share(hu, value)
    if share < REGION_SHARE:
        return []
    return [
        f"A region of {share:.1%} of the volume has exactly the value {value:g} HU, as if it had been overwritten (by "
        f"defacing or a mask); the model takes it for {tissue_at(value)}: set it to -1000 if it should be air."
    ]


def _edges(hu: np.ndarray) -> np.ndarray:
    """Return the voxels on the twelve edges of the volume, or on the four sides of a single slice."""
    ends = [(0, n - 1) for n in hu.shape]
    lines = []
    for first, second in itertools.combinations(range(3), 2):
        for a, b in itertools.product(ends[first], ends[second]):
            index: list[int | slice] = [slice(None)] * 3
            index[first], index[second] = a, b
            lines.append(hu[tuple(index)])
    return np.concatenate(lines)


def _most_common(values: np.ndarray) -> tuple[float, int]:
    """Return the most common value and how often it occurs; 0 times if there are no values."""
    if not values.size:
        return 0.0, 0
    found, counts = np.unique(values, return_counts=True)
    most = int(counts.argmax())
    return float(found[most]), int(counts[most])


def _plateau_share(hu: np.ndarray, value: float) -> float:
    """Return the share of voxels that have a value together with their neighbours along every axis."""
    same = hu == value
    flat = same.copy()
    for axis, n in enumerate(hu.shape):
        if n > 2:
            low, high = (
                tuple(slice(*end) if a == axis else slice(None) for a in range(3)) for end in ((0, -1), (1, n))
            )
            flat[low] &= same[high]
            flat[high] &= same[low]
    return np.count_nonzero(flat) / hu.size


def _is_drawn(hu: np.ndarray, value: float) -> bool:
    """Return whether tissue of other values has no noise either, as in a phantom that was drawn, or there is none."""
    first, second = hu[..., :-1], hu[..., 1:]
    tissue = (first > AIR_BELOW) & (first != value)
    count = np.count_nonzero(tissue)
    return bool(np.count_nonzero(tissue & (first == second)) >= EQUAL_SHARE * count)
