"""Sliding windows along an axis and their weights where they overlap.

Own implementation: MONAI's ``sliding_window_inference`` uses the same weight map for every window, also at the border
of the volume, and a fixed window size, regardless of the memory available.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Windows:
    """Windows of one size along one axis.

    Attributes:
        length: length of the axis, in voxels.
        size: window size in voxels; limited to the length of the axis.
        overlap: minimum overlap of neighbouring windows, in voxels.
        halo: voxels at a window's inner edges with weight 0, because they lack context beyond the edge.
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
        """Return the weight of each voxel of a window, float32: 0 in the halo, then rising linearly.

        At the ends of the axis, where there is no neighbour, the weight is 1.
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
