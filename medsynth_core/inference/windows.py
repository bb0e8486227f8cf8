"""How windows are laid over a volume, and how much each counts where they overlap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Windows:
    """Windows of one size along one axis.

    Attributes:
        length: of the axis, in voxels.
        size: of a window; that of the axis where this is shorter.
        overlap: voxels that neighbours share at least.
        halo: voxels at a window's inner edges that do not count, as what lies beyond the edge would matter there.
    """

    length: int
    size: int
    overlap: int
    halo: int

    @property
    def starts(self) -> list[int]:
        """The first voxel of every window; the last window ends with the axis."""
        if self.size >= self.length:
            return [0]
        step = self.size - self.overlap
        return [*range(0, self.length - self.size, step), self.length - self.size]

    def weight(self, start: int) -> np.ndarray:
        """Return how much each voxel of a window counts, float32: nothing in its halo, then more and more.

        At the ends of the axis, where there is no neighbour, every voxel counts fully.
        """
        size = min(self.size, self.length)
        ramp = np.clip((np.arange(size) - self.halo + 1) / max(self.overlap - 2 * self.halo + 1, 1), 0, 1)
        rising = ramp if start > 0 else np.ones(size)
        falling = ramp[::-1] if start + size < self.length else np.ones(size)
        return (rising * falling).astype(np.float32)

    def total(self) -> np.ndarray:
        """Return the sum of all windows' weights at each voxel of the axis, float32; above 0 everywhere."""
        total = np.zeros(self.length, dtype=np.float32)
        for start in self.starts:
            weight = self.weight(start)
            total[start : start + len(weight)] += weight
        return total
