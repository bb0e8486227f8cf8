"""Small volumes and models that the tests build themselves."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

from medsynth_core.io.writing import write_volume
from medsynth_core.training.recipe import Recipe
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
        "input_role": "ct",
        "target_role": "pet",
        "contract": {
            "input": {
                "modality": "CT",
                "unit": "HU",
                "intensity": {"kind": "curve", "points": [[-1000, -1], [1000, 1]]},
            },
            "output": {
                "modality": "PT",
                "unit": "SUVbw",
                "intensity": {"kind": "scale", "divisor": 5, "upper": 20},
            },
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
