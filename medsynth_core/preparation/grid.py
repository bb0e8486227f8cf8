"""Grids of voxels in patient space, and the one way by which voxels get from one grid to another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.volume import LPS_TO_RAS, Volume

Order = Literal["linear", "nearest"]

# Grids whose voxel centres coincide to this part of a voxel differ by a copy, not by an interpolation.
EXACT = 1e-3
# Axes within this angle of the patient's need no interpolation to be called axial.
STRAIGHT_DEGREES = 1.0


@dataclass(frozen=True, eq=False)
class Grid:
    """Where voxels lie: how many there are along (k, j, i), and the matrix from (i, j, k) to RAS in mm."""

    shape: tuple[int, int, int]
    ijk_to_ras: np.ndarray

    @classmethod
    def of(cls, volume: Volume) -> Grid:
        """Return the grid of a volume."""
        return cls(volume.shape, volume.ijk_to_ras)

    @property
    def spacing(self) -> np.ndarray:
        """Millimetres between voxel centres along (i, j, k)."""
        return np.linalg.norm(self.ijk_to_ras[:3, :3], axis=0)

    @property
    def size(self) -> np.ndarray:
        """Number of voxels along (i, j, k)."""
        return np.array(self.shape[::-1])

    def part(self, first: np.ndarray, size: np.ndarray) -> Grid:
        """Return the grid of ``size`` voxels that begins at voxel ``first`` (both i, j, k; may stick out)."""
        matrix = self.ijk_to_ras.copy()
        matrix[:3, 3] += matrix[:3, :3] @ first
        k, j, i = (int(n) for n in size[::-1])
        return Grid((k, j, i), matrix)

    def oriented(self) -> Grid:
        """Return the same voxels in the order that is nearest to LPS: i to the left, j to the back, k up."""
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
        """Tell whether each axis of an oriented grid lies within a degree of the patient's own."""
        lps = (LPS_TO_RAS @ self.ijk_to_ras)[:3, :3] / self.spacing
        return bool(np.diag(lps).min() >= np.cos(np.radians(STRAIGHT_DEGREES)))

    def with_spacing(self, spacing: np.ndarray) -> Grid:
        """Return a grid of this ``spacing`` (i, j, k; mm) that covers the same box, axes unchanged.

        An axis with a single voxel keeps it: one slice stays one slice.
        """
        spacing = np.where(self.size == 1, self.spacing, spacing)
        size = np.maximum(np.ceil(self.size * self.spacing / spacing - EXACT), 1)
        matrix = self.ijk_to_ras.copy()
        matrix[:3, :3] *= spacing / self.spacing
        centre = self.ijk_to_ras[:3, :3] @ ((self.size - 1) / 2) + self.ijk_to_ras[:3, 3]
        matrix[:3, 3] = centre - matrix[:3, :3] @ ((size - 1) / 2)
        k, j, i = (int(n) for n in size[::-1])
        return Grid((k, j, i), matrix)

    def straightened(self) -> Grid:
        """Return a grid along the patient's own axes that covers this oriented grid."""
        corners = np.array(np.meshgrid(*[(-0.5, n - 0.5) for n in self.size])).reshape(3, -1)
        lps = (LPS_TO_RAS @ self.ijk_to_ras)[:3] @ np.vstack([corners, np.ones(corners.shape[1])])
        low, high = lps.min(axis=1), lps.max(axis=1)
        matrix = np.eye(4)
        matrix[:3, :3] *= self.spacing
        matrix[:3, 3] = low + self.spacing / 2
        k, j, i = (int(n) for n in np.ceil((high - low) / self.spacing - EXACT)[::-1])
        return Grid((k, j, i), LPS_TO_RAS @ matrix)


def _nearest_axes(lps: np.ndarray) -> list[int]:
    """Say for each patient axis which voxel axis runs along it, by taking the best match first."""
    left = np.abs(lps)
    axes = [0, 0, 0]
    for _ in range(3):
        patient, voxel = np.unravel_index(left.argmax(), left.shape)
        axes[patient] = int(voxel)
        left[patient, :] = -1
        left[:, voxel] = -1
    return axes


def move(voxels: np.ndarray, source: Grid, target: Grid, *, order: Order = "linear", fill: float = 0.0) -> np.ndarray:
    """Return the voxels of ``source`` at the places of ``target``, both (k, j, i).

    Grids that differ by the order of their axes, a crop or a margin are copied, so that the way back is
    exact; all others are interpolated (values between their neighbours: no overshoot), and smoothed first where
    the target is coarser. Places outside the source get ``fill``.
    """
    to_source = np.linalg.inv(source.ijk_to_ras) @ target.ijk_to_ras
    copied = _copy(voxels, to_source, target.shape, fill)
    if copied is not None:
        return copied
    if order == "linear":
        voxels = _smooth_for(voxels.astype(np.float32, copy=False), to_source)
    return _interpolate(voxels, to_source, target.shape, order, fill)


def _copy(voxels: np.ndarray, to_source: np.ndarray, shape: tuple[int, int, int], fill: float) -> np.ndarray | None:
    """Copy voxel by voxel where the grids allow it, else return None."""
    whole = np.rint(to_source)
    reach = np.abs(to_source - whole)[:3] @ [*shape[::-1], 1]
    axes = np.abs(whole[:3, :3]).argmax(axis=0)
    if reach.max() > EXACT or sorted(axes) != [0, 1, 2] or np.abs(whole[:3, :3]).sum() != 3:
        return None
    signs = whole[axes, range(3)].astype(int)
    first = whole[axes, 3].astype(int)
    # numpy's axes run the other way round: (k, j, i).
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
    """Blur along each source axis that the target samples more coarsely, so that nothing aliases."""
    from scipy.ndimage import gaussian_filter

    step = np.abs(to_source[:3, :3]).max(axis=1)
    sigma = np.maximum(step - 1, 0)[::-1] / 2
    return gaussian_filter(voxels, sigma, mode="nearest", truncate=3.0) if (sigma > 0.05).any() else voxels


def _interpolate(
    voxels: np.ndarray, to_source: np.ndarray, shape: tuple[int, int, int], order: Order, fill: float
) -> np.ndarray:
    import SimpleITK as sitk

    # In index space any affine is allowed, sheared and left-handed ones too.
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
    """Return ``volume`` on the grid of ``like``.

    Args:
        volume: what to resample; its modality, unit and metadata are kept.
        like: its voxels do not matter, its grid does.
        order: ``linear`` for images (no negative lobes, as PET needs), ``nearest`` for labels.
        fill: value outside ``volume``.

    Raises:
        MedSynthError: the two have no place in common.
    """
    source, target = Grid.of(volume), Grid.of(like)
    if not overlap(source, target):
        raise MedSynthError(
            "The two volumes have no place in common, so one cannot be resampled onto the other; "
            "check that they belong to the same patient and frame of reference."
        )
    return volume.replace(
        voxels=move(volume.voxels, source, target, order=order, fill=fill), ijk_to_ras=like.ijk_to_ras
    )


def overlap(first: Grid, second: Grid) -> bool:
    """Tell whether the boxes around two grids, along the patient's axes, meet."""

    def box(grid: Grid) -> tuple[np.ndarray, np.ndarray]:
        corners = np.array(np.meshgrid(*[(-0.5, n - 0.5) for n in grid.size])).reshape(3, -1)
        ras = grid.ijk_to_ras[:3] @ np.vstack([corners, np.ones(corners.shape[1])])
        return ras.min(axis=1), ras.max(axis=1)

    (low, high), (low2, high2) = box(first), box(second)
    return bool((np.maximum(low, low2) < np.minimum(high, high2)).all())
