"""Simulation of lower doses from a PET."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from medsynth_core.grid import Grid, resample_array
from medsynth_core.io.identifiers import without_identifiers
from medsynth_core.preparation.unit_limits import unit_doubts
from medsynth_core.progress import Progress, ProgressCallback
from medsynth_core.simulation.attenuation import attenuation_on
from medsynth_core.simulation.checking import check_ct, check_factors, check_pet, check_seed
from medsynth_core.simulation.dose_memory import check_memory
from medsynth_core.simulation.image_space import noisy_images
from medsynth_core.simulation.projection import project_doses
from medsynth_core.simulation.scanned_object import ScannedObject
from medsynth_core.simulation.settings import DoseSettings
from medsynth_core.version import __version__
from medsynth_core.volume import Volume

_DEFAULT = DoseSettings()


@dataclass(frozen=True, eq=False)
class DoseSimulation:
    """One scan at full dose and at lower doses, from the same noise realisation, on the grid of the input.

    Attributes:
        full: PET at full dose, reconstructed like the others. With the image-space method it is the input.
        low: PET by dose reduction factor.
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
    """Simulate the PET that a lower injected activity, or a shorter scan, would have given.

    ``pet`` is taken as the true activity, so its own noise remains in all images. Slices are projected in the plane
    nearest to transaxial, whatever the axis order. A tilted grid is projected as it is, as if the patient were tilted
    in the scanner, because interpolation to the patient axes and back would smooth the noise. Coincidences are drawn
    once and thinned binomially, which is exact, as in list-mode data. Images are scaled by the factor, so all have the
    same mean. Time of flight and oblique planes are not modelled.

    Args:
        pet: activity in SUVbw or Bq/mL, 0 or above.
        factors: dose reduction factors above 1; the random counts depend on which factors are requested together.
        ct: CT of the same study in HU, on any grid; rays are attenuated as at 511 keV and corrected for attenuation.
        settings: counts, reconstruction and filter.
        seed: random seed; the same seed gives the same bits (with the same NumPy version).
        progress: called as ``progress(fraction, message)``; may raise `Cancelled`.

    Returns:
        Float32 volumes in the unit of ``pet``, with bit-equal ``ijk_to_ras``. OSEM is never negative; FBP and the
        image-space method keep negative values to preserve the mean. ``metadata`` states how they were made.

    Raises:
        MedSynthError: the PET or CT is not valid, they do not overlap sufficiently, a factor is not above 1 or
            leaves too few counts, the slices are too large to project, or memory does not suffice.
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
    axial = pet.replace(voxels=resample_array(pet.voxels, source, grid).astype(np.float32), ijk_to_ras=grid.ijk_to_ras)
    attenuation = None
    if ct is not None:
        check_ct(ct)
        attenuation = attenuation_on(ct, axial)
    given = (ScannedObject(axial.voxels, attenuation, grid.spacing), rising, settings, seed, progress)
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
            voxels=resample_array(image, grid, source),
            modality="PT",
            metadata=_provenance(pet, factor, {**shared, **own}, seconds),
            uncertainty=None,
        )
        for factor, image, own in zip((1.0, *rising), images, facts, strict=True)
    ]
    for factor, image in zip(rising, low, strict=True):
        for doubt in unit_doubts(image.voxels, image.modality, image.unit, f"PET at 1/{factor:g} of the dose"):
            progress.log(doubt)
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
        "source": without_identifiers(pet.metadata),
        "seconds": seconds,
    }
