"""From a PET to what less dose would have shown."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from medsynth_core import __version__
from medsynth_core.preparation.grid import Grid, move
from medsynth_core.progress import Progress, ProgressCallback
from medsynth_core.simulation.attenuation import attenuation_on
from medsynth_core.simulation.checking import check_ct, check_factors, check_pet, check_seed
from medsynth_core.simulation.image_space import noisy_images
from medsynth_core.simulation.memory import check_memory
from medsynth_core.simulation.projection import project_doses
from medsynth_core.simulation.settings import DoseSettings
from medsynth_core.volume import Volume

_DEFAULT = DoseSettings()


@dataclass(frozen=True, eq=False)
class DoseSimulation:
    """One scan at its full dose and at lower ones: pairs of the same realisation, on the grid of the input.

    Attributes:
        full: PET of the full dose, reconstructed as the others are. In the image-space method it is the input.
        low: PET for each dose reduction factor.
    """

    full: Volume
    low: dict[float, Volume]


def simulate_dose(
    pet: Volume,
    factors: Sequence[float],
    *,
    ct: Volume | None = None,
    settings: DoseSettings = _DEFAULT,
    seed: int = 0,
    progress: Progress | ProgressCallback | None = None,
) -> DoseSimulation:
    """Simulate the PET that less activity, or less time, would have given.

    ``pet`` is taken for the true activity: what noise it has stays in all images. Its slices are projected in the plane
    that is nearest to transaxial, in whatever order its axes are; a tilted grid is projected as it lies, as if the
    patient lay so in the scanner, because interpolation to the patient's axes and back would smooth the noise.
    Coincidences are drawn once and thinned binomially, which is exact, as taking a part of a list of events is; images
    are scaled by the factor, so that all have the same mean. There is neither time of flight nor an oblique plane.

    Args:
        pet: activity in SUVbw or Bq/mL, 0 or above.
        factors: dose reduction factors above 1; counts depend on which ones are asked for together.
        ct: of the same study, in HU, on any grid: rays are attenuated as at 511 keV, and corrected for it.
        settings: counts, reconstruction and filter.
        seed: the same one gives the same bits (with the same version of NumPy).
        progress: called as ``progress(fraction, message)``; may raise `Cancelled`.

    Returns:
        Float32 volumes in the unit of ``pet``, ``ijk_to_ras`` bit-equal to it. OSEM is never negative; FBP and the
        image-space method keep negative values, for the mean's sake. ``metadata`` says how they were made.

    Raises:
        MedSynthError: what is given as PET or CT is none, they do not lie together, a factor is not above 1 or
            leaves too few counts, the slices are too large to be projected, or there is not enough memory.
        Cancelled: the progress callback asked to stop.
    """
    progress = progress if isinstance(progress, Progress) else Progress(progress)
    started = time.monotonic()
    rising = check_factors(factors, settings)
    check_seed(seed)
    check_memory(pet, rising, ct, settings)
    check_pet(pet)
    source = Grid.of(pet)
    grid = source.oriented()
    axial = pet.replace(voxels=move(pet.voxels, source, grid).astype(np.float32), ijk_to_ras=grid.ijk_to_ras)
    attenuation = None
    if ct is not None:
        check_ct(ct)
        attenuation = attenuation_on(ct, axial)
    given = (axial.voxels, attenuation, grid.spacing, rising, settings, seed, progress)
    if settings.method == "projection":
        doses = project_doses(*given)
        images = doses.images
        facts = [{**doses.facts, **_counts(doses.counts, n)} for n in range(len(images))]
    else:
        images, strength = noisy_images(*given)
        facts = [{"variance_over_activity": strength}] * len(images)
    seconds = round(time.monotonic() - started, 2)
    shared = {**settings.used(), "seed": seed, "attenuation": ct is not None}
    full, *low = [
        pet.replace(
            voxels=move(image, grid, source),
            modality="PT",
            metadata=_provenance(pet, factor, {**shared, **own}, seconds),
            uncertainty=None,
        )
        for factor, image, own in zip((1.0, *rising), images, facts, strict=True)
    ]
    progress(1.0, "Done")
    return DoseSimulation(full, dict(zip(rising, low, strict=True)))


def _counts(counts: list[int], number: int) -> dict[str, int | float]:
    return {"counts_kept": counts[number], "counts_fraction": counts[number] / counts[0]}


def _provenance(pet: Volume, factor: float, simulation: dict[str, Any], seconds: float) -> dict[str, Any]:
    approximate = simulation["method"] == "image-space"
    how = "approximation" if approximate else simulation["reconstruction"].upper()
    dose = "full dose" if factor == 1 else f"1/{factor:g} of the dose"
    return {
        "synthetic": True,
        "description": f"simulated PT, {pet.unit}, {dose}, {how}, not for diagnosis",
        "notice": "Simulated image, not for diagnosis.",
        "simulation": {"dose_reduction_factor": factor, "approximate": approximate, **simulation},
        "medsynth_version": __version__,
        "input_modality": "PT",
        "input_unit": pet.unit,
        "source": pet.metadata,
        "seconds": seconds,
    }
