"""What the body swallows of the annihilation radiation, from its CT."""

from __future__ import annotations

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.preparation.grid import Grid, move, resample
from medsynth_core.simulation.projector import Projector
from medsynth_core.volume import Volume

# Carney et al., Med Phys 33:976, 2006, for 120 kVp: per cm and (HU + 1000), below and above the break.
SOFT_SLOPE, BONE_SLOPE, BONE_OFFSET, BREAK_HU = 9.6e-5, 5.10e-5, 4.71e-2, 47.0
# Of the activity that a CT must cover: its edge may lie somewhat inside that of the PET.
COVERED = 0.8
MM_PER_CM = 10.0


def attenuation_map(hu: np.ndarray) -> np.ndarray:
    """Return the linear attenuation coefficient at 511 keV, per cm (float32), of ``hu`` in Hounsfield units.

    Two straight lines, one for mixtures of air and water and one for those of water and bone (Carney et al., Med Phys
    33:976, 2006), at 120 kVp: volumes do not say their tube voltage, and from 80 to 140 kVp bone of 1000 HU is within
    a tenth of this. Water has 0.096 per cm, air 0.
    """
    density = np.maximum(np.asarray(hu, dtype=np.float32) + 1000, 0)
    return np.where(
        density < BREAK_HU + 1000, SOFT_SLOPE * density, BONE_SLOPE * density + np.float32(BONE_OFFSET)
    ).astype(np.float32)


def attenuation_on(ct: Volume, pet: Volume) -> np.ndarray:
    """Return the attenuation map of ``ct``, per cm, on the grid of ``pet`` (k, j, i); outside the CT is air.

    Raises:
        MedSynthError: the CT does not show where the activity is.
    """
    moved = resample(ct.replace(voxels=attenuation_map(ct.voxels)), pet)
    seen = move(np.ones(ct.shape, dtype=np.float32), Grid.of(ct), Grid.of(pet)) > 0.5
    share = float(pet.voxels[seen].sum(dtype=np.float64) / pet.voxels.sum(dtype=np.float64))
    if share < COVERED:
        raise MedSynthError(
            f"The CT covers only {share:.0%} of the activity in the PET, so the attenuation of the rest is not known; "
            "crop the PET to the CT, or simulate without a CT."
        )
    return moved.voxels


def survival(projector: Projector, attenuation: np.ndarray) -> np.ndarray:
    """Return the share of the photon pairs of each ray (angles × bins, slices) that leaves the body.

    Args:
        projector: of the slices.
        attenuation: (pixels, slices), per cm.
    """
    return np.exp(projector.forward(attenuation) * np.float32(-1 / MM_PER_CM))
