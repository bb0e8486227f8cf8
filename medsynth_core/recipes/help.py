"""The list of recipe keys in ``medsynth train --help`` and the docs, generated from the recipe classes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from medsynth_core.recipes.presets import preset_files
from medsynth_core.recipes.recipe import read_recipe, recipe_class
from medsynth_core.resources import resource_folder
from medsynth_core.systems.registry import SYSTEMS

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
    """A key of a recipe.

    Attributes:
        name: full name, e.g. ``optimiser.learning_rate``.
        takes: type of the value, with its limits.
        default: value if the key is left out.
        systems: names of the systems whose recipes have the key.
    """

    name: str
    takes: str
    default: str
    systems: tuple[str, ...] = ()

    @property
    def part(self) -> str:
        """The key at the top of the recipe that this one belongs to."""
        return self.name.partition(".")[0]

    @property
    def systems_text(self) -> str:
        """The systems that have the key, as text; empty if all have it."""
        return "" if len(self.systems) == len(SYSTEMS) else ", ".join(self.systems)


def recipe_keys() -> list[Key]:
    """Return every key that a recipe can have; the keys of a part follow the part itself.

    Keys common to all systems come first, then those of single systems.
    """
    owners: dict[Key, list[str]] = {}
    for system in SYSTEMS:
        for key in _keys(recipe_class(system), ""):
            owners.setdefault(key, []).append(system)
    keys = [replace(key, systems=tuple(systems)) for key, systems in owners.items()]
    special = {key.part for key in keys if len(key.systems) < len(SYSTEMS)}
    order = list(dict.fromkeys(key.part for key in keys))
    return sorted(keys, key=lambda key: (key.part in special, order.index(key.part)))


def presets() -> dict[str, str]:
    """Return the recipes that ship with MedSynth: name → title. Those of bundled models are marked as recommended."""
    recipes = [read_recipe(path) for path in preset_files().values()]
    recommended = {path.name for path in (resource_folder() / "Models").iterdir()}
    return {
        recipe.name: recipe.about.title + (" (recommended)" if recipe.name in recommended else "") for recipe in recipes
    }


def recipe_markdown() -> str:
    """Return the list of keys and presets as Markdown."""
    lines = ["# Recipes", "", "A recipe is a YAML file with all settings of a training except the data.", ""]
    lines += ["## Presets", "", "| preset | model |", "|---|---|"]
    lines += [f"| `{name}` | {text} |" for name, text in presets().items()]
    lines += ["", "## Keys", ""]
    lines += ["The last column lists the systems that have the key; if it is empty, all systems have it.", ""]
    lines += ["| key | value | default | system |", "|---|---|---|---|"]
    lines += [f"| `{key.name}` | {key.takes} | {key.default} | {key.systems_text} |" for key in recipe_keys()]
    return "\n".join(lines) + "\n"


def _keys(part: type[BaseModel], prefix: str) -> Iterator[Key]:
    for name, field in part.model_fields.items():
        default = "required" if field.is_required() else _default(field)
        parts = _parts(field.annotation)
        if not parts:
            yield Key(prefix + name, _takes(field), default)
            continue
        optional = not field.is_required() and field.get_default(call_default_factory=True, validated_data={}) is None
        said = "none" if optional else default if field.is_required() else ""
        yield Key(prefix + name, "the keys below", said)
        inside = f"{prefix}{name}.ROLE." if get_origin(field.annotation) is dict else f"{prefix}{name}."
        yield from _of_kinds(parts, inside)


def _of_kinds(parts: list[type[BaseModel]], prefix: str) -> Iterator[Key]:
    """Yield the keys of a part that comes in one or several kinds, those that they share once."""
    first, *others = parts
    kinds = [str(part.model_fields["kind"].default) for part in parts if "kind" in part.model_fields]
    listed = list(_keys(first, prefix))
    for key in listed:
        yield replace(key, takes=", ".join(kinds)) if key.name == f"{prefix}kind" else key
    known = {key.name for key in listed}
    for other in others:
        kind = other.model_fields["kind"].default
        yield from (
            replace(key, takes=f"{key.takes} (kind {kind})") for key in _keys(other, prefix) if key.name not in known
        )


def _parts(annotation: Any) -> list[type[BaseModel]]:
    """Return the parts of a recipe that a key holds: none for a plain value, several for one of several kinds.

    An intensity mapping stays one line: its kinds are listed in its place.
    """
    models = [model for model in _models(annotation) if "points" not in model.model_fields]
    return models if len(models) == len(_models(annotation)) else []


def _models(annotation: Any) -> list[type[BaseModel]]:
    """Return the models that an annotation names, however deep inside it."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in get_args(annotation) for model in _models(inner)]


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is PydanticUndefined or value in (None, (), {}):
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(list(value) if isinstance(value, tuple) else value)


def _takes(field: FieldInfo) -> str:
    return _limited(_kind(field.annotation), field.metadata)


def _limited(kind: str, constraints: Iterable[Any]) -> str:
    """Return a kind of value with its limits: ``number ≥ 0, < 1``."""
    limits = [
        f"{sign} {getattr(item, attribute):g}"
        for of, attribute, sign in SIGNS
        for item in constraints
        if isinstance(item, of)
    ]
    return " ".join([kind, *([", ".join(limits)] if limits else [])])


def _kind(annotation: Any) -> str:
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return ", ".join(str(value) for value in inner)
    if origin is Annotated:
        constraints = [limit for item in inner[1:] if isinstance(item, FieldInfo) for limit in item.metadata]
        return _limited(_kind(inner[0]), constraints)
    if origin is dict:
        return "options of the network, see `medsynth networks`"
    if origin is tuple:
        return "list of " + _kind(inner[0]) if Ellipsis in inner else f"{len(inner)} × {_kind(inner[0])}"
    choices = [choice for choice in inner if choice is not type(None)]
    models = [model for choice in choices for model in _models(choice)]
    if models:
        return " or ".join("{kind: " + str(model.model_fields["kind"].default) + ", …}" for model in models)
    if choices:
        return " or ".join(_kind(choice) for choice in choices)
    return NAMES.get(getattr(annotation, "__name__", ""), str(annotation))
