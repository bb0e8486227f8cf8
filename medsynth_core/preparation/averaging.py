"""Averaging of voxels that are finer than a model accepts, and the way back onto the grid of the input.

A model that keeps the grid of its input knows the noise of voxels of its training only. Finer voxels are averaged in
whole blocks: each block's value is the mean of the volume that it covers, so no activity is lost or counted twice and
every block has the same noise, which sampling or fractional blocks would not give. Blocks begin at the same side of the
patient, however the axes of the image are stored; a block that is not whole is at the other side.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.grid import Grid, resample_array
from medsynth_core.preparation.contract import SynthesisContract, averaging_factors
from medsynth_core.volume import Volume


@dataclass(frozen=True, eq=False)
class Averaging:
    """Averaging of blocks of voxels.

    Attributes:
        factors: number of voxels in a block along (i, j, k).
        source: grid of the input.
    """

    factors: tuple[int, int, int]
    source: Grid

    @cached_property
    def firsts(self) -> np.ndarray:
        """First voxel of the first block along (i, j, k); negative where that block begins before the input."""
        return np.array([_first(self.source, axis, factor) for axis, factor in enumerate(self.factors)])

    @property
    def grid(self) -> Grid:
        """The grid of the blocks; the first or last one along an axis may extend beyond the input."""
        factors = np.array(self.factors)
        matrix = self.source.ijk_to_ras.copy()
        matrix[:3, 3] += matrix[:3, :3] @ (self.firsts + (factors - 1) / 2)
        matrix[:3, :3] *= factors
        i, j, k = (int(n) for n in -(-(self.source.size - self.firsts) // factors))
        return Grid((k, j, i), matrix)

    def apply(self, volume: Volume) -> Volume:
        """Return the volume with the mean of each block (float32); a block at the end averages what it covers."""
        voxels = volume.voxels
        for axis, factor in enumerate(self.factors[::-1]):
            if factor > 1:
                starts = np.maximum(np.arange(self.firsts[2 - axis], voxels.shape[axis], factor), 0)
                counts = np.diff(starts, append=voxels.shape[axis]).astype(np.float32)
                voxels = np.add.reduceat(voxels, starts, axis=axis, dtype=np.float32)
                voxels /= counts.reshape([-1 if other == axis else 1 for other in range(3)])
        return volume.replace(voxels=voxels, ijk_to_ras=self.grid.ijk_to_ras, uncertainty=None)

    def restore(self, voxels: np.ndarray) -> np.ndarray:
        """Return voxels of `grid` on the grid of the input (float32), interpolated linearly.

        With whole blocks this preserves the sum: what each block loses to its neighbours, it gains from them.
        """
        return resample_array(voxels.astype(np.float32, copy=False), self.grid, self.source)

    def facts(self) -> dict[str, Any]:
        """Return the provenance entries: voxels in a block, and spacing (mm) of input and blocks, along (i, j, k)."""
        return {
            "averaged_voxels": list(self.factors),
            "input_spacing": self.source.spacing.round(4).tolist(),
            "averaged_spacing": self.grid.spacing.round(4).tolist(),
        }

    def size(self) -> str:
        """Return the size of a block in mm as ASCII text, for descriptions in files."""
        return " x ".join(f"{step:.2f}" for step in self.grid.spacing)


def _first(source: Grid, axis: int, factor: int) -> int:
    """Return the voxel, from ``1 - factor`` to 0, at which the first block along an axis begins."""
    along = source.ijk_to_ras[:3, axis]
    rest = int(source.size[axis]) % factor
    return 0 if along[np.abs(along).argmax()] > 0 or not rest else rest - factor


def averaging_of(volume: Volume, contract: SynthesisContract) -> Averaging | None:
    """Return how the first input of a model is averaged; None if its voxels are used as they are."""
    factors = averaging_factors(volume, contract.voxel_limits)
    return None if factors is None or max(factors) == 1 else Averaging(factors, Grid.of(volume))


def refuse_averaging(volume: Volume, contract: SynthesisContract) -> None:
    """Check that a training case has voxels that the contract accepts without averaging.

    Raises:
        MedSynthError: its voxels are finer, so that the network would learn another noise than it gets in inference.
    """
    if averaging_of(volume, contract) is not None:
        size = " × ".join(f"{side:.2f}" for side in volume.spacing)
        assert contract.voxel_limits is not None
        raise MedSynthError(
            f"The voxels of the volume measure {size} mm, but contract.voxel_limits starts at "
            f"{contract.voxel_limits[0]:g} mm; resample the volume, or lower the limit in the recipe."
        )
