"""Settings of systems have the published defaults, and refuse what contradicts itself."""

from __future__ import annotations

from typing import Annotated

import pytest
import torch
from builders import CT_SIDE, PET_SIDE, SUV_SIDE, dose_recipe, tiny_recipe
from multimodal_builders import CT_SOURCE
from multimodal_builders import recipe as multimodal_recipe
from pydantic import TypeAdapter, ValidationError

from medsynth_core.recipes.recipe import Augmentation, Dose, Optimiser, Recipe
from medsynth_core.systems.cg3dsrgan import CG3DSRGANSettings, GuidedLoss
from medsynth_core.systems.cyclegan import CycleGANSettings, CycleLoss
from medsynth_core.systems.data_needs import DataNeeds, Role
from medsynth_core.systems.engine import Engine
from medsynth_core.systems.paired import AdversarialSettings, PairedLoss
from medsynth_core.systems.registry import create_system
from medsynth_core.systems.settings import PixelLoss, SystemSettings

CPU = torch.device("cpu")
ADVERSARY = {"name": "patchgan2d", "options": {"in_channels": 6, "channels": 4, "layers": 1}}


def defaults(part: type) -> dict[str, object]:
    return {name: field.default for name, field in part.model_fields.items() if not field.is_required()}


PARTS = (Optimiser, PairedLoss, GuidedLoss, CycleLoss, SystemSettings, Dose, Augmentation, Recipe)
PARTS += (AdversarialSettings, CycleGANSettings, CG3DSRGANSettings)
NUMBERS = [
    (part, name)
    for part in PARTS
    for name, default in defaults(part).items()
    if isinstance(default, int | float) and not isinstance(default, bool)
]


@pytest.mark.parametrize(("part", "name"), NUMBERS)
def test_every_default_may_be_stated_and_nothing_may_be_negative(part, name):
    field = part.model_fields[name]
    allowed = TypeAdapter(Annotated[field.annotation, field])
    assert allowed.validate_python(field.default) == field.default
    with pytest.raises(ValidationError):
        allowed.validate_python(-1)


def test_defaults():
    assert Optimiser().model_dump() == {
        "algorithm": "adamw",
        "learning_rate": 1e-3,
        "betas": (0.9, 0.99),
        "weight_decay": 0.0,
        "clip_norm": 0.0,
        "schedule": "constant",
        "warmup_steps": 0,
        "hold": 0.5,
        "factor": 0.95,
        "patience": 5,
        "stop_below": 0.0,
        "accumulate": 1,
    }
    pixel = {"l1": 0.0, "mse": 0.0, "ssim": 0.0, "gradient": 0.0, "perceptual": 0.0, "perceptual_weights": None}
    adversarial = {"adversarial": 0.0, "adversarial_kind": "least_squares"}
    every = {**pixel, "unit": "network", **adversarial}
    assert defaults(PairedLoss) == {**every, "deep_supervision": 0.0}
    guided = {name: value for name, value in every.items() if name not in ("ssim", "gradient")}
    assert defaults(GuidedLoss) == {**guided, "refined_l1": 0.0, "refined_log_mse": 0.0, "dose_class": 0.0}
    assert defaults(CycleLoss) == {**adversarial, "identity": 0.0}
    assert defaults(AdversarialSettings)["image_pool"] == defaults(CycleGANSettings)["image_pool"] == 0
    assert defaults(CG3DSRGANSettings)["coarse_epochs"] == 0 and defaults(CG3DSRGANSettings)["discriminator"] is None
    common = defaults(SystemSettings)
    assert {name: common[name] for name in ("seed", "dose", "initialisation", "precision", "choose_by")} == {
        "seed": 0,
        "dose": None,
        "initialisation": "torch",
        "precision": "float32",
        "choose_by": "mae",
    }
    assert Dose().attenuation_role == ""


SMALLEST = {
    "l1": (0, -0.1),
    "mse": (0, -0.1),
    "ssim": (0, -0.1),
    "gradient": (0, -0.1),
    "deep_supervision": (0, -0.1),
    "optimiser.learning_rate": (1e-9, 0),
    "optimiser.weight_decay": (0, -1e-9),
    "optimiser.clip_norm": (0, -1e-9),
    "optimiser.warmup_steps": (0, -1),
    "optimiser.hold": (0, -1e-9),
    "optimiser.factor": (1e-9, 0),
    "optimiser.patience": (1, 0),
    "optimiser.stop_below": (0, -1e-9),
    "optimiser.accumulate": (1, 0),
    "seed": (0, -1),
    "epochs": (1, 0),
    "batch_size": (1, 0),
    "image_pool": (0, -1),
}
LARGEST = {"optimiser.hold": (0.999, 1), "optimiser.factor": (1, 1.001)}


def changed(key: str, value: float) -> dict[str, object]:
    """Return the changes of the tiny recipe that set a key."""
    if key.startswith("optimiser."):
        return {"optimiser": {key.partition(".")[2]: value}}
    if key in ("seed", "epochs", "batch_size", "image_pool"):
        return {key: value}
    return {"loss": {"l1" if key != "l1" else "mse": 1.0, key: value}}


