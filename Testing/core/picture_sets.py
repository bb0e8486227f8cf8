"""Small data sets of pictures in the layouts of the chest X-rays and of CHASE_DB1, and small generators of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from medsynth_core.experiments.structure_generation import picture_part, picture_recipes, rivals
from medsynth_core.recipes.recipe import Recipe

SIDE, LATENT = 64, 16
RIVALS = {"multimodal-x-ray": ("acgan",), "multimodal-fundus": ("skrgan",)}
_real_recipe: Callable[[str], Recipe] = rivals.experiment_recipe
_SIZES: dict[str, Any] = {"size": SIDE, "latent": LATENT, "width": 4, "channels": 2, "mask_channels": 4}
# Settings of the recipes that are smaller here, where a recipe has them.
_SHORTER = {
    "epochs": 2, "batch_size": 4, "prepare_epochs": 1, "pretrain_epochs": 1, "stop_after": 0,
    "kl_from": 2, "kl_epochs": 2, "map_from": 5,
}  # fmt: skip


def chest(random: np.random.Generator, kind: int) -> np.ndarray:
    """Return an X-ray: a bright chest with two dark lungs, of which a sick one has a bright part."""
    y, x = np.mgrid[:80, :80] / 80.0
    image = 60.0 + 150 * (np.abs(x - 0.5) < 0.4) * (y > 0.08)
    for centre in (0.3, 0.7):
        image -= 120 * (((x - centre) / 0.13) ** 2 + ((y - 0.5) / 0.3) ** 2 < 1)
    if kind:
        image[(kind * 20) : (kind * 20 + 14), 18:32] = 230
    return (image + random.normal(0, 3, image.shape)).clip(0, 255).astype(np.uint8)


def write_chests(folder: Path) -> Path:
    """Write X-rays of three classes, with the names of Kaggle, and return their folder."""
    random, number = np.random.default_rng(3), 0
    names = ("NORMAL/IM-{0:04d}-0001", "PNEUMONIA/person{0}_bacteria_{0}", "PNEUMONIA/person{0}_virus_{0}")
    for split, count in (("train", 5), ("test", 2)):
        for kind, name in enumerate(names):
            for _ in range(count):
                number += 1
                path = folder / split / f"{name.format(number)}.jpeg"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(chest(random, kind)).save(path)
    return folder


def write_eyes(folder: Path, children: int = 5) -> Path:
    """Write photographs of both eyes of children with their vessels, with the names of CHASE_DB1."""
    folder.mkdir(parents=True, exist_ok=True)
    y, x = np.mgrid[-40:40, -40:40]
    disc = np.hypot(y, x) < 36
    for child in range(1, children + 1):
        for eye, sign in (("L", 1), ("R", -1)):
            vessel = disc & (np.abs(y - sign * child * np.sin(x / 9.0) * 3) < 3) & (np.hypot(y, x) < 28)
            red, green, blue = 200 * disc, 130 * disc - 80 * vessel, 50 * disc
            Image.fromarray(np.stack([red, green, blue], axis=-1).astype(np.uint8)).save(
                folder / f"Image_{child:02d}{eye}.jpg", quality=95
            )
            for observer in ("1st", "2nd"):
                Image.fromarray(vessel).save(folder / f"Image_{child:02d}{eye}_{observer}HO.png")
    return folder


def small(recipe: Recipe) -> Recipe:
    """Return a recipe with smaller images and networks, which is trained for two or three epochs."""
    content = recipe.model_dump(mode="json")
    contract = {**content["contract"], "matrix": [SIDE, SIDE]}
    if contract["noise"] and content["system"] != "unconditional":
        contract["noise"] = LATENT
    for key in ("network", "encoder", "code_discriminator", "map_discriminator", "discriminator", "processor"):
        if content.get(key):
            options = content[key]["options"]
            kept = {name: value for name, value in _SIZES.items() if name in options}
            if content["system"] == "unconditional":
                kept = {"size": SIDE, "channels": 2}
            content[key]["options"] = {**options, **kept}
    changes = {key: value for key, value in _SHORTER.items() if content.get(key)}
    epochs = (
        10
        if content["system"] == "structure-vaegan"
        else 1 + sum(changes.get(key, 0) for key in ("prepare_epochs", "pretrain_epochs"))
    )
    augmentation = {"crop": SIDE, "flip": False}
    optimiser = {**content["optimiser"], "learning_rate": 0.01}
    return Recipe.model_validate(
        {
            **content,
            **changes,
            "contract": contract,
            "augmentation": augmentation,
            "optimiser": optimiser,
            "epochs": epochs,
            "validation_every": epochs,
        }
    )


def use_small_recipes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the parts on pictures train small generators and few rivals."""
    monkeypatch.setattr(picture_recipes, "RIVALS", RIVALS)
    whole = picture_recipes.picture_recipes
    monkeypatch.setattr(
        picture_part, "picture_recipes", lambda name: {key: small(recipe) for key, recipe in whole(name).items()}
    )
    monkeypatch.setattr(picture_part, "experiment_recipe", lambda name: small(_real_recipe(name)))
