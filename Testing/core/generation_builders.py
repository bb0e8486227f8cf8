"""A small generator of registered CT and PET with lesions, trained on phantoms: for tests of the core and of Slicer."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import CT_DRAWN, SUV_DRAWN, axial_matrix, phantom_ct, phantom_pet, tiny_recipe
from filelock import FileLock

from medsynth_core import train, write_volume
from medsynth_core.recipes.recipe import Recipe

MODEL, PHANTOMS = "phantom-sets", "phantoms"
UNIT = {"modality": "CT", "unit": "1", "intensity": {"kind": "scale", "divisor": 1, "upper": 1}}
CT_SOURCE = {"role": "ct", "modality": "CT", "unit": "HU", "preset": "extremity-ct"}
SMALL = {"size": 64, "latent": 16, "width": 8}
MASK = {"mask_channels": 4, "mask_dropout": 0.0}
IMAGES = {"channels": 4, "modalities": 2}


def _recipe(name: str, **changes: Any) -> Recipe:
    content = tiny_recipe().model_dump(mode="json")
    content = {key: content[key] for key in ("format", "about")}
    shared = {"augmentation": {"crop": 64, "flip": False}, "batch_size": 3, "optimiser": {"learning_rate": 1e-2}}
    return Recipe.model_validate({**content, **shared, "name": name, **changes})


def structure_recipe() -> Recipe:
    """Return the recipe of structure maps."""
    return _recipe(
        "phantom-structures",
        system="structure-vaegan",
        contract={"kind": "generation", "noise": 16, "outputs": {"structure": UNIT, "organ": UNIT}, "matrix": [64, 64]},
        structure=CT_SOURCE,
        network={"name": "structure-generator", "options": {**SMALL, **MASK}},
        encoder={"name": "structure-encoder", "options": {**SMALL, "dropout": 0.0}},
        code_discriminator={"name": "latent-discriminator", "options": {"latent": 16, "channels": 2}},
        map_discriminator={"name": "structure-discriminator", "options": {"channels": 2}},
        loss={"kl": 0.01},
        epochs=20,
        choose_by="map_distance",
    )


def images_recipe(structure_model: Path) -> Recipe:
    """Return the recipe of CT and PET from these."""
    return _recipe(
        MODEL,
        system="multimodal",
        contract={
            "kind": "generation",
            "noise": 16,
            "inputs": {"structure": UNIT, "label": UNIT},
            "outputs": {"ct": CT_DRAWN, "pet": SUV_DRAWN},
            "matrix": [64, 64],
            "spacing": [3.0, 3.0, 4.0],
        },
        structures={"ct": CT_SOURCE, "pet": CT_SOURCE},
        structure_model=str(structure_model),
        drawn_maps=0.5,
        lesion="lesion",
        network={"name": "multimodal-from-noise", "options": {**SMALL, **MASK, **IMAGES, "in_channels": 2}},
        discriminator={"name": "multimodal-discriminator", "options": {"channels": 2, "modalities": 2}},
        translator={"name": "modality-translator", "options": IMAGES},
        processor={"name": "lesion-segmenter", "options": {"channels": 2, "out_channels": 2}},
        prepare_epochs=1,
        pretrain_epochs=6,
        epochs=8,
        choose_by="ms_ssim_paired",
    )


def write_lesion_phantoms(folder: Path) -> Path:
    """Write phantoms of 64² pixels with lesions into a folder, and return their manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["case,split,ct,pet,lesion"]
    for number, split in enumerate(("train",) * 3 + ("val",)):
        ct = phantom_ct((2, 64 - 4 * number, 64 - 2 * number), axial_matrix((3.0, 3.0, 4.0)), seed=number)
        lesion = np.zeros(ct.shape, np.uint8)
        lesion[:, 28:34, 28:34] = 1
        images = {"ct": ct, "pet": phantom_pet(ct), "lesion": ct.replace(voxels=lesion, modality="", unit="")}
        for role, volume in images.items():
            write_volume(volume, folder / f"{role}{number}.nii.gz")
        lines.append(f"P{number},{split},ct{number}.nii.gz,pet{number}.nii.gz,lesion{number}.nii.gz")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return folder / "manifest.csv"


def train_generator(manifest: Path, folder: Path) -> Path:
    """Train a generator of phantoms in a folder, with its structure maps, and return its package."""
    maps = train(structure_recipe(), manifest, folder / "maps", device="cpu")
    return train(images_recipe(maps), manifest, folder / "sets", device="cpu")


def maps_beside(package: Path) -> Path:
    """Return the package of structure maps that a generator of `train_generator` was trained with."""
    return package.parent.parent / "maps" / "phantom-structures"


def shared_package(factory: pytest.TempPathFactory) -> Path:
    """Return the package of a generator of phantoms, trained once for the tests of all files and processes."""
    base = factory.getbasetemp()
    # Each process of pytest-xdist has a folder of its own in a common one.
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "generator"
    with FileLock(f"{folder}.lock"):
        package = folder / "sets" / MODEL
        if not package.is_dir():
            train_generator(write_lesion_phantoms(folder / PHANTOMS), folder)
    return package
