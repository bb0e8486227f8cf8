"""Small volumes and models that the tests build themselves."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from medsynth_core.io.writing import write_volume
from medsynth_core.recipes.recipe import Recipe
from medsynth_core.systems.batch import Batch
from medsynth_core.volume import LPS_TO_RAS, Volume

TINY_NETWORK = {
    "name": "cascade-compact",
    "options": {
        "stages": 2,
        "in_channels": 3,
        "out_channels": 3,
        "channels": [4, 6, 8],
        "stem": 4,
        "dropout": 0.0,
        "upsample": "resize",
        "visual_activation": "linear",
    },
}


def axial_matrix(spacing: tuple[float, float, float] = (1.0, 1.0, 3.0)) -> np.ndarray:
    """Return the ijk_to_ras of an axial scan: i to the left, j to the back, k up."""
    matrix = np.eye(4)
    matrix[:3, :3] *= spacing
    matrix[:3, 3] = (-20.0, -30.0, 40.0)
    return LPS_TO_RAS @ matrix


def phantom_ct(shape: tuple[int, int, int] = (6, 40, 44), matrix: np.ndarray | None = None, seed: int = 0) -> Volume:
    """Return a CT of a cylinder of fat with muscle and a bone in it, in air."""
    k, j, i = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij")
    hu = np.full(shape, -1000.0)
    hu[(i / 0.8) ** 2 + (j / 0.7) ** 2 < 1] = -90
    hu[(i / 0.6) ** 2 + (j / 0.5) ** 2 < 1] = 55
    hu[((i - 0.2) / 0.15) ** 2 + (j / 0.15) ** 2 < 1] = 700
    hu += np.random.default_rng(seed).normal(0, 10, shape)
    return Volume(hu.astype(np.int16), axial_matrix() if matrix is None else matrix, "CT", "HU")


def phantom_pet(ct: Volume) -> Volume:
    """Return a PET in SUVbw that follows from the CT: muscle 1, fat 0.3, bone 2, blurred."""
    suv = np.select([ct.voxels > 300, ct.voxels > 0, ct.voxels > -300], [2.0, 1.0, 0.3], 0.0)
    return ct.replace(voxels=gaussian_filter(suv, 1.0).astype(np.float32), modality="PT", unit="SUVbw")


CT_SIDE = {"modality": "CT", "unit": "HU", "intensity": {"kind": "curve", "points": [[-1000, -1], [1000, 1]]}}
SUV_SIDE = {"modality": "PT", "unit": "SUVbw", "intensity": {"kind": "scale", "divisor": 5, "upper": 20}}

# The same for generators that draw 0 to 1.
CT_DRAWN = {**CT_SIDE, "intensity": {"kind": "curve", "points": [[-1000, 0], [1000, 1]]}}
SUV_DRAWN = {**SUV_SIDE, "intensity": {"kind": "scale", "divisor": 20, "upper": 20}}


def batch_of(image: Tensor, target: Tensor, dose: Tensor | None = None) -> Batch:
    """Return a batch of one input and one output, with the classes of the inputs' doses."""
    labels = torch.full((len(image),), -1) if dose is None else dose
    return Batch({"input": image}, {"output": target}, {"dose": labels})


def tiny_recipe(**changes: object) -> Recipe:
    """Return a recipe that trains in seconds."""
    content: dict[str, object] = {
        "name": "tiny",
        "about": {
            "title": "Tiny",
            "description": "A model for tests.",
            "intended_use": "Tests.",
            "limits": ["It knows phantoms only."],
            "authors": "Tests",
            "licence": "Apache-2.0",
            "data_licence": "None: phantoms.",
        },
        "contract": {
            "inputs": {"ct": CT_SIDE},
            "outputs": {"pet": SUV_SIDE},
            "spacing": [2.0, 2.0, 3.0],
            "flip_average": True,
        },
        "network": TINY_NETWORK,
        "loss": {"l1": 1.0},
        "optimiser": {"learning_rate": 0.01},
        "augmentation": {"crop": 24, "rotate_degrees": 10, "scale": 0.1, "shift_pixels": 2, "intensity": 0.02},
        "average": 0.9,
        "epochs": 3,
        "batch_size": 4,
    }
    return Recipe.model_validate({**content, **changes})


def write_manifest(folder: Path, splits: tuple[str, ...] = ("train", "train", "val", "test")) -> Path:
    """Write phantoms and the manifest that lists them, and return the manifest."""
    rows = []
    for number, split in enumerate(splits):
        ct = phantom_ct(seed=number)
        write_volume(ct, folder / f"ct{number}.nii.gz")
        write_volume(phantom_pet(ct), folder / f"pet{number}.nii.gz")
        rows.append({"case": f"P{number}", "split": split, "ct": f"ct{number}.nii.gz", "pet": f"pet{number}.nii.gz"})
    path = folder / "manifest.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def phantom_body_pet(seed: int = 0, shape: tuple[int, int, int] = (24, 32, 36)) -> Volume:
    """Return a PET in SUVbw of a body of uptake 1 with hot spots at random, in air, in voxels of 4 × 4 × 3 mm."""
    random = np.random.default_rng(seed)
    k, j, i = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij")
    suv = np.where((i / 0.7) ** 2 + (j / 0.6) ** 2 < 1, 1.0, 0.0)
    for _ in range(4):
        at, size = random.uniform(-0.4, 0.4, 3), random.uniform(0.1, 0.25)
        suv[((k - at[0]) / size) ** 2 + ((j - at[1]) / size) ** 2 + ((i - at[2]) / size) ** 2 < 1] = random.uniform(
            2, 6
        )
    return Volume(gaussian_filter(suv, 0.7).astype(np.float32), axial_matrix((4.0, 4.0, 3.0)), "PT", "SUVbw")


PET_SIDE = {"modality": "PT", "unit": "SUVbw", "intensity": {"kind": "linear", "divisor": 5.0}}


def dose_recipe(**changes: object) -> Recipe:
    """Return a recipe for low-dose PET that trains in seconds."""
    content: dict[str, object] = {
        **tiny_recipe().model_dump(mode="json"),
        "name": "tiny-dose",
        "system": "cg3dsrgan",
        "contract": {
            "inputs": {"pet": PET_SIDE},
            "outputs": {"pet": PET_SIDE},
            "slab": {"slices": 8, "overlap": 4},
            "voxel_limits": [2.0, 6.0],
            "dose_factors": [4, 50],
        },
        "network": {
            "name": "cg3dsrgan",
            "options": {"channels": 4, "context_channels": 4, "classes": 2, "residual": True},
        },
        "loss": {"l1": 1.0, "refined_l1": 1.0, "dose_class": 0.1},
        "augmentation": {"crop": 24, "flip": True},
        "dose": {"simulation": {"counts": 200000, "subsets": 8}},
        "coarse_epochs": 1,
        "epochs": 3,
        "choose_by": "nrmse_minmax",
    }
    return Recipe.model_validate({**content, **changes})


def write_dose_manifest(folder: Path, splits: tuple[str, ...] = ("train", "train", "val", "test")) -> Path:
    """Write PET phantoms and the manifest that lists them, and return the manifest."""
    rows = []
    for index, split in enumerate(splits):
        write_volume(phantom_body_pet(index), folder / f"P{index}.nii.gz")
        rows.append({"case": f"P{index}", "split": split, "pet": f"P{index}.nii.gz"})
    with (folder / "pets.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder / "pets.csv"
