"""What images are drawn from: structure map, organ and lesion label on one grid."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from medsynth_core.grid import Grid
from medsynth_core.volume import LPS_TO_RAS

# Names of the masks of an anatomy.
MASKS = ("structure", "background", "lesion")


@dataclass(frozen=True, eq=False)
class Anatomy:
    """Structure map, organ and lesion label.

    Attributes:
        lines: structure map, boolean (k, j, i).
        organ: where there is no background, boolean.
        label: lesion label, whole numbers, 0 for no lesion.
        grid: their grid.
    """

    lines: np.ndarray
    organ: np.ndarray
    label: np.ndarray
    grid: Grid

    @property
    def shape(self) -> tuple[int, int, int]:
        """Slices, rows and columns."""
        return self.grid.shape

    def with_label(self, label: np.ndarray) -> Anatomy:
        """Return the anatomy with another lesion label; the lines of what was there before are kept."""
        return replace(self, label=label)

    def masks(self) -> dict[str, np.ndarray]:
        """Return structure map, background mask and lesion label by name, uint8."""
        found = (self.lines, ~self.organ, self.label)
        return {name: mask.astype(np.uint8) for name, mask in zip(MASKS, found, strict=True)}


def axial_grid(shape: tuple[int, int, int], spacing: tuple[float, float, float]) -> Grid:
    """Return a grid of axial slices around the origin of patient space: rows to the left, slices upwards.

    Args:
        shape: slices, rows and columns.
        spacing: distance between voxel centres along (i, j, k), mm.
    """
    matrix = np.diag([*spacing, 1.0])
    matrix[:3, 3] = -np.array(spacing) * (np.array(shape[::-1]) - 1) / 2
    return Grid(shape, LPS_TO_RAS @ matrix)
