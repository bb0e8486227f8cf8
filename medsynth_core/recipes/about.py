"""Name and text of a model card, as sent by a form, a request or the command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from medsynth_core.errors import MedSynthError
from medsynth_core.failures import reason_of
from medsynth_core.io.yaml_file import read_yaml
from medsynth_core.models.card import no_model_name
from medsynth_core.recipes.presets import is_preset
from medsynth_core.recipes.recipe import About, Recipe, read_recipe


def parse_about(content: Any) -> About:
    """Return the text of a model card from plain data (an object with the keys of `About`).

    Raises:
        MedSynthError: a key is missing, unknown or of the wrong type (named).
    """
    try:
        return About.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole card"
        raise MedSynthError(
            f"The model card is not valid at '{where}': {first['msg'].removeprefix('Value error, ')}."
        ) from error


def unnamed(preset: str | Path) -> str:
    """Return the sentence that asks for the name of a model that is to be trained by a preset."""
    return (
        f"'{preset}' is a preset and knows neither the name of your model nor your data; give your model a name with "
        "--name, and the licence of your data (data_licence) in a file with --about, or copy the preset and edit it."
    )


def personal(source: str | Path, name: str = "", about: Path | None = None) -> Recipe:
    """Return a recipe with the name and the card's text of the user's own model.

    Args:
        source: YAML file of the recipe, or the name of a preset.
        name: name of the model; "" takes that of the recipe, if it is not a preset.
        about: YAML file with some or all keys of the recipe's ``about``; None keeps its text.

    Raises:
        MedSynthError: a file cannot be read, or has a key or value that is not valid; or the name is not valid.
    """
    if not name and is_preset(source):
        raise MedSynthError(unnamed(source))
    recipe = read_recipe(source)
    if about is not None:
        recipe = recipe.model_copy(update={"about": _read_about(recipe.about, about)})
    if not name:
        return recipe
    try:
        return Recipe.model_validate({**recipe.model_dump(), "name": name})
    except ValidationError as error:
        raise MedSynthError(no_model_name(name)) from error


def _read_about(before: About, path: Path) -> About:
    try:
        content = read_yaml(path)
    except OSError as error:
        raise MedSynthError(f"The text {path} cannot be read: {reason_of(error)}.") from error
    except ValueError as error:
        raise MedSynthError(f"The text {path} is not a YAML file: {error}.") from error
    if not isinstance(content, dict):
        raise MedSynthError(f"The text {path} must have lines such as 'data_licence: …'; see docs/training.md.")
    return parse_about({**before.model_dump(), **content})
