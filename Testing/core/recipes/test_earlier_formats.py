"""Recipes of format 1 are read whatever their columns are called; mixtures of formats are refused."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from builders import CT_SIDE, tiny_recipe

from medsynth_core import MedSynthError
from medsynth_core.recipes.recipe import Recipe, read_recipe


def of_format_1(**changes: Any) -> dict[str, Any]:
    """Return the tiny recipe as it was written in format 1."""
    content = deepcopy(tiny_recipe().model_dump(mode="json"))
    contract = content["contract"]
    for key in ("format",):
        content.pop(key)
    contract.pop("kind")
    contract |= {"input": contract.pop("inputs")["ct"], "output": contract.pop("outputs")["pet"]}
    for side in (contract["input"], contract["output"]):
        side.pop("optional")
    return {**content, "input_role": "ct", "target_role": "pet", **changes}


def read(content: dict[str, Any], folder: Path) -> Recipe:
    (folder / "recipe.yaml").write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return read_recipe(folder / "recipe.yaml")


@pytest.mark.parametrize("column", ["CT", "low-dose", "T1 w", "1ct", "_ct", "c" * 40, "Dosis \u00bd"])
def test_columns_may_have_any_name_that_a_manifest_can_have(column, tmp_path):
    recipe = read(of_format_1(input_role=column), tmp_path)
    assert list(recipe.contract.inputs) == [column] and recipe.needs.names == (column, "pet")


@pytest.mark.parametrize("stated", [{}, {"format": 1}])
def test_format_1_may_be_stated(stated, tmp_path):
    assert read(of_format_1(**stated), tmp_path) == tiny_recipe()


def test_losses_that_format_1_ignored_are_ignored(tmp_path):
    loss = {"adversarial": 1, "cycle": 10}
    adversary = {"name": "patchgan2d", "options": {"in_channels": 3}}
    plain, more = (
        read(of_format_1(system="cyclegan", discriminator=adversary, loss=some), tmp_path)
        for some in (loss, {**loss, "l1": 1, "ssim": 0.1, "mse": 2, "gradient": 1, "deep_supervision": 0.5})
    )
    assert plain == more


@pytest.mark.parametrize("loss", [{"l1": 1, "cycle": 3}, {"l1": 1, "identity": 3}, {"l1": 1, "dose_class": 1}])
def test_losses_that_format_1_refused_are_refused(loss, tmp_path):
    with pytest.raises(MedSynthError, match="this key belongs to the system"):
        read(of_format_1(loss=loss), tmp_path)


def with_two_inputs(content: dict[str, Any]) -> None:
    """Add to a recipe a second input by role, and the key of format 1 that names the only one."""
    content.pop("format")
    content["contract"]["inputs"]["b"] = CT_SIDE
    content["input_role"] = "b"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda content: content.update(format=3), "format 3 is not supported"),
        (lambda content: content["contract"].update(input=CT_SIDE), "has both input and inputs"),
        (with_two_inputs, "input_role names one image, but contract.inputs names several"),
    ],
)
def test_mixtures_of_formats_are_refused(change, words, tmp_path):
    content = tiny_recipe().model_dump(mode="json")
    change(content)
    with pytest.raises(MedSynthError, match=words):
        read(content, tmp_path)
