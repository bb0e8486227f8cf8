"""Small data sets, good and bad, on which the verdicts of command, worker, panel and training are compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from builders import CT_SIDE, PET_SIDE, dose_recipe, phantom_body_pet, phantom_ct, phantom_pet, tiny_recipe

from medsynth_core.datasets.manifest import Case, write_manifest
from medsynth_core.io.writing import write_volume
from medsynth_core.recipes.recipe import Recipe

SPLITS = ("train", "train", "val", "test")


@dataclass(frozen=True)
class DataSet:
    """A data set and what is right to say about it.

    Attributes:
        recipe: recipe of the training.
        cases: as the manifest lists them.
        refused: names of the cases that cannot be used.
        usable: whether a training can start with the set.
    """

    recipe: Recipe
    cases: list[Case]
    refused: tuple[str, ...] = ()
    usable: bool = True

    def write(self, folder: Path) -> Path:
        """Write the manifest and return it."""
        return write_manifest(self.cases, folder / "all.csv")


def pairs(folder: Path) -> list[Case]:
    """Write a CT and a PET of four patients."""
    cases = []
    for number, split in enumerate(SPLITS):
        ct = phantom_ct(seed=number)
        pet = phantom_pet(ct)
        files = {"ct": folder / f"ct{number}.nii.gz", "pet": folder / f"pet{number}.nii.gz"}
        write_volume(ct, files["ct"])
        write_volume(pet.replace(voxels=pet.voxels * np.float32(1 + number / 10)), files["pet"])
        cases.append(Case(f"P{number}", split, files))
    return cases


def whole_body_pets(folder: Path) -> list[Case]:
    """Write a PET at full dose and its CT of four patients."""
    cases = []
    for number, split in enumerate(SPLITS):
        pet = phantom_body_pet(number)
        ct = phantom_ct(pet.shape, pet.ijk_to_ras, seed=number)
        files = {"pet": folder / f"pet{number}.nii.gz", "ct": folder / f"ct{number}.nii.gz"}
        write_volume(pet, files["pet"])
        write_volume(ct, files["ct"])
        cases.append(Case(f"P{number}", split, files))
    return cases


def without(cases: list[Case], number: int, role: str) -> list[Case]:
    """Return cases of which one has no file for a role."""
    files = {name: file for name, file in cases[number].files.items() if name != role}
    return [*cases[:number], replace(cases[number], files=files), *cases[number + 1 :]]


def unpaired_recipe() -> Recipe:
    """Return a recipe for unpaired images that trains in seconds."""
    return tiny_recipe(
        system="cyclegan",
        network={"name": "resnet9", "options": {"in_channels": 1, "out_channels": 1, "channels": 4, "blocks": 1}},
        discriminator={"name": "patchgan2d", "options": {"channels": 4, "layers": 1}},
        loss={"adversarial": 1.0, "cycle": 10.0},
        epochs=1,
    )


def low_dose_recipe(attenuation_role: str = "") -> Recipe:
    """Return a recipe for low-dose PET that trains in seconds."""
    simulation = {"counts": 200000, "subsets": 8}
    return dose_recipe(epochs=2, dose={"simulation": simulation, "attenuation_role": attenuation_role})


def _paired(folder: Path) -> DataSet:
    return DataSet(tiny_recipe(epochs=1), pairs(folder))


def _missing_file(folder: Path) -> DataSet:
    cases = pairs(folder)
    cases[1].files["pet"].unlink()
    return DataSet(tiny_recipe(), cases, ("P1",), usable=False)


def _pair_without_target(folder: Path) -> DataSet:
    return DataSet(tiny_recipe(), without(pairs(folder), 0, "pet"), ("P0",), usable=False)


def _no_validation(folder: Path) -> DataSet:
    cases = [replace(case, split="train" if case.split == "val" else case.split) for case in pairs(folder)]
    return DataSet(tiny_recipe(), cases, usable=False)


def _undivided(folder: Path) -> DataSet:
    cases = pairs(folder)
    return DataSet(tiny_recipe(), [replace(cases[0], split=""), *cases[1:]], usable=False)


def _unpaired(folder: Path) -> DataSet:
    return DataSet(unpaired_recipe(), without(without(pairs(folder), 0, "pet"), 1, "ct"))


def _unpaired_validation(folder: Path) -> DataSet:
    return DataSet(unpaired_recipe(), without(pairs(folder), 2, "pet"), ("P2",), usable=False)


def unpaired_two_input_recipe() -> Recipe:
    """Return a recipe for unpaired images, with two inputs, that trains in seconds."""
    recipe = unpaired_recipe().model_dump(mode="json")
    recipe["contract"]["inputs"]["mr"] = {"modality": "MR", "unit": "1", "intensity": PET_SIDE["intensity"]}
    recipe["network"]["options"]["in_channels"] = 2
    return Recipe.model_validate(recipe)


def _with_mr(folder: Path) -> list[Case]:
    """Write a CT, a PET and an MR of four patients."""
    cases = []
    for number, case in enumerate(pairs(folder)):
        mr = phantom_pet(phantom_ct(seed=number)).replace(modality="MR", unit="1")
        file = folder / f"mr{number}.nii.gz"
        write_volume(mr.replace(voxels=mr.voxels * np.float32(2 + number / 10)), file)
        cases.append(replace(case, files={**case.files, "mr": file}))
    return cases


def _unpaired_two_inputs(folder: Path) -> DataSet:
    cases = without(without(_with_mr(folder), 1, "ct"), 1, "mr")
    return DataSet(unpaired_two_input_recipe(), without(cases, 0, "pet"))


def _unpaired_part_of_the_inputs(folder: Path) -> DataSet:
    return DataSet(unpaired_two_input_recipe(), without(_with_mr(folder), 0, "mr"), ("P0",), usable=False)


def _doses(folder: Path) -> DataSet:
    cases = [replace(case, files={"pet": case.files["pet"]}) for case in whole_body_pets(folder)]
    return DataSet(low_dose_recipe(), cases)


def _doses_with_ct(folder: Path) -> DataSet:
    return DataSet(low_dose_recipe("ct"), whole_body_pets(folder))


def two_input_recipe() -> Recipe:
    """Return a recipe for low-dose PET with, where there is one, its CT, that trains in seconds."""
    recipe = low_dose_recipe().model_dump(mode="json")
    recipe["contract"]["inputs"] = {"pet": PET_SIDE, "ct": {**CT_SIDE, "optional": True}}
    recipe["network"]["options"]["in_channels"] = 2
    return Recipe.model_validate(recipe)


def _optional_ct(folder: Path) -> DataSet:
    return DataSet(two_input_recipe(), without(whole_body_pets(folder), 2, "ct"))


def _missing_attenuation_ct(folder: Path) -> DataSet:
    return DataSet(low_dose_recipe("ct"), without(whole_body_pets(folder), 1, "ct"), ("P1",), usable=False)


DATA_SETS: dict[str, Callable[[Path], DataSet]] = {
    "paired": _paired,
    "a file is missing": _missing_file,
    "a pair without target": _pair_without_target,
    "no case for validation": _no_validation,
    "a case without split": _undivided,
    "unpaired": _unpaired,
    "unpaired, no pair for validation": _unpaired_validation,
    "unpaired, two inputs": _unpaired_two_inputs,
    "unpaired, one of two inputs is missing": _unpaired_part_of_the_inputs,
    "doses": _doses,
    "doses with CT": _doses_with_ct,
    "doses, an optional CT is missing": _optional_ct,
    "doses, an attenuation CT is missing": _missing_attenuation_ct,
}
