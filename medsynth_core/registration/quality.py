"""Registration quality of two images of a patient."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medsynth_core.grid import Grid, overlap, resample_array
from medsynth_core.modality import AIR_HU
from medsynth_core.preparation.body import body_mask, tissue_mask
from medsynth_core.volume import Volume

# Misregistration is on the order of millimetres, so finer voxels would only cost time.
COARSE_MM = 2.0
# Bins of the joint histogram, as in the elastix registration of Dong et al. (2020).
BINS = 50
# In a common field of view with fewer voxels, the measures are not reliable.
FEWEST_VOXELS = 1000


@dataclass(frozen=True)
class Agreement:
    """Registration quality of two images of a patient in their common field of view.

    Attributes:
        mutual_information: of the voxels, in nats. It rises with better alignment, but depends on the content, so it
            is comparable only between images of the same modalities and body region.
        body_dice: Dice overlap (0…1) of the bodies.
        covered: fraction of the second image that the common field of view covers.
    """

    mutual_information: float
    body_dice: float
    covered: float


def agreement(first: Volume, second: Volume, within: np.ndarray | None = None) -> Agreement | None:
    """Measure the registration quality of two volumes of any modality, on a coarsened grid of the second one.

    Args:
        first: first volume, on any grid.
        second: second volume, on any grid.
        within: bool (k, j, i): where ``second`` has values; None for everywhere.

    Returns:
        None if the volumes do not overlap, or hardly so.
    """
    if not overlap(Grid.of(first), Grid.of(second)):
        return None
    left, left_valid = _coarse(first, None)
    right, right_valid = _coarse(second, within)
    source, target = Grid.of(left), Grid.of(right)
    common = right_valid & resample_array(left_valid, source, target, order="nearest")
    if np.count_nonzero(common) < FEWEST_VOXELS:
        return None
    moved = resample_array(left.voxels, source, target, fill=air_of(left))
    body = resample_array(body_of(left), source, target, order="nearest")
    return Agreement(
        mutual_information=mutual_information(moved[common], right.voxels[common]),
        body_dice=_dice(body[common], body_of(right)[common]),
        covered=float(common.mean()),
    )


def body_of(volume: Volume) -> np.ndarray:
    """Return the body mask (bool; k, j, i) of a volume of any modality with axial slices."""
    return body_mask(volume.voxels) if volume.modality == "CT" else tissue_mask(volume.voxels, volume.modality)


def air_of(volume: Volume) -> float:
    """Return the background value: air in a CT, else 0, or the lowest value if that is higher."""
    if volume.modality == "CT" and volume.voxels.dtype.kind != "u":
        return AIR_HU
    return max(float(volume.voxels.min()), 0.0)


def mutual_information(first: np.ndarray, second: np.ndarray) -> float:
    """Return the mutual information of paired values in nats, from a joint histogram.

    Values are clipped at the 0.1 and 99.9 percentiles, because a single bright voxel would leave all others in one bin.
    """
    left, right = (np.clip(values, *np.percentile(values, (0.1, 99.9))) for values in (first, second))
    joint, _, _ = np.histogram2d(left, right, bins=BINS)
    share = joint / joint.sum()
    alone = share.sum(axis=1, keepdims=True) * share.sum(axis=0, keepdims=True)
    used = share > 0
    return float((share[used] * np.log(share[used] / alone[used])).sum())


def _dice(first: np.ndarray, second: np.ndarray) -> float:
    """Return the Dice overlap of two masks; 0 if both are empty, because then nothing shows agreement."""
    sizes = int(first.sum()) + int(second.sum())
    return 2 * int((first & second).sum()) / sizes if sizes else 0.0


def _coarse(volume: Volume, within: np.ndarray | None) -> tuple[Volume, np.ndarray]:
    """Return a volume resampled to axial slices with voxels of at least `COARSE_MM` (float32), and its valid mask."""
    source = Grid.of(volume)
    grid = source.oriented()
    if not grid.straight():
        grid = grid.straightened()
    grid = grid.with_spacing(np.maximum(grid.spacing, COARSE_MM))
    voxels = resample_array(volume.voxels.astype(np.float32, copy=False), source, grid, fill=air_of(volume))
    valid = np.ones(volume.shape, dtype=bool) if within is None else within
    coarse = volume.replace(voxels=voxels, ijk_to_ras=grid.ijk_to_ras, uncertainty=None)
    return coarse, resample_array(valid, source, grid, order="nearest")
