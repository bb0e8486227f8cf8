"""A recipe has no key that its system ignores: each is refused, in a sentence that names it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from builders import CT_SIDE, PET_SIDE, SUV_SIDE, batch_of, dose_recipe, tiny_recipe

from medsynth_core import MedSynthError
from medsynth_core.io.yaml_file import read_yaml
from medsynth_core.recipes.recipe import Recipe, read_recipe
from medsynth_core.systems.engine import Engine
from medsynth_core.systems.registry import create_system

GUIDED = {"l1": 1.0, "refined_l1": 1.0, "dose_class": 0.1}
DOSE = dose_recipe().model_dump(mode="json")["contract"]
PAIR = {"inputs": {"ct": CT_SIDE}, "outputs": {"pet": SUV_SIDE}, "spacing": [2.0, 2.0, 3.0]}


def loss_of(recipe: Recipe) -> dict[str, float]:
    """Return the losses of one step."""
    system = create_system(recipe.system, recipe, Engine(torch.device("cpu"), recipe))
    image = torch.from_numpy(np.random.default_rng(0).uniform(-1, 1, (2, 3, 64, 64)).astype(np.float32))
    return system.step(batch_of(image, -image))


def read(tmp_path, recipe: Recipe, **changes: object) -> Recipe:
    """Return a recipe as a user's file, with changes."""
    import yaml

    content = {**recipe.model_dump(mode="json"), **changes}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(content))
    assert read_yaml(tmp_path / "recipe.yaml") == content
    return read_recipe(tmp_path / "recipe.yaml")


@pytest.mark.parametrize(
    ("recipe", "changes", "said"),
    [
        (dose_recipe, {"loss": {**GUIDED, "ssim": 1.0}}, "at 'loss.ssim': this key belongs to the systems paired and"),
        (dose_recipe, {"loss": {**GUIDED, "gradient": 1.0}}, "at 'loss.gradient': this key belongs to the systems"),
        (
            tiny_recipe,
            {"system": "dsggan", "loss": {"l1": 1.0, "perceptual": 1.0, "perceptual_weights": "random"}},
            "at 'loss.perceptual': this key belongs to the systems paired and cg3dsrgan",
        ),
        (
            dose_recipe,
            {"augmentation": {"crop": 24, "intensity": 0.5}},
            "The key augmentation.intensity of the recipe has no effect with",
        ),
        (
            dose_recipe,
            {"contract": {**DOSE, "slices": "replicate"}},
            "contract.slices of the recipe has no effect with the system",
        ),
        (
            dose_recipe,
            {"contract": {**DOSE, "frame": 24}},
            "contract.frame of the recipe has no effect with the system 'cg3dsrgan'",
        ),
        (dose_recipe, {"common_field": True}, "common_field of the recipe has no effect with the system"),
        (
            tiny_recipe,
            {"contract": {**PAIR, "dose_factors": [4]}},
            "contract.dose_factors of the recipe has no effect with the system",
        ),
        (tiny_recipe, {"image_pool": 4}, "image_pool keeps images for a discriminator, and there is none"),
        (dose_recipe, {"image_pool": 4}, "image_pool keeps images for a discriminator, and there is none"),
    ],
)
def test_a_key_without_effect_is_refused(tmp_path, recipe, changes, said):
    with pytest.raises(MedSynthError) as refused:
        read(tmp_path, recipe(), **changes).check_effect()
    assert said in refused.value.message


