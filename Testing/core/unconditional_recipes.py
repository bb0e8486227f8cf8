"""Recipes, systems and batches of generators from noise, small enough to train in seconds."""

from __future__ import annotations

from typing import Any

import torch
from builders import CT_SIDE, tiny_recipe

from medsynth_core.recipes.recipe import Recipe
from medsynth_core.systems.batch import Batch
from medsynth_core.systems.engine import Engine
from medsynth_core.systems.registry import create_system
from medsynth_core.systems.unconditional import UnconditionalSystem

SIZE = 16
GENERATOR = {"size": SIZE, "latent": 5, "channels": 2, "out_channels": 1}
JUDGE = {"size": SIZE, "channels": 2, "in_channels": 1}
GROWING = {"size": SIZE, "base": 16, "most": 4}
CONTRACT: dict[str, Any] = {
    "kind": "generation",
    "noise": 5,
    "outputs": {"ct": CT_SIDE},
    "spacing": [6.0, 6.0, 6.0],
    "matrix": [SIZE, SIZE],
}
# What each method changes in the recipe of a DCGAN.
METHODS: dict[str, dict[str, Any]] = {
    "dcgan": {},
    "acgan": {
        "objective": "acgan",
        "classes": ["normal", "bacterial", "viral"],
        "network": {"name": "acgan", "options": {**GENERATOR, "classes": 3}},
        "discriminator": {"name": "acgan-discriminator", "options": {**JUDGE, "classes": 3}},
        "loss": {"label": 0.5},
    },
    "wgan": {
        "objective": "wgan",
        "clip": 0.01,
        "critic_steps": 5,
        "optimiser": {"algorithm": "rmsprop", "learning_rate": 5e-5},
    },
    "wgan-gp": {
        "objective": "wgan-gp",
        "critic_steps": 5,
        "discriminator": {"name": "dcgan-discriminator", "options": {**JUDGE, "normalisation": "none"}},
    },
    "pggan": {
        "objective": "wgan-gp",
        "network": {"name": "pggan", "options": {**GROWING, "latent": 5}},
        "discriminator": {"name": "pggan-discriminator", "options": GROWING},
        "loss": {"drift": 0.001},
        "stable_epochs": 1,
        "fade_epochs": 1,
        "epochs": 5,
    },
}


def recipe(method: str = "dcgan", **changes: Any) -> Recipe:
    content = tiny_recipe().model_dump(mode="json")
    content = {key: content[key] for key in ("format", "about", "name")}
    return Recipe.model_validate(
        {
            **content,
            "system": "unconditional",
            "contract": CONTRACT,
            "network": {"name": "dcgan", "options": GENERATOR},
            "discriminator": {"name": "dcgan-discriminator", "options": JUDGE},
            "optimiser": {"algorithm": "adam", "learning_rate": 2e-3, "betas": [0.5, 0.9]},
            "augmentation": {"crop": SIZE, "shift_pixels": 4},
            "batch_size": 4,
            "epochs": 2,
            "choose_by": "image_distance",
            **METHODS[method],
            **changes,
        }
    )


def system(method: str = "dcgan", **changes: Any) -> UnconditionalSystem:
    settings = recipe(method, **changes)
    made = create_system(settings.system, settings, Engine(torch.device("cpu"), settings))
    assert isinstance(made, UnconditionalSystem)
    return made


def batch(count: int = 4, seed: int = 0) -> Batch:
    """Return discs of different radii, of three classes."""
    y, x = torch.meshgrid(*[torch.arange(SIZE) - 7.5] * 2, indexing="ij")
    radii = torch.linspace(3, 6, count)[:, None, None, None]
    noise = 0.1 * torch.randn(count, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(seed))
    return Batch({}, {"ct": 2.0 * ((x**2 + y**2).sqrt() < radii) - 1 + noise}, {"class": torch.arange(count) % 3})
