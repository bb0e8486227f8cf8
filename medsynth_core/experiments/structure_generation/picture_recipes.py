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


def picture_recipes(name: str) -> dict[str, Recipe]:
    """Return the recipe of a generator of pictures and those of its rivals, by name; the generator comes first.

    Its ``structure_model`` is the place that the recipe states; see `picture_training`.
    """
    own = experiment_recipe(name)
    shared = content_of(own)
    (role,) = shared["contract"]["outputs"]
    found = {kind: _rival(kind, role, shared) for kind in RIVALS[name]}
    return {name: own, **{kind: Recipe.model_validate({**content, "name": kind}) for kind, content in found.items()}}


def _rival(kind: str, role: str, shared: dict[str, Any]) -> dict[str, Any]:
    """Return the recipe of a rival, which is validated as often as the generator, and for as many epochs or more."""
    if kind in FROM_MAPS:
        return from_maps(kind, role, shared)
    content = from_noise(kind, shared)
    epochs = max(shared["epochs"], content["epochs"])
    every, stop = (shared[key] for key in ("validation_every", "stop_after"))
    return {**content, "epochs": epochs, "validation_every": every, "stop_after": max(stop, content["stop_after"])}
