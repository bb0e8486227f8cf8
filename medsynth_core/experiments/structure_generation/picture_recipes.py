"""The methods that are compared on chest X-rays and on fundus photographs (Tables 2 and 3 of Qu's thesis)."""

from __future__ import annotations

from typing import Any

from medsynth_core.experiments.structure_generation.rivals import (
    FROM_MAPS,
    content_of,
    experiment_recipe,
    from_maps,
    from_noise,
)
from medsynth_core.recipes.recipe import Recipe

# Rivals by the name of the generator that they are compared with.
RIVALS = {
    "multimodal-x-ray": ("skrgan", "dcgan", "acgan", "wgan", "wgan-gp", "pggan"),
    "multimodal-fundus": ("skrgan", "unet-gan", "dcgan"),
}
# Epochs of rivals from noise, whose steps take longer the larger their networks are; as many as the generator's where
# none are stated.
EPOCHS = {"multimodal-x-ray": {"dcgan": 30, "acgan": 30, "wgan": 36, "wgan-gp": 18, "pggan": 28}}


def picture_recipes(name: str) -> dict[str, Recipe]:
    """Return the recipe of a generator of pictures and those of its rivals, by name; the generator comes first.

    Its ``structure_model`` is the place that the recipe states; see `picture_part.Trainings`.
    """
    own = experiment_recipe(name)
    shared = content_of(own)
    (role,) = shared["contract"]["outputs"]
    epochs = EPOCHS.get(name, {})
    found = {kind: _rival(kind, role, {**shared, "epochs": epochs.get(kind, own.epochs)}) for kind in RIVALS[name]}
    return {name: own, **{kind: Recipe.model_validate({**content, "name": kind}) for kind, content in found.items()}}


def _rival(kind: str, role: str, shared: dict[str, Any]) -> dict[str, Any]:
    """Return the recipe of a rival, which has the epochs of the shared one and is validated as often."""
    if kind in FROM_MAPS:
        return from_maps(kind, role, shared)
    return {**from_noise(kind, shared), "epochs": shared["epochs"], "validation_every": shared["validation_every"]}
