"""Lesion labels of other images, to draw from."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from medsynth_core.datasets.manifest import read_manifest
from medsynth_core.errors import MedSynthError
from medsynth_core.generation.generator import Generator
from medsynth_core.grid import Grid, resample_array
from medsynth_core.io.reading import read_volume
from medsynth_core.preparation.case import model_grid
from medsynth_core.preparation.frame import framed

COLUMN = "lesion"


def labels_from(path: Path, generator: Generator) -> list[np.ndarray]:
    """Return the lesion labels of masks, slice by slice, in frames of the model.

    Args:
        path: a mask, or a manifest (CSV) with a column ``lesion``.
        generator: the model, whose grid the labels get.

    Raises:
        MedSynthError: a file cannot be read, or none of the masks has a lesion.
    """
    files = [path]
    if path.suffix.lower() == ".csv":
        files = [case.files[COLUMN] for case in read_manifest(path, (COLUMN,), unsplit=True)]
    found = [label for file in files for label in _labels(file, generator)]
    if not found:
        raise MedSynthError(
            f"None of the masks of {path} has a lesion that fits whole into the model's images; choose others.",
            kind="input",
        )
    return found


def _labels(path: Path, generator: Generator) -> list[np.ndarray]:
    mask = read_volume(path)
    grid = model_grid(mask, generator.contract)
    voxels = resample_array(mask.voxels, Grid.of(mask), grid, order="nearest").astype(np.uint8)
    inside = framed(voxels, generator.contract.matrix[-1], 0)
    kept = [np.count_nonzero(one) == np.count_nonzero(whole) > 0 for one, whole in zip(inside, voxels, strict=True)]
    return list(inside[np.array(kept, dtype=bool)])
