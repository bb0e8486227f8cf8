"""Voxel grids in patient space, and resampling from one grid to another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.volume import LPS_TO_RAS, Volume

Order = Literal["linear", "nearest"]

# If the voxel centres of two grids coincide to within this fraction of a voxel, voxels are copied, not interpolated.
EXACT = 1e-3
# Slices whose axes are within this angle of the patient's count as axial without interpolation.
STRAIGHT_DEGREES = 1.0


@dataclass(frozen=True, eq=False)
class Grid:
    """A voxel grid: number of voxels along (k, j, i), and the 4×4 matrix from (i, j, k) to RAS in mm."""

    shape: tuple[int, int, int]
    ijk_to_ras: np.ndarray

    @classmethod
    def of(cls, volume: Volume) -> Grid:
        """Return the grid of a volume."""
        return cls(volume.shape, volume.ijk_to_ras)

    @property
    def spacing(self) -> np.ndarray:
        """Distance between voxel centres along (i, j, k), in mm."""
        return np.linalg.norm(self.ijk_to_ras[:3, :3], axis=0)

    @property
    def size(self) -> np.ndarray:
        """Number of voxels along (i, j, k)."""
        return np.array(self.shape[::-1])

    def part(self, first: np.ndarray, size: np.ndarray) -> Grid:
        """Return the grid of ``size`` voxels from voxel ``first`` on (both i, j, k); it may extend beyond this one."""
        matrix = self.ijk_to_ras.copy()
        matrix[:3, 3] += matrix[:3, :3] @ first
        k, j, i = (int(n) for n in size[::-1])
        return Grid((k, j, i), matrix)

    def oriented(self) -> Grid:
        """Return the grid with its axes reordered to be nearest to LPS: i to left, j to posterior, k to superior."""
        lps = (LPS_TO_RAS @ self.ijk_to_ras)[:3, :3] / self.spacing
        axes = _nearest_axes(lps)
        signs = np.sign(lps[range(3), axes])
        matrix = self.ijk_to_ras.copy()
        matrix[:3, :3] = self.ijk_to_ras[:3, axes] * signs
        last = np.where(signs < 0, self.size[axes] - 1, 0)
        matrix[:3, 3] += self.ijk_to_ras[:3, axes] @ last
        k, j, i = (int(n) for n in self.size[axes][::-1])
        return Grid((k, j, i), matrix)

    def straight(self) -> bool:
        """Return whether each axis of an oriented grid is within one degree of the patient axis."""
        lps = (LPS_TO_RAS @ self.ijk_to_ras)[:3, :3] / self.spacing
        return bool(np.diag(lps).min() >= np.cos(np.radians(STRAIGHT_DEGREES)))

    def with_spacing(self, spacing: np.ndarray) -> Grid:
        """Return a grid with this ``spacing`` (i, j, k; mm) and the same axes that covers the same box.

        Along an axis with another spacing, voxel centres lie at multiples of the spacing from the origin of patient
        space, so that a cropped volume is sampled at the same points as the whole one. An axis with a single voxel is
        left unchanged, so one slice stays one slice.
        """
        kept = (self.size == 1) | np.isclose(spacing, self.spacing, rtol=EXACT)
        spacing = np.where(kept, self.spacing, spacing)
        axes = self.ijk_to_ras[:3, :3] / self.spacing
        start = np.linalg.solve(axes, self.ijk_to_ras[:3, 3])
        low, high = start - self.spacing / 2, start + (self.size - 0.5) * self.spacing
        first = np.floor(low / spacing + 0.5 + EXACT)
        size = np.where(kept, self.size, np.ceil(high / spacing - 0.5 - EXACT) - first + 1)
        matrix = self.ijk_to_ras.copy()
        matrix[:3, :3] = axes * spacing
        matrix[:3, 3] = axes @ np.where(kept, start, first * spacing)
        k, j, i = (int(n) for n in size[::-1])
        return Grid((k, j, i), matrix)

    def with_matrix(self, rows: int, columns: int) -> Grid:
        """Return a grid whose slices have these rows and columns of square pixels and the field of view in the middle.

        The field of view is not cut: if its shape differs from that of the matrix, there are margins on two sides.
        Slice positions are unchanged.
        """
        extent = self.size * self.spacing
        side = max(extent[0] / columns, extent[1] / rows)
        scale = np.array([side, side, self.spacing[2]]) / self.spacing
        size = np.array([columns, rows, self.shape[0]])
        matrix = self.ijk_to_ras.copy()
        matrix[:3, :3] *= scale
        matrix[:3, 3] += self.ijk_to_ras[:3, :3] @ ((self.size - 1) / 2) - matrix[:3, :3] @ ((size - 1) / 2)
        return Grid((self.shape[0], rows, columns), matrix)

    def straightened(self) -> Grid:
        """Return a grid along the patient axes that covers this oriented grid.

        Voxel centres lie at multiples of the spacing, as in `with_spacing`.
        """
        corners = np.array(np.meshgrid(*[(-0.5, n - 0.5) for n in self.size])).reshape(3, -1)
        lps = (LPS_TO_RAS @ self.ijk_to_ras)[:3] @ np.vstack([corners, np.ones(corners.shape[1])])
        first = np.floor(lps.min(axis=1) / self.spacing + 0.5 + EXACT)
        last = np.ceil(lps.max(axis=1) / self.spacing - 0.5 - EXACT)
        matrix = np.eye(4)
        matrix[:3, :3] *= self.spacing
        matrix[:3, 3] = first * self.spacing
        k, j, i = (int(n) for n in (last - first + 1)[::-1])
        return Grid((k, j, i), LPS_TO_RAS @ matrix)


def _nearest_axes(lps: np.ndarray) -> list[int]:
    """Return for each patient axis the voxel axis nearest to it; the best match is assigned first."""
    left = np.abs(lps)
    axes = [0, 0, 0]
    for _ in range(3):
        patient, voxel = np.unravel_index(left.argmax(), left.shape)
        axes[patient] = int(voxel)
        left[patient, :] = -1
        left[:, voxel] = -1
    return axes


def resample_array(
    voxels: np.ndarray, source: Grid, target: Grid, *, order: Order = "linear", fill: float = 0.0
) -> np.ndarray:
    """Resample ``voxels`` (k, j, i) from the grid ``source`` to the grid ``target``.

    If the grids differ only by axis order, a crop or a margin, voxels are copied, so the inverse is exact. Otherwise
    they are interpolated (linearly, without overshoot), after smoothing along axes that the target samples more
    coarsely. Voxels outside ``source`` get the value ``fill``.
    """
    to_source = np.linalg.inv(source.ijk_to_ras) @ target.ijk_to_ras
    copied = _copy(voxels, to_source, target.shape, fill)
    if copied is not None:
        return copied
    if order == "linear":
        voxels = _smooth_for(voxels.astype(np.float32, copy=False), to_source)
    return _interpolate(voxels, to_source, target.shape, order, fill)


def _copy(voxels: np.ndarray, to_source: np.ndarray, shape: tuple[int, int, int], fill: float) -> np.ndarray | None:
    """Copy voxel by voxel if the grids allow it; otherwise return None."""
    whole = np.rint(to_source)
    reach = np.abs(to_source - whole)[:3] @ [*shape[::-1], 1]
    axes = np.abs(whole[:3, :3]).argmax(axis=0)
    if reach.max() > EXACT or sorted(axes) != [0, 1, 2] or np.abs(whole[:3, :3]).sum() != 3:
        return None
    signs = whole[axes, range(3)].astype(int)
    first = whole[axes, 3].astype(int)
    # Array axes are in reverse order: (k, j, i).
    view = voxels.transpose([2 - axes[2], 2 - axes[1], 2 - axes[0]])
    result = np.full(shape, fill, dtype=voxels.dtype)
    inside, taken = [], []
    for n_in, n_out, sign, start in zip(view.shape, shape, signs[::-1], first[::-1], strict=True):
        index = start + sign * np.arange(n_out)
        valid = np.flatnonzero((index >= 0) & (index < n_in))
        if not valid.size:
            return result
        inside.append(slice(valid[0], valid[-1] + 1))
        stop = index[valid[-1]] + sign
        taken.append(slice(index[valid[0]], None if stop < 0 else stop, sign))
    result[tuple(inside)] = view[tuple(taken)]
    return result


def _smooth_for(voxels: np.ndarray, to_source: np.ndarray) -> np.ndarray:
    """Smooth along each source axis that the target samples more coarsely, to prevent aliasing."""
    from scipy.ndimage import gaussian_filter

    step = np.abs(to_source[:3, :3]).max(axis=1)
    sigma = np.maximum(step - 1, 0)[::-1] / 2
    return gaussian_filter(voxels, sigma, mode="nearest", truncate=3.0) if (sigma > 0.05).any() else voxels


def _interpolate(
    voxels: np.ndarray, to_source: np.ndarray, shape: tuple[int, int, int], order: Order, fill: float
) -> np.ndarray:
    import SimpleITK as sitk

    # In index space SimpleITK accepts any affine, including sheared and left-handed ones.
    transform = sitk.AffineTransform(to_source[:3, :3].ravel().tolist(), to_source[:3, 3].tolist())
    reference = [int(n) for n in shape[::-1]]
    resampled = sitk.Resample(
        sitk.GetImageFromArray(voxels.astype(np.uint8) if voxels.dtype == bool else voxels),
        reference,
        transform,
        sitk.sitkLinear if order == "linear" else sitk.sitkNearestNeighbor,
        [0.0, 0.0, 0.0],
        [1.0, 1.0, 1.0],
        np.eye(3).ravel().tolist(),
        float(fill),
    )
    return sitk.GetArrayFromImage(resampled).astype(voxels.dtype, copy=False)


def resample(volume: Volume, like: Volume, *, order: Order = "linear", fill: float = 0.0) -> Volume:
    """Return ``volume`` resampled onto the grid of ``like``.

    Args:
        volume: the volume to resample; its modality, unit and metadata are kept.
        like: the volume that defines the grid; its voxel values are not used.
        order: ``linear`` for images (no negative lobes, which PET requires), ``nearest`` for labels.
        fill: value outside ``volume``.

    Raises:
        MedSynthError: the two volumes do not overlap.
    """
    source, target = Grid.of(volume), Grid.of(like)
    if not overlap(source, target):
        raise MedSynthError(
            "The two volumes do not overlap, so one cannot be resampled onto the other; "
            "check that they belong to the same patient and frame of reference."
        )
    return volume.replace(
        voxels=resample_array(volume.voxels, source, target, order=order, fill=fill),
        ijk_to_ras=like.ijk_to_ras,
        stated=like.stated,
    )


def overlap(first: Grid, second: Grid) -> bool:
    """Return whether the bounding boxes of two grids, along the patient axes, overlap."""

    def box(grid: Grid) -> tuple[np.ndarray, np.ndarray]:
        corners = np.array(np.meshgrid(*[(-0.5, n - 0.5) for n in grid.size])).reshape(3, -1)
        ras = grid.ijk_to_ras[:3] @ np.vstack([corners, np.ones(corners.shape[1])])
        return ras.min(axis=1), ras.max(axis=1)

    (low, high), (low2, high2) = box(first), box(second)
    return bool((np.maximum(low, low2) < np.minimum(high, high2)).all())
