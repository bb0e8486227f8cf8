"""Averaging of voxels that are finer than the model accepts, and the way back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .grid import Grid, resample

VOXEL_TOLERANCE = 0.01
MOST_AVERAGED = 4


@dataclass(frozen=True, eq=False)
class Averaging:
    """Averaging of blocks of ``factors`` voxels along (i, j, k) on the grid ``source``."""

    factors: tuple[int, int, int]
    source: Grid

    @property
    def firsts(self) -> np.ndarray:
        """First voxel of the first block along (i, j, k); negative where that block begins before the image."""
        return np.array([_first(self.source, axis, factor) for axis, factor in enumerate(self.factors)])

    @property
    def grid(self) -> Grid:
        """The grid of the blocks."""
        factors = np.array(self.factors)
        matrix = self.source.matrix.copy()
        matrix[:3, 3] += matrix[:3, :3] @ (self.firsts + (factors - 1) / 2)
        matrix[:3, :3] *= factors
        i, j, k = (int(n) for n in -(-(self.source.size - self.firsts) // factors))
        return Grid((k, j, i), matrix)

    def apply(self, voxels: np.ndarray) -> np.ndarray:
        """Return the mean of each block (float32)."""
        for axis, factor in enumerate(self.factors[::-1]):
            if factor > 1:
                starts = np.maximum(np.arange(self.firsts[2 - axis], voxels.shape[axis], factor), 0)
                counts = np.diff(starts, append=voxels.shape[axis]).astype(np.float32)
                voxels = np.add.reduceat(voxels, starts, axis=axis, dtype=np.float32)
                voxels /= counts.reshape([-1 if other == axis else 1 for other in range(3)])
        return voxels

    def restore(self, voxels: np.ndarray) -> np.ndarray:
        """Return voxels of `grid` on the grid ``source`` (float32), interpolated linearly."""
        return resample(voxels.astype(np.float32, copy=False), self.grid, self.source)


def averaging_factors(grid: Grid, limits: Sequence[float] | None) -> tuple[int, int, int] | None:
    """Return how many voxels along (i, j, k) are averaged for the ``limits`` (mm); None if they cannot be kept."""
    if limits is None:
        return 1, 1, 1
    low, high = limits[0] * (1 - VOXEL_TOLERANCE), limits[1] * (1 + VOXEL_TOLERANCE)
    i, j, k = (int(factor) for factor in np.ceil(low / grid.spacing))
    most = np.minimum(MOST_AVERAGED, grid.size)
    fits = ((i, j, k) <= most).all() and (grid.spacing * (i, j, k) <= high).all()
    return (i, j, k) if fits else None


def _first(source: Grid, axis: int, factor: int) -> int:
    """Return the voxel, from ``1 - factor`` to 0, at which the first block along an axis begins."""
    # Counted in RAS, so that blocks begin at the same side of the patient as in training.
    along = np.array([-1, -1, 1]) * source.matrix[:3, axis]
    rest = int(source.size[axis]) % factor
    return 0 if along[np.abs(along).argmax()] > 0 or not rest else rest - factor
