"""Recipe, system and batches of a small generator of structure maps."""

from __future__ import annotations

from typing import Any

import torch
from builders import tiny_recipe

from medsynth_core.recipes.recipe import Recipe
from medsynth_core.systems.batch import Batch
from medsynth_core.systems.engine import Engine
from medsynth_core.systems.registry import create_system
from medsynth_core.systems.structure_vaegan import StructureVAEGANSystem

SIDE = {"modality": "CT", "unit": "1", "intensity": {"kind": "scale", "divisor": 1, "upper": 1}}
SMALL = {"size": 64, "latent": 16, "width": 4}


def recipe(**changes: Any) -> Recipe:
    content = tiny_recipe().model_dump(mode="json")
    content = {key: content[key] for key in ("format", "about", "optimiser", "name")}
    return Recipe.model_validate(
        {
            **content,
            "system": "structure-vaegan",
            "contract": {
                "kind": "generation",
                "noise": 16,
                "outputs": {"structure": SIDE, "organ": SIDE},
                "matrix": [64, 64],
            },
            "structure": {"role": "ct", "modality": "CT", "unit": "HU", "preset": "extremity-ct"},
            "network": {"name": "structure-generator", "options": {**SMALL, "mask_channels": 2}},
            "encoder": {"name": "structure-encoder", "options": SMALL},
            "code_discriminator": {"name": "latent-discriminator", "options": {"latent": 16, "channels": 2}},
            "map_discriminator": {"name": "structure-discriminator", "options": {"channels": 2}},
            "augmentation": {"crop": 64, "flip": False},
            "batch_size": 4,
            "epochs": 2,
            "choose_by": "map_distance",
            **changes,
        }
    )


def system(settings: Recipe) -> StructureVAEGANSystem:
    made = create_system(settings.system, settings, Engine(torch.device("cpu"), settings))
    assert isinstance(made, StructureVAEGANSystem)
    return made


def batch(count: int = 4) -> Batch:
    """Return rings in bodies of different radii."""
    y, x = torch.meshgrid(*[torch.arange(64) - 31.5] * 2, indexing="ij")
    radius = (x**2 + y**2).sqrt()
    radii = torch.linspace(12, 24, count)[:, None, None, None]
    lines = ((radius - radii).abs() < 1.5).float()
    return Batch({}, {"structure": lines, "organ": (radius <= radii + 3).float()})
