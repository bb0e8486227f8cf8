"""What a recipe may say, read from the recipe's own definition: the list in ``medsynth train --help`` and the docs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from medsynth_core.resources import resource_folder
from medsynth_core.training.recipe import Recipe, read_recipe

SIGNS = ((Gt, "gt", ">"), (Ge, "ge", "≥"), (Lt, "lt", "<"), (Le, "le", "≤"))
NAMES = {
    "Path": "file",
    "str": "text",
    "int": "whole number",
    "float": "number",
    "bool": "yes or no",
}


@dataclass(frozen=True)
class Key:
    """A key of a recipe: its name with those it is inside of, what it takes, and what it is when it is left out."""

    name: str
    takes: str
    default: str


def recipe_keys() -> list[Key]:
    """Return every key that a recipe can have, those of its parts after the part's own."""
    return list(_keys(Recipe, ""))


def presets() -> dict[str, str]:
    """Return the recipes that ship with MedSynth: name → title. Those of bundled models are the recommended ones."""
    recipes = [read_recipe(path) for path in sorted((resource_folder() / "Recipes").glob("*.yaml"))]
    recommended = {path.name for path in (resource_folder() / "Models").iterdir()}
    return {
        recipe.name: recipe.about.title + (" (recommended)" if recipe.name in recommended else "") for recipe in recipes
    }


def recipe_markdown() -> str:
    """Return the list of keys and presets as Markdown."""
    lines = ["# Recipes", "", "A recipe is a YAML file that says everything about a training except the data.", ""]
    lines += ["## Presets", "", "| recipe | what it is |", "|---|---|"]
    lines += [f"| `{name}` | {text} |" for name, text in presets().items()]
    lines += ["", "## Keys", "", "| key | takes | default |", "|---|---|---|"]
    lines += [f"| `{key.name}` | {key.takes} | {key.default} |" for key in recipe_keys()]
    return "\n".join(lines) + "\n"


def _keys(part: type[BaseModel], prefix: str) -> Iterator[Key]:
    for name, field in part.model_fields.items():
        inner = _model(field.annotation)
        default = "required" if field.is_required() else _default(field)
        if inner is None:
            yield Key(prefix + name, _takes(field), default)
        else:
            optional = field.get_default() is None
            yield Key(prefix + name, "the keys below", "none" if optional else default if field.is_required() else "")
            yield from _keys(inner, f"{prefix}{name}.")


def _model(annotation: Any) -> type[BaseModel] | None:
    """Return the part of a recipe that a key holds, None for a plain value or one of several kinds."""
    kinds = [kind for kind in (annotation, *get_args(annotation)) if isinstance(kind, type)]
    models = [kind for kind in kinds if issubclass(kind, BaseModel)]
    return models[0] if len(models) == 1 else None


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is PydanticUndefined or value in (None, (), {}):
        return "none"
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else f"{value}"


def _takes(field: FieldInfo) -> str:
    limits = []
    for kind, attribute, sign in SIGNS:
        limits += [f"{sign} {getattr(item, attribute):g}" for item in field.metadata if isinstance(item, kind)]
    return " ".join([_kind(field.annotation), *limits])


def _kind(annotation: Any) -> str:
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return ", ".join(str(value) for value in inner)
    if origin is dict:
        return "options of the network, see `medsynth networks`"
    if origin is tuple:
        return "list of " + _kind(inner[0]) if Ellipsis in inner else f"{len(inner)} × {_kind(inner[0])}"
    choices = [choice for choice in inner if choice is not type(None)]
    models = [choice for choice in choices if isinstance(choice, type) and issubclass(choice, BaseModel)]
    if models:
        return " or ".join("{kind: " + str(model.model_fields["kind"].default) + ", …}" for model in models)
    if choices:
        return " or ".join(_kind(choice) for choice in choices)
    return NAMES.get(getattr(annotation, "__name__", ""), str(annotation))
