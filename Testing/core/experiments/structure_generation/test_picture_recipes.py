"""Recipes of the generators of pictures and of their rivals."""

from __future__ import annotations

import numpy as np
import pytest

from medsynth_core.experiments.structure_generation.picture_part import CHEST_XRAY, FUNDUS
from medsynth_core.experiments.structure_generation.picture_recipes import RIVALS, picture_recipes
from medsynth_core.experiments.structure_generation.rivals import experiment_recipe
from medsynth_core.preparation.contract_images import channels_of
from medsynth_core.training.fit import check_networks


@pytest.mark.parametrize("part", [CHEST_XRAY, FUNDUS], ids=lambda part: part.folder)
def test_every_method_can_be_built_and_draws_the_same_pictures(part):
    check_networks(experiment_recipe(part.structure))
    found = picture_recipes(part.generator)
    assert tuple(found) == (part.generator, *RIVALS[part.generator])
    sides = channels_of(found[part.generator].contract.outputs)
    values = np.array([0.0, 100.0, 255.0])
    for recipe in found.values():
        check_networks(recipe)
        assert recipe.contract.matrix == (128, 128) and recipe.choose_by == "fid" and recipe.stop_after > 0
        assert recipe.augmentation == found[part.generator].augmentation
        assert channels_of(recipe.contract.outputs).keys() == sides.keys()
        for name, side in channels_of(recipe.contract.outputs).items():
            low, high = side.intensity.mapped
            mapped = (side.intensity.forward(values) - low) / (high - low)
            np.testing.assert_allclose(mapped, sides[name].intensity.forward(values), atol=1e-6)


def test_maps_of_the_generator_are_those_of_its_structure_model():
    for part in (CHEST_XRAY, FUNDUS):
        own, maps = experiment_recipe(part.generator), experiment_recipe(part.structure)
        (source,) = own.structures.values()
        assert source == maps.structure and own.structure_model.endswith(f"{part.structure}/{part.structure}")


def test_only_methods_with_a_label_know_classes():
    found = picture_recipes("multimodal-x-ray")
    assert {name for name, recipe in found.items() if recipe.needs.classes} == {"multimodal-x-ray", "acgan"}
    assert found["acgan"].classes == found["multimodal-x-ray"].classes == ("normal", "bacterial", "viral")
    assert not any(recipe.needs.classes for recipe in picture_recipes("multimodal-fundus").values())
