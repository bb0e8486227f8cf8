"""How well two images of a patient lie on each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medsynth_core.preparation.body import body_mask, tissue_mask
from medsynth_core.preparation.contract import AIR_HU
from medsynth_core.preparation.grid import Grid, move, overlap
from medsynth_core.volume import Volume

# Misregistration is told in millimetres: finer voxels would only take longer.
COARSE_MM = 2.0
# Of a joint histogram, as in the registration by elastix that Dong et al. (2020) prepare their pairs with.
BINS = 50
# A field of view in common that has fewer voxels says nothing.
FEWEST_VOXELS = 1000


@dataclass(frozen=True)
class Agreement:
    """How two images of a patient lie on each other, in the field of view that they have in common.

    Attributes:
        mutual_information: of their voxels, in nats. It grows as they lie better, but depends on what they show, so
            that only images of the same kind and place can be compared by it.
        body_dice: Dice overlap (0…1) of the bodies in them.
        covered: that field's share of the second image.
    """

    mutual_information: float
    body_dice: float
    covered: float


def agreement(first: Volume, second: Volume, within: np.ndarray | None = None) -> Agreement | None:
    """Compare where two volumes of any modality lie, on the grid of the second one, coarsened.

    Args:
        first: any grid.
        second: any grid.
        within: bool (k, j, i), where ``second`` has values; None for everywhere.

    Returns:
        None when they have no place in common, or next to none.
    """
    if not overlap(Grid.of(first), Grid.of(second)):
        return None
    left, left_valid = _coarse(first, None)
    right, right_valid = _coarse(second, within)
    source, target = Grid.of(left), Grid.of(right)
    common = right_valid & move(left_valid, source, target, order="nearest")
    if np.count_nonzero(common) < FEWEST_VOXELS:
        return None
    moved = move(left.voxels, source, target, fill=air_of(left))
    body = move(body_of(left), source, target, order="nearest")
    return Agreement(
        mutual_information=mutual_information(moved[common], right.voxels[common]),
        body_dice=_dice(body[common], body_of(right)[common]),
        covered=float(common.mean()),
    )


def body_of(volume: Volume) -> np.ndarray:
    """Return the body (bool; k, j, i) in a volume of any modality whose slices are axial."""
    return body_mask(volume.voxels) if volume.modality == "CT" else tissue_mask(volume.voxels, volume.modality)


def air_of(volume: Volume) -> float:
    """Return the value of a voxel that shows nothing: air in a CT, else 0, or the lowest value if that is higher."""
    if volume.modality == "CT" and volume.voxels.dtype.kind != "u":
        return AIR_HU
    return max(float(volume.voxels.min()), 0.0)


def mutual_information(first: np.ndarray, second: np.ndarray) -> float:
    """Return the mutual information of paired values in nats, from a joint histogram.

    The thousandth part of the values at either end is taken together: a single bright voxel would leave all others in
    one bin.
    """
    left, right = (np.clip(values, *np.percentile(values, (0.1, 99.9))) for values in (first, second))
    joint, _, _ = np.histogram2d(left, right, bins=BINS)
    share = joint / joint.sum()
    alone = share.sum(axis=1, keepdims=True) * share.sum(axis=0, keepdims=True)
    used = share > 0
    return float((share[used] * np.log(share[used] / alone[used])).sum())


def _dice(first: np.ndarray, second: np.ndarray) -> float:
    """Return the Dice overlap of two masks; 0 when both are empty, for then nothing shows that they agree."""
    sizes = int(first.sum()) + int(second.sum())
    return 2 * int((first & second).sum()) / sizes if sizes else 0.0


def _coarse(volume: Volume, within: np.ndarray | None) -> tuple[Volume, np.ndarray]:
    """Return a volume with axial slices and voxels of `COARSE_MM` at least, as float32, and where it has values."""
    source = Grid.of(volume)
    grid = source.oriented()
    if not grid.straight():
        grid = grid.straightened()
    grid = grid.with_spacing(np.maximum(grid.spacing, COARSE_MM))
    voxels = move(volume.voxels.astype(np.float32, copy=False), source, grid, fill=air_of(volume))
    valid = np.ones(volume.shape, dtype=bool) if within is None else within
    coarse = volume.replace(voxels=voxels, ijk_to_ras=grid.ijk_to_ras, uncertainty=None)
    return coarse, move(valid, source, grid, order="nearest")
