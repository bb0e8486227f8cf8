"""Input checks of the dose simulation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.modality import modality_name
from medsynth_core.preparation.value_checks import not_synthesizable, unusable_ct
from medsynth_core.simulation.settings import DoseSettings
from medsynth_core.volume import Volume

ACTIVITY_UNITS = ("SUVbw", "Bq/mL")
FEWEST_COUNTS = 500
"""True coincidences in a slice below which OSEM, which divides them among its subsets, loses activity."""


def check_pet(pet: Volume) -> None:
    """Check that a volume holds activity.

    Raises:
        MedSynthError: the modality or unit is wrong, the volume is a map of errors, values are negative or not finite,
            all values are 0, or the axes are not perpendicular.
    """
    pet.refuse_error_map("a PET")
    if pet.modality not in ("PT", ""):
        raise MedSynthError(
            f"The volume is {modality_name(pet.modality)}, but a lower dose is simulated from PET; "
            "choose the PET of the study."
        )
    if pet.unit not in ACTIVITY_UNITS:
        raise MedSynthError(
            f"The PET {f'is in {pet.unit}' if pet.unit else 'has no unit'}, but the simulation needs activity; "
            f"provide the PET in {' or '.join(ACTIVITY_UNITS)}."
        )
    bad = int(pet.voxels.size - np.count_nonzero(np.isfinite(pet.voxels)))
    if bad:
        raise MedSynthError(
            f"{bad} of {pet.voxels.size} voxels of the PET are not finite numbers (NaN or infinite); repair or crop "
            "it first."
        )
    for reason in not_synthesizable(pet.voxels):
        raise MedSynthError(reason)
    low = pet.voxels.min(initial=0)
    if low < 0:
        raise MedSynthError(
            f"{np.count_nonzero(pet.voxels < 0)} of {pet.voxels.size} voxels of the PET are negative (down to "
            f"{low:g}), but activity cannot be; choose a PET, and set negative noise to 0."
        )
    if not pet.voxels.any():
        raise MedSynthError("The PET is 0 everywhere, so there are no counts to simulate; choose another volume.")
    pet.lps_frame()


def check_ct(ct: Volume) -> None:
    """Check that a volume is a CT from which attenuation can be computed.

    Raises:
        MedSynthError: the modality or unit is wrong, or the values are not Hounsfield units.
    """
    if ct.modality not in ("CT", "") or ct.unit not in ("HU", ""):
        raise MedSynthError(
            f"The volume given as CT is {modality_name(ct.modality, 'an image')} in "
            f"{ct.unit or 'no unit'}; choose the CT in HU that belongs to the PET."
        )
    if not np.isfinite(ct.voxels).all():
        raise MedSynthError("The CT has voxels that are not finite numbers (NaN or infinite); repair or crop it first.")
    reasons = not_synthesizable(ct.voxels) or unusable_ct(ct.voxels)
    if reasons:
        raise MedSynthError(reasons[0])


def check_factors(factors: Sequence[float], settings: DoseSettings) -> tuple[float, ...]:
    """Return dose reduction factors in ascending order without duplicates.

    Raises:
        MedSynthError: the list is empty, a factor is not a number above 1, or one leaves too few counts for an image.
    """
    found = tuple(sorted({float(factor) for factor in factors}))
    wrong = [factor for factor in found if not 1 < factor < np.inf]
    if wrong or not found:
        raise MedSynthError(
            f"{f'The dose reduction factor {wrong[0]:g}' if wrong else 'An empty list of dose reduction factors'} "
            "cannot be simulated; use numbers above 1, such as 4, 10, 20, 50 or 100."
        )
    left = settings.counts / found[-1]
    if left < FEWEST_COUNTS:
        raise MedSynthError(
            f"The dose reduction factor {found[-1]:g} leaves {left:.3g} of the {settings.counts:g} coincidences per "
            f"slice, too few for an image; use factors up to {settings.counts / FEWEST_COUNTS:g}, or more counts."
        )
    return found


def check_seed(seed: int) -> None:
    """Check that a random seed is valid.

    Raises:
        MedSynthError: the seed is negative.
    """
    if seed < 0:
        raise MedSynthError(f"The random seed is {seed}; choose a seed of 0 or above.")
