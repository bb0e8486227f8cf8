"""How much memory the simulation of doses needs."""

from __future__ import annotations

import math

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.memory import available_memory
from medsynth_core.preparation.grid import Grid
from medsynth_core.simulation.image_space import FEW_ANGLES
from medsynth_core.simulation.projection import BLOCK
from medsynth_core.simulation.projector import FEWEST_ANGLES, MOST_ANGLES, MOST_WEIGHTS
from medsynth_core.simulation.settings import DoseSettings
from medsynth_core.volume import Volume

# For each voxel of the PET: activity and attenuation in float32, and each image before and after it is put back onto
# the grid of the PET; the method image-space needs at least what finding the body does, and while noise is drawn some
# fields beside the images. For each voxel of a CT: its attenuation while it is worked out.
SHARED, IMAGE, BODY, FIELDS, CT = 8, 8, 50, 32, 18
# For each weight of the projector, and while those of a subset are put together; for each pixel then.
WEIGHT, BUILT, PIXEL = 8, 40, 400
# Of the slices that are computed together: for each ray, and for each ray and dose (counts, in whole numbers, of this
# block and the one before; spectra); for each pixel and dose.
RAY, COUNTED, RECONSTRUCTED = 24, {"osem": 28, "fbp": 48}, 12
# Libraries that are loaded on the way.
LIBRARIES = 32 << 20


def check_memory(pet: Volume, factors: tuple[float, ...], ct: Volume | None, settings: DoseSettings) -> None:
    """Make sure that doses can be simulated in the main memory that is free.

    Args:
        pet: what they are simulated from.
        factors: dose reduction factors, for each of which there is an image beside that of the full dose.
        ct: for the attenuation, or None.
        settings: method and reconstruction.

    Raises:
        MedSynthError: they cannot, as far as the system tells; better so than to be ended by it half-way.
    """
    needed, free = needed_bytes(pet, len(factors), ct, settings), available_memory()
    if free is not None and needed > free:
        raise MedSynthError(
            f"To simulate {len(factors)} dose(s) of a PET of {' × '.join(map(str, reversed(pet.shape)))} voxels needs "
            f"about {needed / 2**30:.1f} GiB of memory, but {free / 2**30:.1f} GiB are free; close other programs, ask "
            f"for fewer doses at once, or crop the PET{' and the CT' if ct is not None else ''}.",
            kind="device",
        )


def needed_bytes(pet: Volume, doses: int, ct: Volume | None, settings: DoseSettings) -> int:
    """Return the bytes that a simulation takes at its peak beside what it is given, rather too many than too few."""
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
    # While slices are computed there is one copy of the images; two more are made when the last one is filtered.
    while_computed = (2 * SHARED + IMAGE // 2 * images) * voxels + projector + block
    return int(max(of_ct, whole, while_computed)) + LIBRARIES


def _weights(pixels: int, angles: float, pixel: np.ndarray) -> float:
    """Return how many weights a projector has at most: it refuses to have more than `MOST_WEIGHTS`."""
    return min(pixels * angles * float(1 + 2 / np.pi * pixel.sum() / pixel.min()), MOST_WEIGHTS)
