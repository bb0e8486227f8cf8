"""Patches of unpaired cases come from the cases that have the image."""

from __future__ import annotations

import numpy as np
from builders import dose_recipe

from medsynth_core.preparation.training_case import TrainingCase
from medsynth_core.recipes.recipe import Recipe
from medsynth_core.training.patches import Patches

NOTHING = np.zeros((0, 0, 0), dtype=np.float32)


def unpaired_recipe() -> Recipe:
    """Return a 3-D CycleGAN."""
    content = dose_recipe().model_dump(mode="json")
    side = content["contract"]["outputs"]["pet"]
    contract = {**content["contract"], "inputs": {"a": side}, "outputs": {"b": side}, "dose_factors": []}
    kept = ("format", "name", "about", "augmentation", "epochs", "batch_size")
    network = {"name": "unet3d", "options": {}}
    return Recipe.model_validate(
        {
            **{key: content[key] for key in kept},
            "system": "cyclegan",
            "contract": contract,
            "network": network,
            "discriminator": {"name": "patchgan3d", "options": {}},
            "loss": {"adversarial": 1.0, "cycle": 10.0},
        }
    )


def case(name: str, value: float | None, target: float | None) -> TrainingCase:
    shape = (24, 32, 36)
    images = [NOTHING if some is None else np.full(shape, some, dtype=np.float32) for some in (value, target)]
    return TrainingCase(name, {"a": images[0]}, np.ones(images[0].shape, dtype=bool), {"b": images[1]}, {"dose": -1})


def test_each_side_is_drawn_from_the_cases_that_have_it():
    patches = Patches([case("A", 1, None), case("B", None, 2), case("C", 3, 4)], unpaired_recipe())
    assert patches.count == patches.targets > 2
    drawn = [patches[0, index, index] for index in range(patches.count)]
    values = [{float(item[side][role].max()) for item in drawn} for side, role in ((0, "a"), (1, "b"))]
    assert values == [{1, 3}, {2, 4}]
    # No patch is of air alone.
    assert all(item[1]["b"].min() > 0 for item in drawn)
