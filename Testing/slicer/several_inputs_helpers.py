"""What the tests of models with several inputs share: recipes and phantoms."""

from __future__ import annotations

import numpy as np
from builders import CT_SIDE, PET_SIDE, dose_recipe, phantom_body_pet, phantom_ct, phantom_pet, tiny_recipe
from train_helpers import doseRecipeText, nodeOf, recipeText

MODEL = "tiny-dose-ct"


def twoInputRecipeText(**changes) -> str:
    """Return the YAML of a recipe for low-dose PET with its CT that trains in seconds."""
    whole = dose_recipe().model_dump(mode="json")
    contract = {**whole["contract"], "inputs": {"pet": PET_SIDE, "ct": CT_SIDE}}
    network = {**whole["network"], "options": {**whole["network"]["options"], "in_channels": 2}}
    return doseRecipeText(**{"name": MODEL, "contract": contract, "network": network, **changes})


def petAndCt(seed: int) -> tuple:
    """Return the phantom of a body as volume nodes, a PET in SUVbw and its CT in HU."""
    pet = phantom_body_pet(seed)
    return nodeOf(pet, f"PET {seed}"), nodeOf(phantom_ct(pet.shape, pet.ijk_to_ras, seed), f"CT {seed}")


def threeImageRecipeText(**changes) -> str:
    """Return the YAML of a recipe that makes a PET of a CT and an MR."""
    mr = {"modality": "MR", "unit": "1", "intensity": {"kind": "linear", "divisor": 100.0}}
    contract = {**tiny_recipe().model_dump(mode="json")["contract"], "inputs": {"ct": CT_SIDE, "mr": mr}}
    return recipeText(contract=contract, **changes)


def ctMrAndPet(shape: tuple[int, int, int] = (6, 40, 44)) -> dict:
    """Return phantoms of one patient as volume nodes, by role."""
    ct = phantom_ct(shape)
    mr = ct.replace(voxels=np.clip(ct.voxels + 300, 0, 400).astype(np.int16), modality="MR", unit="1")
    return {role: nodeOf(volume, role.upper()) for role, volume in (("ct", ct), ("mr", mr), ("pet", phantom_pet(ct)))}
