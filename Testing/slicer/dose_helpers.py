"""Helpers for tests with PET: a tiny low-dose package in a library, and phantoms as DICOM."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import application
import numpy as np
import pytest
from filelock import FileLock

sys.path.insert(0, str(application.ROOT / "Testing" / "core"))

from builders import dose_recipe, phantom_body_pet, write_dose_manifest  # noqa: E402 - importable from here on
from dicom_builder import write_pet  # noqa: E402

from medsynth_core import train  # noqa: E402
from medsynth_core.models.library import import_model  # noqa: E402

MODEL = "tiny-dose"
# From SUV to Bq/mL for the patient of `dicom_builder.SUV_TAGS`, whose injected dose is not decayed before the scan.
SLOPE = 0.37


def trainedDoseModel(folder: Path) -> None:
    """Train a tiny model for low-dose PET in a folder, and put it into the library (MEDSYNTH_MODELS)."""
    folder.mkdir(parents=True, exist_ok=True)
    recipe = dose_recipe(epochs=8, optimiser={"learning_rate": 0.003})
    # With fewer than three validation patients the model would have no usual error to show.
    manifest = write_dose_manifest(folder, ("train", "train", "val", "test", "val", "val"))
    train(recipe, manifest, folder / "run", device="cpu")
    import_model(folder / "run" / MODEL)


def sharedDoseModel(factory: pytest.TempPathFactory) -> None:
    """Put a tiny model for low-dose PET into the library, trained once for the tests of all files and processes."""
    base = factory.getbasetemp()
    # Each process of pytest-xdist has a folder of its own in a common one.
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "dose-model"
    with FileLock(f"{folder}.lock"):
        if (folder / "run" / MODEL).is_dir():
            import_model(folder / "run" / MODEL)
        else:
            trainedDoseModel(folder)


def writePhantomPet(folder: Path, seed: int = 0, injected: dict[str, Any] | None = None, **tags: Any) -> np.ndarray:
    """Write a phantom of a body as a PET series in Bq/mL, and return its values in Bq/mL (k, j, i)."""
    pet = phantom_body_pet(seed)
    stored = np.rint(pet.voxels * 5000 / SLOPE).astype(np.uint16)
    k = pet.shape[0]
    write_pet(
        folder, injected, pixels=stored, positions=[(-20, -30, 40 + 3 * slice) for slice in range(k)],
        PixelSpacing=[4.0, 4.0], RescaleSlope=SLOPE, SeriesDescription="PET AC", **tags,
    )  # fmt: skip
    return (stored * SLOPE).astype(np.float32)
