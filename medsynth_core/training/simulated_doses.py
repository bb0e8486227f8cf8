"""Low-dose training cases, simulated from a full-dose PET."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from zlib import crc32

import numpy as np

from medsynth_core.datasets.manifest import Case
from medsynth_core.io.reading import read_volume
from medsynth_core.preparation.averaging import refuse_averaging
from medsynth_core.preparation.case import Prepared, prepare, prepare_target
from medsynth_core.preparation.contract import SynthesisContract
from medsynth_core.recipes.recipe import Recipe, synthesis_contract
from medsynth_core.simulation.dose import DoseSimulation, simulate_dose
from medsynth_core.volume import Volume


def simulate_case(case: Case, recipe: Recipe) -> DoseSimulation:
    """Return the full-dose PET and every lower dose of a case, from the same simulated counts.

    The noise depends on the recipe's seed and the case name only, so that a case is the same wherever it is used.

    Raises:
        MedSynthError: a volume cannot be read, does not fit the recipe's contract, or cannot be simulated.
    """
    assert recipe.dose is not None
    contract = synthesis_contract(recipe)
    wanted = contract.output
    pet = contract.check(read_volume(case.files[contract.input_role], modality=wanted.modality, unit=wanted.unit))
    refuse_averaging(pet, contract)
    role = recipe.dose.attenuation_role
    ct = read_volume(case.files[role], modality="CT", unit="HU") if role else None
    lower = [factor for factor in contract.dose_factors if factor > 1]
    seed = (recipe.seed + crc32(case.name.encode())) % 2**32
    return simulate_dose(pet, lower, ct=ct, settings=recipe.dose.simulation, seed=seed)


def simulated_doses(
    case: Case, recipe: Recipe, contract: SynthesisContract, others: Mapping[str, Volume]
) -> Iterator[tuple[Prepared, np.ndarray]]:
    """Yield, for each of the contract's dose factors, the prepared inputs and the target (k, j, i), float32.

    Args:
        case: case with the full-dose PET.
        recipe: provides the settings of the dose simulation.
        contract: contract of the recipe.
        others: further inputs by role, the same for every dose.

    Raises:
        MedSynthError: as `simulate_case`.
    """
    made = simulate_case(case, recipe)
    for factor in contract.dose_factors:
        pet = made.low[factor] if factor > 1 else made.full
        prepared = prepare({contract.input_role: pet, **others}, contract)
        yield prepared, prepare_target(made.full, prepared, contract.output)