@pytest.mark.parametrize("key", [*SMALLEST, *(f"{key} at most" for key in LARGEST)])
def test_the_limits_of_a_number(key):
    name = key.removesuffix(" at most")
    good, bad = LARGEST[name] if key != name else SMALLEST[name]
    tiny_recipe(**changed(name, good))
    with pytest.raises(ValidationError, match=rf"(?s){name.rpartition('.')[2]}.*should be (greater|less) than"):
        tiny_recipe(**changed(name, bad))


@pytest.mark.parametrize("key", ["refined_l1", "refined_log_mse", "dose_class", "perceptual", "adversarial"])
def test_weights_of_the_guided_losses_are_not_negative(key):
    with pytest.raises(ValidationError, match="greater than or equal to 0"):
        GuidedLoss(l1=1.0, **{key: -0.1})
    for loss in ({"cycle": 0}, {"cycle": 1, "identity": -0.1}, {"cycle": 1, "adversarial": -0.1}):
        with pytest.raises(ValidationError, match="greater than"):
            CycleLoss(**loss)
    with pytest.raises(ValidationError, match="greater than or equal to 0"):
        dose_recipe(coarse_epochs=-1)
    assert CycleLoss(cycle=0.001, identity=0).cycle == 0.001


@pytest.mark.parametrize(
    "loss", [{"l1": 1}, {"mse": 1}, {"ssim": 1}, {"perceptual": 1, "perceptual_weights": "random"}]
)
def test_one_loss_that_shows_what_is_right_is_enough(loss):
    assert tiny_recipe(loss=loss).loss


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"loss": {"gradient": 1.0}}, "at least one of l1, mse, ssim and perceptual"),
        ({"loss": {}}, "at least one of l1, mse, ssim and perceptual"),
        ({"loss": {"l1": 1.0, "perceptual": 1.0}}, "must be given together"),
        ({"loss": {"l1": 1.0, "perceptual_weights": "random"}}, "must be given together"),
        ({"loss": {"l1": 1.0, "adversarial": 1.0}}, "a discriminator and loss.adversarial above 0"),
        ({"discriminator": ADVERSARY}, "a discriminator and loss.adversarial above 0"),
        ({"optimiser": {"accumulate": 5}, "batch_size": 4}, "cannot be larger than batch_size"),
        ({"loss": {"l1": 1.0, "l2": 1.0}}, "Extra inputs"),
    ],
)
def test_what_does_not_fit_together_is_refused(changes, words):
    with pytest.raises(ValidationError, match=words):
        tiny_recipe(**changes)


def test_as_many_parts_as_slices_are_allowed():
    assert tiny_recipe(optimiser={"accumulate": 4}, batch_size=4).optimiser.accumulate == 4


def test_settings_do_not_change_once_they_are_read():
    with pytest.raises(ValidationError, match="frozen"):
        tiny_recipe().loss.l1 = 2.0


def contract(**sides: object) -> dict[str, object]:
    return {"inputs": {"ct": CT_SIDE}, "outputs": {"pet": SUV_SIDE}, "spacing": [2.0, 2.0, 3.0], **sides}


CURVED = {"modality": "PT", "unit": "SUVbw", "intensity": {"kind": "curve", "points": [[0, -1], [20, 1]]}}


@pytest.mark.parametrize("outputs", [{"pet": CURVED}, {"pet": SUV_SIDE, "late": PET_SIDE | {"intensity": {
    "kind": "linear", "divisor": 7.0}}}])  # fmt: skip
def test_the_unit_of_the_image_needs_one_divisor(outputs):
    settings = {"contract": contract(outputs=outputs), "loss": {"l1": 1.0}}
    assert tiny_recipe(**settings).loss.unit == "network"
    with pytest.raises(ValidationError, match="with the same divisor; set loss.unit to network"):
        tiny_recipe(**{**settings, "loss": {"l1": 1.0, "unit": "image"}})


def test_the_data_that_a_training_needs():
    assert tiny_recipe().needs == DataNeeds(
        (Role("ct", "CT", "HU"), Role("pet", "PT", "SUVbw")), sides=(("ct",), ("pet",))
    )
    optional = {"ct": CT_SIDE, "mr": {**CT_SIDE, "modality": "MR", "unit": "1", "optional": True}}
    needs = tiny_recipe(contract=contract(inputs=optional)).needs
    assert needs.optional == ("mr",) and needs.names == ("ct", "mr", "pet")
    unpaired = tiny_recipe(
        system="cyclegan",
        discriminator=ADVERSARY,
        loss={"cycle": 10.0, "adversarial": 1.0},
        network={"name": "resnet9"},
    )
    assert not unpaired.needs.paired and unpaired.needs.roles == tiny_recipe().needs.roles
    dosed = dose_recipe().needs
    assert dosed == DataNeeds((Role("pet", "PT", "SUVbw"),), simulated=True, patches=True, sides=(("pet",),))
    attenuated = dose_recipe(dose={"attenuation_role": "ct"}).needs
    assert attenuated.roles == (Role("pet", "PT", "SUVbw"), Role("ct", "CT", "HU")) and attenuated.optional == ()
    assert Role("x") == Role("x", "", "") and DataNeeds((Role("x"),)) == DataNeeds((Role("x"),), True, (), False, False)


