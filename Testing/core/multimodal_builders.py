"""Recipe, system and batches of a small generator of CT and PET from structure maps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from builders import CT_DRAWN, SUV_DRAWN, tiny_recipe

from medsynth_core.recipes.recipe import Recipe
from medsynth_core.systems.batch import Batch
from medsynth_core.systems.engine import Engine
from medsynth_core.systems.multimodal import MultimodalSystem
from medsynth_core.systems.registry import create_system

UNIT = {"modality": "CT", "unit": "1", "intensity": {"kind": "scale", "divisor": 1, "upper": 1}}
CT_SOURCE = {"role": "ct", "modality": "CT", "unit": "HU", "preset": "extremity-ct"}
UNET = {"channels": 2, "modalities": 2}
CLASSES = {"lesion": "", "classes": ["normal", "viral"], "fit_lesions": False}


def recipe(**changes: Any) -> Recipe:
    content = tiny_recipe().model_dump(mode="json")
    content = {key: content[key] for key in ("format", "about", "optimiser", "name")}
    return Recipe.model_validate(
        {
            **content,
            "system": "multimodal",
            "contract": {
                "kind": "generation",
                "inputs": {"structure": UNIT, "label": UNIT},
                "outputs": {"ct": CT_DRAWN, "pet": SUV_DRAWN},
                "matrix": [32, 32],
            },
            "structures": {"ct": CT_SOURCE, "pet": CT_SOURCE},
            "lesion": "lesion",
            "network": {"name": "multimodal-generator", "options": {**UNET, "in_channels": 2}},
            "discriminator": {"name": "multimodal-discriminator", "options": {"channels": 2, "modalities": 2}},
            "translator": {"name": "modality-translator", "options": UNET},
            "processor": {"name": "lesion-segmenter", "options": {"channels": 2, "out_channels": 2}},
            "prepare_epochs": 1,
            "pretrain_epochs": 1,
            "augmentation": {"crop": 32, "flip": False},
            "batch_size": 3,
            "epochs": 3,
            "choose_by": "ms_ssim_paired",
            **changes,
        }
    )


def alone(**changes: Any) -> Recipe:
    """Return a recipe of one modality without lesions: SkrGAN as the thesis re-implements it, unless changed."""
    content = recipe().contract.model_dump(mode="json")
    single = {
        "contract": {**content, "inputs": {"structure": UNIT}, "outputs": {"ct": CT_DRAWN}},
        "structures": {"ct": CT_SOURCE},
        "lesion": "",
        "network": {"name": "skrgan", "options": {"channels": 2}},
        "discriminator": {"name": "multimodal-discriminator", "options": {"channels": 2, "modalities": 0}},
        "translator": None,
        "processor": None,
        "prepare_epochs": 0,
        "pretrain_epochs": 0,
    }
    return recipe(**{**single, "fuse": False, "invert": True, "own_maps": True, "loss": {"background": 0}, **changes})


def system(settings: Recipe) -> MultimodalSystem:
    made = create_system(settings.system, settings, Engine(torch.device("cpu"), settings))
    assert isinstance(made, MultimodalSystem)
    return made


def three(**changes: Any) -> Recipe:
    """Return a recipe of three modalities, which is what can agree."""
    options = {"channels": 2, "modalities": 3}
    return recipe(
        contract={**recipe().contract.model_dump(mode="json"), "outputs": dict.fromkeys("abc", CT_DRAWN)},
        structures=dict.fromkeys("abc", CT_SOURCE),
        network={"name": "multimodal-generator", "options": {**options, "in_channels": 2}},
        discriminator={"name": "multimodal-discriminator", "options": options},
        translator={"name": "modality-translator", "options": options},
        **changes,
    )


def batch(count: int = 3, seed: int = 0, roles: Iterable[str] = ("ct", "pet")) -> Batch:
    """Return images of bodies with a ring, a square lesion in the second one, and their maps."""
    random = torch.Generator().manual_seed(seed)
    y, x = torch.meshgrid(*[torch.arange(32) - 15.5] * 2, indexing="ij")
    radius = (x**2 + y**2).sqrt()
    targets = {}
    for role in roles:
        radii = torch.randint(7, 13, (count, 1, 1, 1), generator=random)
        organ = (radius < radii + 2).float()
        lesion = torch.zeros_like(organ)
        lesion[1, 0, 14:18, 14:18] = 1
        targets |= {
            role: 0.5 * organ + 0.3 * lesion + 0.02 * torch.rand(organ.shape, generator=random),
            f"{role}:structure": ((radius - radii).abs() < 1).float(),
            f"{role}:organ": organ,
            f"{role}:lesion": lesion,
        }
    return Batch({}, targets)
