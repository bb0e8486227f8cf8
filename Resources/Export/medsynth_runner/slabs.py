"""A network for volumes, run over overlapping slabs, or over windows of these where slabs take too much memory."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from .settings import Settings
from .slices import Network

SMALLEST_WINDOW = 64
SHARED = 4
# Bytes that one window may take.
BUDGET = 2 << 30


@dataclass(frozen=True)
class Windows:
    """Windows of ``size`` voxels along an axis of ``length`` voxels.

    They overlap by at least ``overlap`` voxels; the ``halo`` at their inner edges has no weight.
    """

    length: int
    size: int
    overlap: int
    halo: int

    @property
    def starts(self) -> list[int]:
        """The first voxel of every window."""
        if self.size >= self.length:
            return [0]
        return [*range(0, self.length - self.size, self.size - self.overlap), self.length - self.size]

    def weight(self, start: int) -> np.ndarray:
        """Return the weight of each voxel of a window (float32)."""
        size = min(self.size, self.length)
        ramp = np.clip((np.arange(size) - self.halo + 1) / max(self.overlap - 2 * self.halo + 1, 1), 0, 1)
        rising = ramp if start > 0 else np.ones(size)
        falling = ramp[::-1] if start + size < self.length else np.ones(size)
        return (rising * falling).astype(np.float32)

    def total(self) -> np.ndarray:
        """Return the sum of all windows' weights at each voxel of the axis (float32)."""
        total = np.zeros(self.length, dtype=np.float32)
        for start in self.starts:
            weight = self.weight(start)
            total[start : start + len(weight)] += weight
        return total


def run_slabs(network: Network, voxels: np.ndarray, settings: Settings) -> np.ndarray:
    """Return what the network makes (outputs, k, j, i) of prepared inputs (inputs, k, j, i); empty where they are."""
    slices, least = voxels.shape[1], settings.facts["slab"]["slices"]
    empty = np.array([image.empty for image in settings.inputs], dtype=np.float32)[:, None, None, None]
    if slices < least:
        missing = np.broadcast_to(empty, (len(voxels), least - slices, *voxels.shape[2:]))
        voxels = np.concatenate([voxels, missing], axis=1)
    nothing = np.array([image.empty for image in settings.outputs], dtype=np.float32)[:, None, None, None]
    axes = _axes(voxels.shape[1:], settings)
    total = np.zeros((len(settings.outputs), *voxels.shape[1:]), dtype=np.float32)
    for corner in itertools.product(*(axis.starts for axis in axes)):
        window = _window(corner, axes)
        given = voxels[window]
        made = network(given[None])[0] if (given != empty).any() else np.broadcast_to(nothing, total[window].shape)
        total[window] += _along([axis.weight(start) for axis, start in zip(axes, corner, strict=True)], made)
    return (total / _sums(axes))[:, :slices]


def _window(corner: tuple[int, ...], axes: list[Windows]) -> tuple[slice, ...]:
    inside = (slice(start, start + min(axis.size, axis.length)) for start, axis in zip(corner, axes, strict=True))
    return (slice(None), *inside)


def _axes(shape: tuple[int, ...], settings: Settings) -> list[Windows]:
    slab, side = settings.facts["slab"], _side(shape, settings)
    halo = settings.network["halo"]
    shared = max(side // SHARED, 2 * halo)
    plane = [Windows(length, side, shared, halo if 2 * shared <= side else 0) for length in shape[1:]]
    return [Windows(shape[0], slab["slices"], slab["overlap"], halo if 2 * halo <= slab["overlap"] else 0), *plane]


def _side(shape: tuple[int, ...], settings: Settings) -> int:
    """Return the rows and columns of the largest window that the memory allows."""
    side, depth = max(shape[1:]), min(settings.facts["slab"]["slices"], shape[0])
    per_voxel = settings.network["memory_per_voxel"]
    while side > SMALLEST_WINDOW and per_voxel * depth * min(side, shape[1]) * min(side, shape[2]) > BUDGET:
        side = max(side // 2, SMALLEST_WINDOW)
    return side


def _along(weights: list[np.ndarray], made: np.ndarray) -> np.ndarray:
    """Return a window's image (outputs, k, j, i) multiplied by the weights along each of its axes."""
    for axis, weight in enumerate(weights):
        made = made * weight.reshape([-1 if other == axis else 1 for other in range(3)])
    return made


def _sums(axes: list[Windows]) -> np.ndarray:
    first, second, third = (axis.total() for axis in axes)
    return first[:, None, None] * second[None, :, None] * third[None, None, :]
