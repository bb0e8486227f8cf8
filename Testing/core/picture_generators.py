"""Small generators of pictures, trained on discs with a vessel: of classes, in colour, and from noise alone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import tiny_recipe
from filelock import FileLock
from generation_builders import MASK, SMALL, maps_beside, shared_package
from PIL import Image

from medsynth_core import train
from medsynth_core.recipes.recipe import Recipe

SIZE = 64
CLASSES = ("normal", "bacterial", "viral")
XRAY = {"modality": "DX", "unit": "1", "intensity": {"kind": "curve", "points": [[0, 0], [255, 1]]}}
FUNDUS = {**XRAY, "modality": "OP", "colours": True}
PART = {**XRAY, "intensity": {"kind": "scale", "divisor": 1, "upper": 1}}
FOUND = {"unit": "1", "values": {"grow": 0, "gamma": 0.2}}
XRAY_SOURCE = {**FOUND, "role": "xray", "modality": "DX"}
FUNDUS_SOURCE = {**FOUND, "role": "fundus", "modality": "OP", "channel": "green"}
# What makes each model, beside the maps that it may draw.
FROM_NOISE = {**SMALL, **MASK, "channels": 4, "modalities": 0}
MODELS: dict[str, dict[str, Any]] = {
    "xrays": {
        "network": {"name": "multimodal-from-noise", "options": {**FROM_NOISE, "in_channels": 2}},
        "classes": list(CLASSES),
        "fit_lesions": False,
    },
    "photographs": {
        "network": {"name": "multimodal-from-noise", "options": {**FROM_NOISE, "in_channels": 1, "out_channels": 3}}
    },
    # SkrGAN and GAN# of the presets: one draws from the map of a photograph, here with vessels, the other from noise.
    "redrawn": {
        "network": {"name": "skrgan", "options": {"channels": 4, "in_channels": 2, "out_channels": 3}},
        "lesion": "vessels",
    },
    "gan-sharp": {"network": {"name": "unet-gan", "options": {"channels": 4}}, "maps": False},
}


def _recipe(name: str, **changes: Any) -> Recipe:
    content = tiny_recipe().model_dump(mode="json")
    content = {key: content[key] for key in ("format", "about")}
    shared = {"augmentation": {"crop": SIZE, "flip": False}, "batch_size": 3, "optimiser": {"learning_rate": 1e-2}}
    return Recipe.model_validate({**content, **shared, "name": name, **changes})


def multimodal_recipe(name: str, maps: Path) -> Recipe:
    """Return the recipe of one of `MODELS`, with the package of structure maps that it may draw."""
    changes, is_xray = MODELS[name], name in ("xrays", "gan-sharp")
    role, side, source = ("xray", XRAY, XRAY_SOURCE) if is_xray else ("fundus", FUNDUS, FUNDUS_SOURCE)
    own = changes["network"]["name"] == "multimodal-from-noise"
    judge = {"channels": 2, "in_channels": 1 if is_xray else 3, "modalities": 0}
    return _recipe(
        name,
        system="multimodal",
        contract={
            "kind": "generation",
            "noise": 16 if own else 0,
            "inputs": {"structure": PART},
            "outputs": {role: side},
            "matrix": [SIZE, SIZE],
        },
        structures={role: source},
        structure_model=str(maps) if own else "",
        discriminator={"name": "multimodal-discriminator", "options": judge},
        pretrain_epochs=1,
        epochs=2,
        choose_by="ms_ssim_paired",
        **changes,
    )


def acgan_recipe() -> Recipe:
    """Return the recipe of registered pairs of three classes from noise alone."""
    options = {"size": SIZE, "channels": 2, "classes": 3}
    side = {**XRAY, "intensity": {"kind": "curve", "points": [[0, -1], [255, 1]]}}
    outputs = {"xray": side, "vessels": side}
    return _recipe(
        "acgan",
        system="unconditional",
        objective="acgan",
        classes=list(CLASSES),
        contract={"kind": "generation", "noise": 4, "outputs": outputs, "matrix": [SIZE, SIZE]},
        network={"name": "acgan", "options": {**options, "latent": 4, "out_channels": 2}},
        discriminator={"name": "acgan-discriminator", "options": {**options, "in_channels": 2}},
        epochs=1,
        choose_by="image_distance",
    )


def disc(seed: int) -> np.ndarray:
    """Return a photograph of 60 × 72 pixels, uint8: a red disc with a vessel that the green channel shows best."""
    y, x = np.mgrid[:60, :72] - np.array([30, 36])[:, None, None]
    inside = np.hypot(y, x) < 26
    vessel = inside & (np.abs(y - seed) < 2)
    noise = np.random.default_rng(seed).integers(0, 8, (60, 72)) * inside
    return (np.stack([200 * inside, 120 * inside - 80 * vessel, 40 * inside], axis=-1) + noise[..., None]).astype("u1")


def write_discs(folder: Path) -> Path:
    """Write photographs in colour, the same in grey, and masks of their vessels, and return their manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["case,split,class,xray,fundus,vessels"]
    for number, split in enumerate(("train",) * 6 + ("val",) * 3):
        photograph = disc(number)
        vessels = ((photograph[..., 1] < 60) & (photograph[..., 0] > 100)).astype(np.uint8) * 255
        for role, values in {"xray": photograph[..., 1], "fundus": photograph, "vessels": vessels}.items():
            Image.fromarray(values).save(folder / f"{role}{number}.png")
        files = ",".join(f"{role}{number}.png" for role in ("xray", "fundus", "vessels"))
        lines.append(f"P{number},{split},{CLASSES[number % 3]},{files}")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return folder / "manifest.csv"


def shared_pictures(factory: pytest.TempPathFactory) -> Path:
    """Return the manifest of the pictures, written once for the tests of all files and processes."""
    folder = _folder(factory) / "discs"
    with FileLock(f"{folder}.lock"):
        return folder / "manifest.csv" if (folder / "manifest.csv").is_file() else write_discs(folder)


def shared_generator(factory: pytest.TempPathFactory, name: str) -> Path:
    """Return the package of ``acgan`` or one of `MODELS`, trained once for the tests of all files and processes."""
    manifest, maps = shared_pictures(factory), maps_beside(shared_package(factory))
    folder = _folder(factory) / name
    with FileLock(f"{folder}.lock"):
        if not (folder / name).is_dir():
            settings = acgan_recipe() if name == "acgan" else multimodal_recipe(name, maps)
            train(settings, manifest, folder, device="cpu")
    return folder / name


def _folder(factory: pytest.TempPathFactory) -> Path:
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "picture-generators"
    folder.mkdir(exist_ok=True)
    return folder
