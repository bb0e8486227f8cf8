"""Training cases of lower doses, simulated from a full-dose PET."""

from __future__ import annotations

from collections.abc import Iterator
from zlib import crc32

import numpy as np

from medsynth_core.datasets.manifest import Case
from medsynth_core.io.reading import read_volume
from medsynth_core.preparation.case import Prepared, prepare, prepare_target
from medsynth_core.simulation.dose import DoseSimulation, simulate_dose
from medsynth_core.training.recipe import Recipe


def simulate_case(case: Case, recipe: Recipe) -> DoseSimulation:
    """Return the full dose and every lower one of a case, from the same simulated counts.

    Chance depends on the recipe's seed and the name of the case, so that a case is the same wherever it is used.

    Raises:
        MedSynthError: a volume cannot be read, does not fit the recipe's contract, or cannot be simulated.
    """
    assert recipe.dose is not None
    wanted = recipe.contract.output
    pet = recipe.contract.check(read_volume(case.files[recipe.target_role], modality=wanted.modality, unit=wanted.unit))
    role = recipe.dose.attenuation_role
    ct = read_volume(case.files[role], modality="CT", unit="HU") if role else None
    lower = [factor for factor in recipe.contract.dose_factors if factor > 1]
    seed = (recipe.seed + crc32(case.name.encode())) % 2**32
    return simulate_dose(pet, lower, ct=ct, settings=recipe.dose.simulation, seed=seed)


def simulated_doses(case: Case, recipe: Recipe) -> Iterator[tuple[Prepared, np.ndarray]]:
    """Yield, for each of the contract's dose factors, the prepared input and the target (k, j, i), float32.

    Raises:
        MedSynthError: as `simulate_case`.
    """
    made = simulate_case(case, recipe)
    for factor in recipe.contract.dose_factors:
        prepared = prepare(made.low[factor] if factor > 1 else made.full, recipe.contract)
        yield prepared, prepare_target(made.full, prepared, recipe.contract)
