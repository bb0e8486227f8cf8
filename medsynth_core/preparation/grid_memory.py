"""Check that the free main memory suffices for images on the grids of a volume and of a model."""

from __future__ import annotations

import math

from medsynth_core.compute.memory import available_memory
from medsynth_core.errors import MedSynthError
from medsynth_core.grid import Grid


def check_grids(own: Grid, inside: Grid, own_bytes: int, model_bytes: int) -> None:
    """Check that the free main memory suffices for what is computed on two grids.

    Args:
        own: grid of the volume.
        inside: grid of the model, which may be much finer.
        own_bytes, model_bytes: bytes per voxel that are needed on each.

    Raises:
        MedSynthError: it does not, so that the operating system would end the process half-way.
    """
    count, finer = math.prod(own.shape), math.prod(inside.shape)
    needed, free = own_bytes * count + model_bytes * finer, available_memory()
    if needed > free:
        more = f" ({_size(inside)} on the model's grid)" if finer > count else ""
        raise MedSynthError(
            f"The volume of {_size(own)} voxels{more} needs about {needed / 2**30:.1f} GiB of memory, but "
            f"{free / 2**30:.1f} GiB are free; close other programs, crop the volume, or check its voxel size.",
            kind="device",
        )


def _size(grid: Grid) -> str:
    return " × ".join(str(side) for side in reversed(grid.shape))
