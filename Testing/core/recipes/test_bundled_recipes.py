"""The recipes that come with MedSynth are valid, and their networks can be built."""

import pytest
import torch
from builders import batch_of

from medsynth_core import create_network
from medsynth_core.networks.registry import count_parameters, describe
from medsynth_core.recipes.recipe import Recipe, read_recipe
from medsynth_core.resources import resource_folder
from medsynth_core.systems.engine import Engine
from medsynth_core.systems.paired import PairedSystem

# Parameters of the models that ship.
MODELS = {"ct-to-pet": 1_496_134, "ct-to-mr": 1_496_134, "low-dose-pet": 1_802_648}
RECIPES = sorted((resource_folder() / "Recipes").rglob("*.yaml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_recipe_is_named_as_its_file_and_its_network_fits_its_slices(path):
    recipe = read_recipe(path)
    # The recipe that all methods of an experiment share may be that of one of them.
    assert recipe.name == path.stem or path.parent.name == "experiments"
    with torch.device("meta"):
        network = create_network(recipe.network.name, **recipe.network.options)
    assert recipe.augmentation.crop % network.multiple_of == 0


@pytest.mark.slow
def test_the_published_cascade_is_trained_as_published():
    recipe = read_recipe(resource_folder() / "Recipes" / "cascade-published.yaml")
    assert describe(recipe.network.name, **recipe.network.options).parameters == 7 * 22_129_107
    assert recipe.optimiser.learning_rate == 1e-3 and recipe.optimiser.schedule == "constant"
    assert recipe.loss.mse > 0 and recipe.loss.adversarial > 0 and recipe.loss.l1 == 0
    assert recipe.epochs >= 200 and recipe.augmentation.crop == 256 and recipe.contract.slices == "replicate"


@pytest.mark.parametrize(
    ("name", "millions"),
    [
        ("cascade-1-published", 22.13),
        ("cascade-3-published", 66.39),
        ("cascade-published", 154.90),
        ("cascade-10-published", 221.29),
        ("unet-published", 54.41),
        ("cas-unet-published", 108.83),
    ],
)
def test_a_published_generator_has_the_published_number_of_parameters(name, millions):
    recipe = read_recipe(name)
    with torch.device("meta"):
        network = create_network(recipe.network.name, **recipe.network.options)
    assert round(count_parameters(network) / 1e6, 2) == millions


@pytest.mark.slow
def test_one_published_stage_takes_a_step_with_its_discriminator():
    recipe = read_recipe(resource_folder() / "Recipes" / "cascade-published.yaml")
    one_stage = recipe.network.model_copy(update={"options": {"stages": 1}})
    system = PairedSystem(recipe.model_copy(update={"network": one_stage}), Engine(torch.device("cpu"), recipe))
    image = torch.rand(2, 3, 256, 256) * 2 - 1
    losses = system.step(batch_of(image, -image))
    assert losses["mse"] > 0 and losses["adversarial"] > 0 and losses["discriminator"] > 0


@pytest.mark.parametrize("name", MODELS)
def test_a_bundled_model_was_made_by_its_recipe(name):
    from medsynth_core import load_model

    assert Recipe.model_validate(load_model(name).card.training.recipe).trains_as(read_recipe(name))


@pytest.mark.parametrize("name", MODELS)
def test_a_bundled_model_is_small_and_half_precise(name):
    from medsynth_core import load_model

    model = load_model(name)
    assert count_parameters(model.network()) == MODELS[name]
    assert model.weights.stat().st_size < 6e6 and model.card.weights.precision == "float16"
    assert model.card.training.split["test"] and not set(model.card.training.split["test"]) & set(
        model.card.training.split["train"] + model.card.training.split["val"]
    )
    assert "STS_012" in model.card.training.split["test"]
