"""The text of the models and recipes that come with MedSynth, and of what it is true."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from medsynth_core.models.card import METADATA, Metadata, read_metadata
from medsynth_core.recipes.presets import preset_files
from medsynth_core.recipes.recipe import About, Recipe, read_recipe
from medsynth_core.resources import resource_folder

# Words of sentences on data and settings of a training. Other limits ("do not read a lesion from this image") hold for
# every model of the kind, and everybody should keep them.
_ON_TRAINING = re.compile(
    r"train|learn|publi|crops|epochs|simulated|registered|normalisation|voxels of|1/\d", re.IGNORECASE
)
_ENDS = re.compile(r"(?<=[.;:])\s+")
# Sentences that are true of the very settings of a preset; the others are true of the method that they name.
_ON_EVERY_SETTING = re.compile(r"as published|publication|comparison", re.IGNORECASE)
_METHOD = ("system", "network", "discriminator", "loss", "images")
# Settings that change no weights, or as another throw of the dice would.
_NEUTRAL = {"name", "about", "seed", "checkpoint_minutes", "format"}
# Whose weights they are is said by a sentence of its own; they are a file of the user's.
_UNTRAINED = "untrained network"


@dataclass(frozen=True)
class Claim:
    """A sentence of a text that comes with MedSynth.

    Attributes:
        key: the key of `About` that it is in.
        sentence: as it is written.
        owner: the model or recipe that it was written for.
        bundled: whether that is a bundled model, whose text is about its data.
        recipe: recipe of the training that it was written for.
    """

    key: str
    sentence: str
    owner: str
    bundled: bool
    recipe: Recipe

    @property
    def on_training(self) -> bool:
        """Whether the sentence is about data or settings of the training."""
        return _ON_TRAINING.search(self.sentence) is not None

    def is_in(self, about: About) -> bool:
        """Return whether a text says the same, whatever its spaces, punctuation and capital letters."""
        said = plain(self.sentence)
        if not self.bundled and not self.on_training:
            return said in [plain(sentence) for sentence in sentences(getattr(about, self.key))]
        fields = (about.title, about.description, about.intended_use, *about.limits, about.data_licence)
        return any(f" {said} " in f" {plain(field)} " for field in fields)

    def departures(self, recipe: Recipe) -> list[str]:
        """Return the settings by which a recipe is not the one that the sentence is about."""
        mine, theirs = _settings(recipe), _settings(self.recipe)
        if _UNTRAINED in self.sentence:
            return [] if _weights(recipe) == _weights(self.recipe) else ["loss.perceptual_weights"]
        keys = {**mine, **theirs} if _ON_EVERY_SETTING.search(self.sentence) else _METHOD
        return [key for key in keys if mine.get(key) != theirs.get(key)]


def plain(text: str) -> str:
    """Return the words of a text in small letters, without punctuation."""
    return " ".join(re.findall(r"\w+", text.casefold()))


def sentences(text: str | Sequence[str]) -> list[str]:
    """Return the sentences of a text or of several; a semicolon or colon ends one too."""
    return [part for one in ([text] if isinstance(text, str) else text) for part in _ENDS.split(one) if plain(part)]


@cache
def claims() -> list[Claim]:
    """Return every sentence of shipped texts that may be false of another training."""
    return [
        *(claim for name, recipe, about in bundled_texts() for claim in _claims(about, name, True, recipe)),
        *(claim for name, recipe in _presets() for claim in _claims(recipe.about, name, False, recipe)),
    ]


@cache
def bundled_texts() -> list[tuple[str, Recipe, About]]:
    """Return name, recipe and text of every bundled model, by its card and by its recipe."""
    found = []
    for path in sorted((resource_folder() / "Models").glob(f"*/{METADATA.as_posix()}")):
        metadata = read_metadata(path.parents[1])
        name = metadata.medsynth.name
        recipe = Recipe.model_validate(metadata.medsynth.training.recipe)
        found.append((name, recipe, _about(metadata)))
        if recipe_file(name).is_file():
            found.append((name, recipe, read_recipe(recipe_file(name)).about))
    return found


def recipe_file(name: str) -> Path:
    """Return the file of a bundled model's recipe: a preset, or one of an experiment; it may not be there."""
    return preset_files().get(name, resource_folder() / "Recipes" / "experiments" / f"{name}.yaml")


def _presets() -> Iterator[tuple[str, Recipe]]:
    """Yield the recipes of other models, those of experiments included."""
    folder, bundled = resource_folder() / "Recipes", {recipe_file(name) for name, _, _ in bundled_texts()}
    for path in sorted(folder.rglob("*.yaml")):
        if path not in bundled:
            yield path.relative_to(folder).with_suffix("").as_posix(), read_recipe(path)


def _claims(about: About, owner: str, bundled: bool, recipe: Recipe) -> Iterator[Claim]:
    yield Claim("title", about.title, owner, bundled, recipe)
    for sentence in sentences(about.description):
        yield Claim("description", sentence, owner, bundled, recipe)
    # Of the data, a preset knows nothing: what it says of them is from a bundled model.
    for key, text in (("limits", about.limits), *([("data_licence", about.data_licence)] if bundled else [])):
        found = (Claim(key, sentence, owner, bundled, recipe) for sentence in sentences(text))
        yield from (claim for claim in found if claim.on_training)


def _about(metadata: Metadata) -> About:
    card = metadata.medsynth
    return About(
        title=card.title,
        description=metadata.description,
        intended_use=metadata.intended_use,
        limits=card.limits,
        authors=metadata.authors,
        licence=card.licence,
        data_licence=card.data_licence,
        references=tuple(metadata.references),
    )


def _settings(recipe: Recipe) -> dict[str, Any]:
    """Return the settings of a training that matter for its weights, and the kinds of its images as ``images``."""
    contract = recipe.contract
    found = {key: value for key, value in recipe.model_dump().items() if key not in _NEUTRAL}
    found["contract"] = contract.of_regions(()).model_dump()
    found["loss"] = {key: value for key, value in found.get("loss", {}).items() if key != "perceptual_weights"}
    sides = [*contract.inputs.values(), None, *contract.outputs.values()]
    found["images"] = ([side and (side.modality, side.unit) for side in sides], contract.dose_factors)
    return found


def _weights(recipe: Recipe) -> Any:
    return getattr(getattr(recipe, "loss", None), "perceptual_weights", None)
