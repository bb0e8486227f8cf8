"""What the systems of generators compute in two steps from fixed weights and batches, for `test_golden_steps`.

Record again, after a change that is meant to change a training:
``PYTHONPATH=.:Testing/core python Testing/core/systems/golden_generation.py``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import multimodal_builders
import structure_builders
import torch
import unconditional_recipes
from fixed_weights import fill
from golden_steps import double_precision, two_steps, write_record
from unconditional_recipes import METHODS

from medsynth_core.recipes.recipe import Recipe
from medsynth_core.systems.batch import Batch
from medsynth_core.systems.engine import Engine
from medsynth_core.systems.registry import create_system

RECORD = Path(__file__).with_name("golden_generation.json")
# Weights of which none is another, so that none can take another's place.
MAPS = {"mask": 1.1, "squared": 2.3, "absolute": 0.7, "outside": 3.1, "code_adversarial": 1.7, "balance": 4.3,
        "code_discriminator": 0.9, "map_adversarial": 1.3, "map_discriminator": 2.9, "code_mean": 0.6,
        "code_spread": 0.8, "kl": 0.4}  # fmt: skip
IMAGES = {"adversarial": 1.9, "real": 1.3, "fake": 0.7, "modality": 2.1, "modality_fake": 0.9, "registration": 3.3,
          "agreement": 1.1, "lesion": 2.7, "processor": 1.7, "cycle": 2.3, "reconstruction": 0.6,
          "background": 3.1}  # fmt: skip
LOGITS = {"name": "multimodal-discriminator", "options": {"channels": 2, "modalities": 2, "logits": True}}
CLASSIFIER = {"name": "lesion-classifier", "options": {"channels": 2, "classes": 2}}
FROM_NOISE = {
    "maps": False,
    "invert": False,
    "own_maps": False,
    "network": {"name": "unet-gan", "options": {"channels": 2}},
}


def recipes() -> dict[str, tuple[Recipe, int, int]]:
    """Return by name of the case a recipe, the epoch, and the parts of a batch."""
    maps, images, alone = structure_builders.recipe, multimodal_builders.recipe, multimodal_builders.alone
    noise = unconditional_recipes.recipe
    found = {
        "structure maps": (maps(loss=MAPS), 0, 1),
        "structure maps in parts": (maps(), 0, 2),
        "translator and processors": (images(loss=IMAGES), 0, 1),
        "processors, own losses": (images(loss=IMAGES, lesion_loss="own"), 0, 2),
        "own maps": (images(loss=IMAGES), 1, 1),
        "multimodal": (images(loss=IMAGES), 2, 1),
        "multimodal in parts": (images(loss=IMAGES, lesion_loss="own", fit_lesions=False), 2, 3),
        "multimodal, logits": (images(loss=IMAGES, discriminator=LOGITS, fuse=False), 2, 1),
        "three modalities": (multimodal_builders.three(loss=IMAGES, registered=True), 2, 1),
        "reconstruction goes on": (images(loss=IMAGES, reconstruct=True), 2, 2),
        "classes": (images(loss=IMAGES, **multimodal_builders.CLASSES, processor=CLASSIFIER), 2, 1),
        "skrgan": (alone(loss=IMAGES), 0, 1),
        "unet-gan": (alone(loss=IMAGES, **FROM_NOISE), 0, 1),
        **{method: (noise(method), 0, 1) for method in METHODS},
        "wgan-gp in parts": (noise("wgan-gp"), 0, 2),
        "pggan that grows": (noise("pggan"), 1, 1),
        "pggan that grows again": (noise("pggan"), 3, 2),
    }
    return {name: (recipe, epoch, parts) for name, (recipe, epoch, parts) in found.items()}


def made(case: str) -> dict[str, Any]:
    """Return what two steps of a case compute, as `two_steps`."""
    with double_precision():
        recipe, epoch, parts = recipes()[case]
        system = create_system(recipe.system, recipe, Engine(torch.device("cpu"), recipe))
        for name, network in system.networks.items():
            fill(network, name)
        system.begin_epoch(epoch)
        if getattr(recipe, "fade_epochs", 0):
            system.epoch_steps, system._steps = 4, 4 * epoch + 1  # a quarter through the epoch
        torch.manual_seed(0)
        return two_steps(system, [_batch(recipe, number) for number in (0, 1)], parts)


def _batch(recipe: Recipe, number: int) -> Batch:
    if recipe.system == "structure-vaegan":
        return structure_builders.batch(4 + 2 * number)
    if recipe.system == "multimodal":
        return multimodal_builders.batch(3, number, recipe.contract.outputs)
    return unconditional_recipes.batch(4, number)


if __name__ == "__main__":
    write_record({case: made(case) for case in recipes()}, RECORD)
