"""Voxel grids in patient space, and resampling from one to another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from .filters import gaussian

# Grids whose voxel centres coincide to within this fraction of a voxel are copied, not interpolated.
EXACT = 1e-3
# Axes within this angle of the patient's count as axial without interpolation.
STRAIGHT_DEGREES = 1.0


@dataclass(frozen=True, eq=False)
class Grid:
    """Number of voxels along (k, j, i), and the 4×4 matrix from (i, j, k) to LPS in mm."""

    shape: tuple[int, int, int]
    matrix: np.ndarray

    @property
    def spacing(self) -> np.ndarray:
        """Distance between voxel centres along (i, j, k), in mm."""
        return np.linalg.norm(self.matrix[:3, :3], axis=0)

    @property
    def size(self) -> np.ndarray:
        """Number of voxels along (i, j, k)."""
        return np.array(self.shape[::-1])

    def part(self, first: np.ndarray, size: np.ndarray) -> Grid:
        """Return the grid of ``size`` voxels from voxel ``first`` on (both i, j, k); it may extend beyond this one."""
        matrix = self.matrix.copy()
        matrix[:3, 3] += matrix[:3, :3] @ first
        return Grid(_shape(size), matrix)

    def oriented(self) -> Grid:
        """Return the grid with its axes reordered to be nearest to left, posterior and superior."""
        directions = self.matrix[:3, :3] / self.spacing
        axes = _nearest_axes(directions)
        signs = np.sign(directions[range(3), axes])
        matrix = self.matrix.copy()
        matrix[:3, :3] = self.matrix[:3, axes] * signs
        last = np.where(signs < 0, self.size[axes] - 1, 0)
        matrix[:3, 3] += self.matrix[:3, axes] @ last
        return Grid(_shape(self.size[axes]), matrix)

    def straight(self) -> bool:
        """Return whether each axis of an oriented grid is within one degree of the patient axis."""
        directions = self.matrix[:3, :3] / self.spacing
        return bool(np.diag(directions).min() >= np.cos(np.radians(STRAIGHT_DEGREES)))

    def straightened(self) -> Grid:
        """Return a grid along the patient axes that covers this oriented grid."""
        corners = _corners(self)
        first = np.floor(corners.min(axis=1) / self.spacing + 0.5 + EXACT)
        last = np.ceil(corners.max(axis=1) / self.spacing - 0.5 - EXACT)
        matrix = np.diag([*self.spacing, 1.0])
        matrix[:3, 3] = first * self.spacing
        return Grid(_shape(last - first + 1), matrix)

    def with_spacing(self, spacing: np.ndarray) -> Grid:
        """Return a grid with this spacing (i, j, k; mm) whose voxels lie at its multiples and cover the same box."""
        kept = (self.size == 1) | np.isclose(spacing, self.spacing, rtol=EXACT)
        spacing = np.where(kept, self.spacing, spacing)
        axes = self.matrix[:3, :3] / self.spacing
        start = np.linalg.solve(axes, self.matrix[:3, 3])
        low, high = start - self.spacing / 2, start + (self.size - 0.5) * self.spacing
        first = np.floor(low / spacing + 0.5 + EXACT)
        size = np.where(kept, self.size, np.ceil(high / spacing - 0.5 - EXACT) - first + 1)
        matrix = self.matrix.copy()
        matrix[:3, :3] = axes * spacing
        matrix[:3, 3] = axes @ np.where(kept, start, first * spacing)
        return Grid(_shape(size), matrix)

    def with_matrix(self, rows: int, columns: int) -> Grid:
        """Return a grid with these rows and columns of square pixels and the field of view in the middle."""
        extent = self.size * self.spacing
        side = max(extent[0] / columns, extent[1] / rows)
        size = np.array([columns, rows, self.shape[0]])
        matrix = self.matrix.copy()
        matrix[:3, :3] *= np.array([side, side, self.spacing[2]]) / self.spacing
        matrix[:3, 3] += self.matrix[:3, :3] @ ((self.size - 1) / 2) - matrix[:3, :3] @ ((size - 1) / 2)
        return Grid(_shape(size), matrix)


def overlap(first: Grid, second: Grid) -> bool:
    """Return whether the bounding boxes of two grids, along the patient axes, overlap."""
    one, other = _corners(first), _corners(second)
    low, high = np.maximum(one.min(axis=1), other.min(axis=1)), np.minimum(one.max(axis=1), other.max(axis=1))
    return bool((low < high).all())


def resample(voxels: np.ndarray, source: Grid, target: Grid, *, linear: bool = True, fill: float = 0.0) -> np.ndarray:
    """Resample voxels (k, j, i) from ``source`` to ``target``: copied where possible, otherwise interpolated."""
    to_source = np.linalg.inv(source.matrix) @ target.matrix
    copied = _copy(voxels, to_source, target.shape, fill)
    if copied is not None:
        return copied
    if linear:
        voxels = _smooth_for(voxels.astype(np.float32, copy=False), to_source)
    return _interpolate(voxels, to_source, target.shape, linear, fill)


def _shape(size: np.ndarray) -> tuple[int, int, int]:
    i, j, k = (int(n) for n in size)
    return k, j, i


def _corners(grid: Grid) -> np.ndarray:
    corners = np.array(np.meshgrid(*[(-0.5, n - 0.5) for n in grid.size])).reshape(3, -1)
    return grid.matrix[:3] @ np.vstack([corners, np.ones(corners.shape[1])])


def _nearest_axes(directions: np.ndarray) -> list[int]:
    """Return for each patient axis the voxel axis nearest to it; the best match is assigned first."""
    left = np.abs(directions)
    axes = [0, 0, 0]
    for _ in range(3):
        patient, voxel = np.unravel_index(left.argmax(), left.shape)
        axes[patient] = int(voxel)
        left[patient, :] = -1
        left[:, voxel] = -1
    return axes


def _copy(voxels: np.ndarray, to_source: np.ndarray, shape: tuple[int, int, int], fill: float) -> np.ndarray | None:
    """Copy voxel by voxel if the grids allow it; otherwise return None."""
    whole = np.rint(to_source)
    reach = np.abs(to_source - whole)[:3] @ [*shape[::-1], 1]
    axes = np.abs(whole[:3, :3]).argmax(axis=0)
    if reach.max() > EXACT or sorted(axes) != [0, 1, 2] or np.abs(whole[:3, :3]).sum() != 3:
        return None
    signs, first = whole[axes, range(3)].astype(int), whole[axes, 3].astype(int)
    view = voxels.transpose([2 - axes[2], 2 - axes[1], 2 - axes[0]])
    result = np.full(shape, fill, dtype=voxels.dtype)
    pairs = [_overlapping(*line) for line in zip(view.shape, shape, signs[::-1], first[::-1], strict=True)]
    inside, taken = ([pair[side] for pair in pairs if pair] for side in (0, 1))
    if len(inside) == 3:
        result[tuple(inside)] = view[tuple(taken)]
    return result


def _overlapping(there: int, here: int, sign: int, start: int) -> tuple[slice, slice] | None:
    """Return the voxels along an axis of the result that have a source, and their sources; None if none has."""
    index = start + sign * np.arange(here)
    valid = np.flatnonzero((index >= 0) & (index < there))
    if not valid.size:
        return None
    stop = index[valid[-1]] + sign
    return slice(valid[0], valid[-1] + 1), slice(index[valid[0]], None if stop < 0 else stop, sign)


def _smooth_for(voxels: np.ndarray, to_source: np.ndarray) -> np.ndarray:
    """Smooth along each source axis that the target samples more coarsely."""
    step = np.abs(to_source[:3, :3]).max(axis=1)
    sigma = np.maximum(step - 1, 0)[::-1] / 2
    return gaussian(voxels, sigma, "edge") if (sigma > 0.05).any() else voxels


def _interpolate(
    voxels: np.ndarray, to_source: np.ndarray, shape: tuple[int, int, int], linear: bool, fill: float
) -> np.ndarray:
    transform = sitk.AffineTransform(to_source[:3, :3].ravel().tolist(), to_source[:3, 3].tolist())
    resampled = sitk.Resample(
        sitk.GetImageFromArray(voxels.astype(np.uint8) if voxels.dtype == bool else voxels),
        [int(n) for n in shape[::-1]],
        transform,
        sitk.sitkLinear if linear else sitk.sitkNearestNeighbor,
        [0.0, 0.0, 0.0],
        [1.0, 1.0, 1.0],
        np.eye(3).ravel().tolist(),
        float(fill),
    )
    return sitk.GetArrayFromImage(resampled).astype(voxels.dtype, copy=False)