def test_a_generator_needs_its_modalities_what_their_maps_come_from_and_the_lesions():
    pictures = {"pictures": True}
    mr = {"role": "mr", "modality": "MR", "unit": "T1 (fat = 1000)", "preset": "extremity-mr"}
    needs = multimodal_recipe(structures={"ct": CT_SOURCE, "pet": mr}).needs
    roles = (
        Role("ct", "CT", "HU", **pictures),
        Role("pet", "PT", "SUVbw", **pictures),
        Role("mr", "MR", "T1 (fat = 1000)", **pictures),
        Role("lesion", **pictures),
    )
    assert needs == DataNeeds(roles, optional=("ct", "pet", "mr", "lesion"), by_modality=True)
    # Where a map comes from a modality itself, that stays as the contract has it.
    assert [role.name for role in multimodal_recipe(lesion="ct", fit_lesions=True).needs.roles] == ["ct", "pet"]


def test_the_attenuation_ct_is_needed_even_where_it_is_an_optional_input():
    sides = dose_recipe().model_dump(mode="json")["contract"]
    sides["inputs"]["ct"] = {**CT_SIDE, "optional": True}
    network = {"name": "cg3dsrgan", "options": {"channels": 4, "context_channels": 4, "classes": 2, "in_channels": 2}}
    with_ct = dose_recipe(contract=sides, network=network)
    assert with_ct.needs.optional == ("ct",)
    assert dose_recipe(contract=sides, network=network, dose={"attenuation_role": "ct"}).needs.optional == ()


def test_initial_weights_depend_on_the_seed_and_on_nothing_else():
    def weights(**changes: object) -> torch.Tensor:
        recipe = tiny_recipe(**changes)
        made = create_system(recipe.system, recipe, Engine(CPU, recipe))
        return torch.cat([value.flatten() for value in made.generator.parameters()])

    first = weights(seed=3)
    torch.manual_seed(99)
    assert torch.equal(first, weights(seed=3)) and not torch.equal(first, weights(seed=4))
    normal = weights(seed=3, initialisation="normal")
    assert not torch.equal(first, normal) and torch.equal(normal, weights(seed=3, initialisation="normal"))


def dose_contract(**sides: object) -> dict[str, object]:
    return {**dose_recipe().model_dump(mode="json")["contract"], **sides}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"coarse_epochs": 3}, "coarse_epochs must be less than epochs"),
        ({"dose": None, "contract": dose_contract(outputs={"full": PET_SIDE})}, "loss.dose_class needs inputs"),
        ({"dose": None, "loss": {"l1": 1.0}}, "the role 'pet' is both an input and an output"),
        ({"contract": dose_contract(outputs={"full": PET_SIDE})}, "must have the same role"),
        ({"contract": dose_contract(dose_factors=[])}, "contract.dose_factors must list the factors"),
        ({"contract": dose_contract(outputs={"pet": PET_SIDE, "late": PET_SIDE})}, "'pet' alone.*remove 'late'"),
        ({"contract": dose_contract(inputs={"pet": PET_SIDE, "ct": CT_SIDE}, outputs={"pet": PET_SIDE, "ct": CT_SIDE})},
         "remove 'ct'"),
        ({"discriminator": {"name": "patchgan3d"}}, "a discriminator and loss.adversarial"),
    ],
)  # fmt: skip
def test_recipes_of_doses_that_contradict_themselves_are_refused(changes, words):
    with pytest.raises(ValidationError, match=words):
        dose_recipe(**changes)


def test_recipes_of_doses_that_are_just_allowed():
    assert dose_recipe(coarse_epochs=2).coarse_epochs == 2
    plain = dose_recipe(
        dose=None, loss={"l1": 1.0}, contract=dose_contract(outputs={"full": PET_SIDE}, dose_factors=())
    )
    assert not plain.needs.simulated and plain.needs.sides == (("pet",), ("full",)) and plain.needs.paired
    assert list(plain.needs.names) == ["pet", "full"]


@pytest.mark.parametrize("names", [["l1"], ["mse"], ["ssim"], ["perceptual"], ["l1", "mse", "ssim", "perceptual"]])
def test_one_pixel_loss_or_several_of_equal_weight_are_enough(names):
    weights = dict.fromkeys(names, 1.0) | ({"perceptual_weights": "random"} if "perceptual" in names else {})
    assert [name for name in ("l1", "mse", "ssim", "perceptual") if getattr(PixelLoss(**weights), name)] == names
