"""Memory estimate of the dose simulation."""

from __future__ import annotations

import math

import numpy as np

from medsynth_core.compute.memory import available_memory
from medsynth_core.errors import MedSynthError
from medsynth_core.grid import Grid
from medsynth_core.simulation.image_space import FEW_ANGLES
from medsynth_core.simulation.projection import BLOCK
from medsynth_core.simulation.projector import FEWEST_ANGLES, MOST_ANGLES, MOST_WEIGHTS
from medsynth_core.simulation.settings import DoseSettings
from medsynth_core.volume import Volume

# Bytes per voxel of the PET: activity and attenuation (float32); each image before and after resampling to the grid of
# the PET; body segmentation, the minimum for the method image-space; noise fields beside the images. Bytes per voxel
# of the CT while its attenuation map is computed.
SHARED, IMAGE, BODY, FIELDS, CT = 8, 8, 50, 32, 18
# Bytes per weight of the projector, per weight while the matrix of a subset is assembled, and per pixel meanwhile.
WEIGHT, BUILT, PIXEL = 8, 40, 400
# Bytes for a block of slices: per ray; per ray and dose (integer counts of this block and the previous one; spectra);
# per pixel and dose.
RAY, COUNTED, RECONSTRUCTED = 24, {"osem": 28, "fbp": 48}, 12
# Libraries that are imported during the simulation.
LIBRARIES = 32 << 20


def check_memory(pet: Volume, factors: tuple[float, ...], ct: Volume | None, settings: DoseSettings) -> None:
    """Check that the simulation fits into the available main memory, before the system kills it half-way.

    Args:
        pet: input of the simulation.
        factors: dose reduction factors; each gives one image in addition to that of the full dose.
        ct: CT for attenuation, or None.
        settings: method and reconstruction.

    Raises:
        MedSynthError: the estimate exceeds the available memory.
    """
    needed, free = needed_bytes(pet, len(factors), ct, settings), available_memory()
    if needed > free:
        raise MedSynthError(
            f"Simulating {len(factors)} dose(s) of a PET of {' × '.join(map(str, reversed(pet.shape)))} voxels needs "
            f"about {needed / 2**30:.1f} GiB of memory, but {free / 2**30:.1f} GiB are free; close other programs, "
            f"simulate fewer doses at once, or crop the PET{' and the CT' if ct is not None else ''}.",
            kind="device",
        )


def needed_bytes(pet: Volume, doses: int, ct: Volume | None, settings: DoseSettings) -> int:
    """Return an upper estimate of the peak memory of a simulation in bytes, excluding its inputs."""
    grid = Grid.of(pet).oriented()
    voxels, images = math.prod(grid.shape), 1 + doses
    of_ct = 0 if ct is None else 2 * SHARED * voxels + CT * math.prod(ct.shape)
    whole = (SHARED + IMAGE * images) * voxels
    slices, rows, columns = grid.shape
    pixel = grid.spacing[:2]
    sides = np.array([columns, rows]) * pixel / pixel.min()
    bins = float(np.hypot(*sides)) + 2
    if settings.method == "image-space":
        rays = RAY * FEW_ANGLES * bins * slices
        while_drawn = max(BODY, FIELDS + IMAGE // 2 * images) * voxels
        projector = (WEIGHT + BUILT) * _weights(rows * columns, FEW_ANGLES, pixel)
        return int(max(of_ct, whole, while_drawn + rays + projector + PIXEL * rows * columns)) + LIBRARIES
    angles = min(max(float(sides.max()) + 1, FEWEST_ANGLES), MOST_ANGLES)
    weights = _weights(rows * columns, angles, pixel)
    together = min(max(1, BLOCK // (rows * columns)), slices)
    rays, pixels = together * angles * bins, together * rows * columns
    block = rays * (RAY + COUNTED[settings.reconstruction] * images) + pixels * RECONSTRUCTED * images
    if settings.reconstruction == "osem":
        block += 4 * settings.subsets * pixels  # the sensitivity of each subset
    projector = (WEIGHT + BUILT / settings.subsets) * weights + PIXEL * rows * columns
    # During computation there is one copy of the images; two more are made after filtering.
    while_computed = (2 * SHARED + IMAGE // 2 * images) * voxels + projector + block
    return int(max(of_ct, whole, while_computed)) + LIBRARIES


def _weights(pixels: int, angles: float, pixel: np.ndarray) -> float:
    """Return the largest number of weights of a projector, which is limited to `MOST_WEIGHTS`."""
    return min(pixels * angles * float(1 + 2 / np.pi * pixel.sum() / pixel.min()), MOST_WEIGHTS)
