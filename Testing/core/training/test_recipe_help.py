"""What people are told of recipes is what recipes are."""

from pathlib import Path

import pytest
from builders import dose_recipe, tiny_recipe
from pydantic import ValidationError

from medsynth_core import MedSynthError
from medsynth_core.resources import resource_folder
from medsynth_core.training.recipe import Augmentation, Recipe, read_recipe, write_recipe
from medsynth_core.training.recipe_help import presets, recipe_keys, recipe_markdown

DOCS = Path(__file__).parents[3] / "docs" / "recipes.md"


def test_the_docs_list_what_a_recipe_can_say():
    # Made again by: python -c "from medsynth_core.training.recipe_help import *; print(recipe_markdown(), end='')"
    assert DOCS.read_text(encoding="utf-8") == recipe_markdown()


def test_every_key_is_listed_with_what_it_takes():
    listed = {key.name: key for key in recipe_keys()}
    assert {name for name in listed if "." not in name} == set(Recipe.model_fields)
    assert listed["optimiser.schedule"].takes == "constant, linear, exponential, plateau, cosine"
    assert listed["epochs"].takes == "whole number > 0" and listed["epochs"].default == "required"
    assert listed["loss.perceptual_weights"].takes == "file or random" and listed["discriminator"].default == "none"


def test_a_preset_is_read_by_its_name():
    assert set(presets()) == {path.stem for path in (resource_folder() / "Recipes").glob("*.yaml")}
    assert read_recipe("pix2pix").loss.adversarial_kind == "logits"
    with pytest.raises(MedSynthError, match="the name of a preset"):
        read_recipe("pix3pix")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("batch_size:", "batchsize:"), "wrong at 'batchsize': .*did you mean 'batch_size'.*choose_by"),
        (("  l1: 1.0", "  l3: 1.0"), "wrong at 'loss.l3': .*can have: l1, mse, ssim"),
        (("schedule: constant", "schedule: slow"), "'optimiser.schedule'.*'constant', 'linear', 'exponential'"),
        (("choose_by: mae", "choose_by: fid"), "'choose_by'.*'mae', 'psnr', 'ssim' or 'nrmse'"),
        (("kind: curve", "kind: line"), "contract.input.intensity.*'curve', 'scale', 'linear', 'percentiles'"),
    ],
)
def test_a_wrong_key_or_value_is_named_with_what_is_allowed(tmp_path, change, words):
    write_recipe(tiny_recipe(), tmp_path / "recipe.yaml")
    text = (tmp_path / "recipe.yaml").read_text()
    assert change[0] in text
    (tmp_path / "recipe.yaml").write_text(text.replace(*change, 1))
    with pytest.raises(MedSynthError, match=words):
        read_recipe(tmp_path / "recipe.yaml")


def test_a_network_is_given_as_much_of_a_plane_as_its_patches_have_where_the_recipe_says_nothing_else():
    recipe = dose_recipe()
    assert (recipe.augmentation.crop, recipe.contract.slab.plane) == (24, 24)
    said = recipe.model_dump(mode="json")
    said["contract"]["slab"]["plane"] = 32
    assert Recipe.model_validate(said).contract.slab.plane == 32
    said["contract"]["slab"] = {"slices": 8, "overlap": 4}
    del said["augmentation"]
    assert Recipe.model_validate(said).contract.slab.plane == Augmentation().crop
    assert tiny_recipe().contract.slab is None
    parts = {name: getattr(recipe, name) for name in Recipe.model_fields}
    slab = recipe.contract.slab.model_copy(update={"plane": 0})
    parts["contract"] = recipe.contract.model_copy(update={"slab": slab})
    assert Recipe(**parts).contract.slab.plane == 24
    said["augmentation"] = {"crop": -1}
    with pytest.raises(ValidationError, match="augmentation.crop"):
        Recipe.model_validate(said)
