"""Numbers of recipes and cards are numbers with which something can be computed."""

from __future__ import annotations

import math

import pytest
import yaml
from builders import CT_SIDE, SUV_SIDE, dose_recipe, tiny_recipe
from pydantic import ValidationError

from medsynth_core.errors import MedSynthError
from medsynth_core.preparation.contract import GenerationContract, SynthesisContract
from medsynth_core.recipes.recipe import Recipe, read_recipe, recipe_class
from medsynth_core.systems.registry import SYSTEMS


def numbers(content, place=()):
    """Yield the place of every number in a recipe, but for options of networks, which only the network knows, and the
    numbers that are not read but follow from others."""
    for key, value in content.items() if isinstance(content, dict) else enumerate(content):
        if key in ("options", "format", "frame", "plane"):
            continue
        if isinstance(value, dict | list):
            yield from numbers(value, (*place, key))
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield *place, key


def changed(content, place, value):
    """Return a copy of nested data with another value at one place."""
    if not place:
        return value
    copy = dict(content) if isinstance(content, dict) else list(content)
    copy[place[0]] = changed(content[place[0]], place[1:], value)
    return copy


RECIPES = {"paired": tiny_recipe().model_dump(mode="json"), "dose": dose_recipe().model_dump(mode="json")}
PLACES = [(name, place) for name, content in RECIPES.items() for place in numbers(content)]


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -math.inf, True, "many", [], 1e300, 10**31, 10**400], ids=lambda value: str(value)[:8]
)
@pytest.mark.parametrize(("name", "place"), PLACES, ids=str)
def test_every_number_of_a_recipe_must_be_one(name, place, value):
    with pytest.raises(ValidationError):
        Recipe.model_validate(changed(RECIPES[name], place, value))


def test_there_are_numbers_of_every_part():
    found = {".".join(map(str, place)) for _, place in PLACES}
    assert {
        "epochs", "seed", "average", "checkpoint_minutes", "loss.l1", "optimiser.betas.0", "optimiser.learning_rate",
        "augmentation.crop", "augmentation.rotate_degrees", "contract.inputs.ct.intensity.points.0.1",
        "contract.outputs.pet.intensity.divisor", "contract.spacing.2", "contract.slab.slices",
        "contract.dose_factors.1", "dose.simulation.counts", "coarse_epochs",
    } <= found  # fmt: skip


@pytest.mark.parametrize("system", SYSTEMS)
def test_whole_numbers_are_not_texts(system):
    part = recipe_class(system)
    for name in ("epochs", "batch_size", "seed", "stop_after"):
        assert name in part.model_fields
    with pytest.raises(ValidationError, match="whole number without quotation marks, not the text '3'"):
        tiny_recipe(epochs="3")


def test_a_number_that_yaml_reads_as_a_text_is_one(tmp_path):
    content = changed(RECIPES["paired"], ("optimiser", "learning_rate"), 0.5)
    text = yaml.safe_dump(content).replace("learning_rate: 0.5", "learning_rate: 1e-3")
    assert yaml.safe_load(text)["optimiser"]["learning_rate"] == "1e-3"
    (tmp_path / "recipe.yaml").write_text(text)
    assert read_recipe(tmp_path / "recipe.yaml").optimiser.learning_rate == 0.001


@pytest.mark.parametrize(
    ("place", "good", "bad"),
    [
        (("optimiser", "betas"), [0, 0.999], [[-0.1, 0.9], [0.9, 1], [2, 0.9]]),
        (("augmentation", "crop"), 2048, [2049, 10**9]),
        (("augmentation", "rotate_degrees"), 180, [180.1, 1e9]),
        (("contract", "outputs", "pet", "intensity", "divisor"), 1e-6, [1e-320, 0, -5]),
        (("contract", "outputs", "pet", "intensity", "upper"), 0.1, [0, -1]),
        (
            ("contract", "inputs", "ct", "intensity", "points"),
            [[-1024, 0], [3071, 1]],
            [[[-math.inf, -1], [1000, 1]], [[math.nan, -1], [1000, 1]], [[0, 0], [1e-60, 1]], [[0, 0], [1000, 1e-60]]],
        ),
        (("contract", "voxel_limits"), [3, 3], [[6, 3]]),
    ],
)
def test_limits_of_what_can_be_computed(place, good, bad):
    Recipe.model_validate(changed(RECIPES["paired"], place, good))
    for value in bad:
        with pytest.raises(ValidationError):
            Recipe.model_validate(changed(RECIPES["paired"], place, value))


@pytest.mark.parametrize("matrix", [[2049, 1024], [64, 4096]])
def test_a_matrix_that_takes_minutes_a_slice_is_refused(matrix):
    side = {"inputs": {"ct": CT_SIDE}, "outputs": {"pet": SUV_SIDE}}
    assert SynthesisContract.model_validate({**side, "matrix": [2048, 1024]}).matrix == (2048, 1024)
    with pytest.raises(ValidationError, match="less than or equal to 2048"):
        SynthesisContract.model_validate({**side, "matrix": matrix})
    with pytest.raises(ValidationError, match="less than or equal to 2048"):
        SynthesisContract.model_validate({**side, "frame": max(matrix)})


def test_percentiles_span_a_range():
    side = {"modality": "MR", "unit": "1", "intensity": {"kind": "percentiles", "lower": 50, "upper": 50}}
    with pytest.raises(ValidationError, match="upper must be larger than lower"):
        tiny_recipe(contract={"inputs": {"ct": CT_SIDE}, "outputs": {"mr": side}})
    with pytest.raises(ValidationError):
        GenerationContract(outputs={"pet": SUV_SIDE}, noise=8, matrix=(10**9, 10**9))


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("limits", [""], r"'about.limits.0'"),
        ("limits", [], r"'about.limits'"),
        ("title", " \n", r"'about.title'"),
        ("description", "", r"'about.description'"),
        ("licence", " ", r"'about.licence'"),
    ],
)
def test_texts_of_the_card_are_not_blank(tmp_path, key, value, words):
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(changed(RECIPES["paired"], ("about", key), value)))
    with pytest.raises(MedSynthError, match=f"not valid at {words}"):
        read_recipe(tmp_path / "recipe.yaml")


def test_authors_that_are_blank_are_not_stated():
    assert Recipe.model_validate(changed(RECIPES["paired"], ("about", "authors"), " \n")).about.authors == ""


def test_a_long_name_is_shortened_in_the_message(tmp_path):
    content = changed(RECIPES["paired"], ("contract", "inputs"), {"x" * 5000: CT_SIDE})
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(MedSynthError, match="has 5000 characters, at most 64 are possible; rename it") as caught:
        read_recipe(tmp_path / "recipe.yaml")
    assert len(caught.value.message) < 400
