"""Help text and documentation of recipes agree with their definition."""

from pathlib import Path

import pytest
from builders import dose_recipe, tiny_recipe
from pydantic import ValidationError

from medsynth_core import MedSynthError
from medsynth_core.recipes.help import presets, recipe_keys, recipe_markdown
from medsynth_core.recipes.recipe import Augmentation, Recipe, read_recipe, recipe_class, write_recipe
from medsynth_core.resources import resource_folder
from medsynth_core.systems.registry import SYSTEMS

DOCS = Path(__file__).parents[3] / "docs" / "recipes.md"


def test_the_docs_list_what_a_recipe_can_say():
    # Made again by: python -c "from medsynth_core.recipes.help import *; print(recipe_markdown(), end='')"
    assert DOCS.read_text(encoding="utf-8") == recipe_markdown()


def test_every_key_is_listed_with_what_it_takes():
    listed = {key.name: key for key in recipe_keys()}
    own = {name for system in SYSTEMS for name in recipe_class(system).model_fields}
    assert {name for name in listed if "." not in name} == own
    assert listed["coarse_epochs"].systems == ("cg3dsrgan",) and listed["epochs"].systems_text == ""
    assert listed["optimiser.schedule"].takes == "constant, linear, exponential, plateau, cosine"
    assert listed["epochs"].takes == "whole number > 0" and listed["epochs"].default == "required"
    assert listed["loss.perceptual_weights"].takes == "file or random"
    assert {key.default for key in recipe_keys() if key.name == "discriminator"} == {"none", "required"}


def test_the_parts_of_a_contract_are_listed_in_plain_words():
    listed = {key.name: key for key in recipe_keys()}
    assert listed["contract.spacing"].takes == "3 × number ≥ 0.05, ≤ 100" and listed["contract.kind"].takes.startswith(
        "synthesis"
    )
    assert listed["contract.inputs.ROLE.modality"].takes == "CT, PT, MR, DX, OP"
    assert listed["contract.noise"].takes == "whole number ≥ 0 (kind generation)"
    assert not [key.name for key in recipe_keys() if "=" in key.takes]


def test_a_preset_is_read_by_its_name():
    assert set(presets()) == {path.stem for path in (resource_folder() / "Recipes").glob("*.yaml")}
    assert read_recipe("pix2pix").loss.adversarial_kind == "logits"
    with pytest.raises(MedSynthError, match="the name of a preset"):
        read_recipe("pix3pix")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("batch_size:", "batchsize:"), "not valid at 'batchsize': .*did you mean 'batch_size'.*choose_by"),
        (("  l1: 1.0", "  l3: 1.0"), "not valid at 'loss.l3': .*Possible keys: l1, mse, unit, ssim"),
        (("schedule: constant", "schedule: slow"), "'optimiser.schedule'.*'constant', 'linear', 'exponential'"),
        (("choose_by: mae", "choose_by: fid"), "validation does not report 'fid'; choose one of mae, .*psnr"),
        (
            ("  spacing:", "  spacng:"),
            "at 'contract.spacng': .*did you mean 'spacing'.*Possible keys: .*flip_average\\.$",
        ),
        (
            ("unit: HU", "untt: HU"),
            "at 'contract.inputs.ct.untt': .*did you mean 'unit'.*optional, colours\\.$",
        ),
        (("points:", "pointz:"), "at 'contract.inputs.ct.intensity.pointz': .*did you mean 'points'"),
        (("kind: synthesis", "kind: synthetic"), "at 'contract': it must be .* kinds: 'synthesis', 'generation'"),
        (("system: paired", "system: [paired]"), "there is no system .*; choose one of paired"),
        (("    pet:", "    a/b:"), "the role 'a/b' .*rename it"),
        (("    pet:", "    split:"), "the role 'split' has the name of a column"),
        (("kind: curve", "kind: line"), "contract.inputs.ct.intensity.*'curve', 'scale', 'linear', 'percentiles'"),
    ],
)
def test_a_wrong_key_or_value_is_named_with_what_is_allowed(tmp_path, change, words):
    write_recipe(tiny_recipe(), tmp_path / "recipe.yaml")
    text = (tmp_path / "recipe.yaml").read_text()
    assert change[0] in text
    (tmp_path / "recipe.yaml").write_text(text.replace(*change, 1))
    with pytest.raises(MedSynthError, match=words):
        read_recipe(tmp_path / "recipe.yaml")


def test_the_slab_plane_defaults_to_the_crop_of_the_patches():
    recipe = dose_recipe()
    assert (recipe.augmentation.crop, recipe.contract.slab.plane) == (24, 24)
    said = recipe.model_dump(mode="json")
    said["contract"]["slab"]["plane"] = 32
    assert Recipe.model_validate(said).contract.slab.plane == 32
    said["contract"]["slab"] = {"slices": 8, "overlap": 4}
    del said["augmentation"]
    assert Recipe.model_validate(said).contract.slab.plane == Augmentation().crop
    assert tiny_recipe().contract.slab is None
    parts = {name: getattr(recipe, name) for name in type(recipe).model_fields}
    slab = recipe.contract.slab.model_copy(update={"plane": 0})
    parts["contract"] = recipe.contract.model_copy(update={"slab": slab})
    assert Recipe.model_validate(parts).contract.slab.plane == 24
    said["augmentation"] = {"crop": -1}
    with pytest.raises(ValidationError, match="augmentation.crop"):
        Recipe.model_validate(said)
