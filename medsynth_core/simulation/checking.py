"""What can be simulated, and a sentence for what cannot."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.preparation.contract import MODALITY_NAMES, not_hounsfield
from medsynth_core.simulation.settings import DoseSettings
from medsynth_core.volume import Volume

ACTIVITY_UNITS = ("SUVbw", "Bq/mL")
FEWEST_COUNTS = 500
"""True coincidences in a slice below which OSEM, whose subsets share them, loses activity for good."""


def check_pet(pet: Volume) -> None:
    """Make sure that a volume is activity.

    Raises:
        MedSynthError: another modality or unit, values that are negative or not finite, nothing above 0, or axes that
            are not perpendicular.
    """
    if pet.modality not in ("PT", ""):
        raise MedSynthError(
            f"The volume is {MODALITY_NAMES.get(pet.modality, pet.modality)}, but a dose is simulated from a PET; "
            "choose the PET of the study."
        )
    if pet.unit not in ACTIVITY_UNITS:
        raise MedSynthError(
            f"The PET {f'is in {pet.unit}' if pet.unit else 'states no unit'}, which is no activity; "
            f"give it in {' or '.join(ACTIVITY_UNITS)}."
        )
    bad = int(pet.voxels.size - np.count_nonzero(np.isfinite(pet.voxels)))
    if bad:
        raise MedSynthError(
            f"{bad} of {pet.voxels.size} voxels of the PET are not finite numbers (NaN or infinite); repair or crop "
            "it first."
        )
    low = pet.voxels.min(initial=0)
    if low < 0:
        raise MedSynthError(
            f"{np.count_nonzero(pet.voxels < 0)} of {pet.voxels.size} voxels of the PET are negative (down to "
            f"{low:g}), but activity is not; choose a PET, and set what is noise around 0 to 0."
        )
    if not pet.voxels.any():
        raise MedSynthError("The PET is 0 everywhere, so there are no counts to simulate; choose another volume.")
    pet.lps_frame()


def check_ct(ct: Volume) -> None:
    """Make sure that a volume can say how the body attenuates.

    Raises:
        MedSynthError: another modality or unit, or values that are not Hounsfield units.
    """
    if ct.modality not in ("CT", "") or ct.unit not in ("HU", ""):
        raise MedSynthError(
            f"The volume given as CT is {MODALITY_NAMES.get(ct.modality, ct.modality) or 'an image'} in "
            f"{ct.unit or 'no unit'}; choose the CT in HU that belongs to the PET."
        )
    if not np.isfinite(ct.voxels).all():
        raise MedSynthError("The CT has voxels that are not finite numbers (NaN or infinite); repair or crop it first.")
    reasons = not_hounsfield(ct.voxels)
    if reasons:
        raise MedSynthError(reasons[0])


def check_factors(factors: Sequence[float], settings: DoseSettings) -> tuple[float, ...]:
    """Return dose reduction factors, rising and each once.

    Raises:
        MedSynthError: none, one that is not a number above 1, or one that leaves too few counts for an image.
    """
    found = tuple(sorted({float(factor) for factor in factors}))
    wrong = [factor for factor in found if not 1 < factor < np.inf]
    if wrong or not found:
        raise MedSynthError(
            f"{f'The dose reduction factor {wrong[0]:g}' if wrong else 'An empty list of dose reduction factors'} "
            "cannot be simulated; give numbers above 1, such as 4, 10, 20, 50 or 100."
        )
    left = settings.counts / found[-1]
    if left < FEWEST_COUNTS:
        raise MedSynthError(
            f"The dose reduction factor {found[-1]:g} leaves {left:.3g} of the {settings.counts:g} coincidences of a "
            f"slice, too few for an image; give factors up to {settings.counts / FEWEST_COUNTS:g}, or more counts."
        )
    return found


def check_seed(seed: int) -> None:
    """Make sure that a random seed is one.

    Raises:
        MedSynthError: it is negative.
    """
    if seed < 0:
        raise MedSynthError(f"The random seed is {seed}, but seeds are 0 or above; choose another one.")