@pytest.mark.parametrize(
    ("recipe", "changes", "said"),
    [
        (
            tiny_recipe,
            {"system": "dsggan", "loss": {"ssim": 1.0}},
            "one of l1, mse and gradient needs a weight above 0",
        ),
        (
            tiny_recipe,
            {"system": "dsggan", "loss": {"gradient": 1.0}},
            "one of l1, mse and ssim needs a weight above 0",
        ),
        (dose_recipe, {"loss": {"refined_l1": 1.0, "dose_class": 0.1}}, "one of l1 and mse needs a weight above 0"),
        (
            dose_recipe,
            {"loss": {"perceptual": 1.0, "perceptual_weights": "random", "dose_class": 0.1}},
            "one of l1 and mse needs a weight above 0",
        ),
    ],
)
def test_an_image_that_no_loss_trains_is_refused(tmp_path, recipe, changes, said):
    with pytest.raises(MedSynthError) as refused:
        read(tmp_path, recipe(), **changes)
    assert said in refused.value.message


def test_stages_with_different_losses_take_a_step():
    network = {"name": "dsggan", "options": {"in_channels": 3, "out_channels": 3, "channels": [2] * 6}}
    made = loss_of(tiny_recipe(system="dsggan", network=network, loss={"ssim": 1.0, "gradient": 1.0}))
    assert made["structure"] > 0 and made["gradient"] > 0


@pytest.mark.parametrize(
    ("optimiser", "said"),
    [
        ({"schedule": "plateau", "learning_rate": 1e-4, "stop_below": 2e-4}, "so that no epoch would be trained"),
        ({"stop_below": 1e-6}, "stop_below has an effect only with schedule: plateau"),
    ],
)
def test_a_training_that_ends_before_it_begins_is_refused(tmp_path, optimiser, said):
    with pytest.raises(MedSynthError, match=said):
        read(tmp_path, tiny_recipe(), optimiser=optimiser)
    equal = {"schedule": "plateau", "learning_rate": 2e-4, "stop_below": 2e-4}
    assert read(tmp_path, tiny_recipe(), optimiser=equal).optimiser.stop_below == 2e-4


@pytest.mark.parametrize("key", ["ssim", "gradient"])
def test_a_weight_of_0_that_earlier_versions_wrote_is_read(tmp_path, key):
    assert read(tmp_path, dose_recipe(), loss={**GUIDED, key: 0.0}) == read(tmp_path, dose_recipe(), loss=GUIDED)


def test_doses_are_listed_once():
    with pytest.raises(ValueError, match="lists a dose reduction factor twice"):
        dose_recipe(contract={**DOSE, "dose_factors": [4, 4]})


@pytest.mark.parametrize("unit", ["SUVbw", "SUVlbm", "Bq/mL", "kBq/mL"])
def test_an_output_in_an_absolute_unit_has_a_fixed_intensity(tmp_path, unit):
    side = {"modality": "PT", "unit": unit, "intensity": {"kind": "percentiles"}}
    with pytest.raises(MedSynthError, match=f"the output 'pet' would not be in {unit}, because the intensity"):
        read(tmp_path, tiny_recipe(), contract={**PAIR, "outputs": {"pet": side}})


def test_an_output_without_a_unit_may_have_percentiles(tmp_path):
    side = {"modality": "MR", "unit": "1", "intensity": {"kind": "percentiles"}}
    assert read(tmp_path, tiny_recipe(), contract={**PAIR, "outputs": {"mr": side}}).contract.output.unit == "1"


@pytest.mark.parametrize(
    ("side", "said"),
    [
        ({**PET_SIDE, "modality": "CT"}, "SUVbw is a unit of PET, not of CT"),
        ({**CT_SIDE, "modality": "MR"}, "HU is a unit of CT, not of MR"),
        ({**CT_SIDE, "modality": "PT"}, "HU is a unit of CT, not of PET"),
        ({**PET_SIDE, "modality": "MR", "unit": "kBq/mL"}, "kBq/mL is a unit of PET, not of MR"),
    ],
)
@pytest.mark.parametrize("key", ["inputs", "outputs"])
def test_modality_and_unit_belong_together(tmp_path, side, said, key):
    with pytest.raises(MedSynthError, match=said):
        read(tmp_path, tiny_recipe(), contract={**PAIR, key: {"image": side}})
