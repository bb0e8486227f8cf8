"""Lesion labels of other images, to draw from."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from medsynth_core.datasets.manifest import read_manifest, split_of
from medsynth_core.errors import MedSynthError
from medsynth_core.generation.generator import Generator
from medsynth_core.grid import Grid, resample_array
from medsynth_core.io.picture_volume import read_mask
from medsynth_core.preparation.case import model_grid
from medsynth_core.preparation.frame import framed

COLUMN = "lesion"
# A label map of all organs has about a hundred.
MOST_VALUES = 256


def known_label(label: np.ndarray, kinds: int) -> np.ndarray:
    """Return a label, uint8, with the values of the training.

    Args:
        label: of any values, 0 for no lesion.
        kinds: largest label of the training. With 1, every value but 0 counts as 1.

    Raises:
        MedSynthError: it has values that the model does not know, or so many that it is an image and no label.
    """
    if len(values := np.unique(label)) > MOST_VALUES:
        raise MedSynthError(
            f"The lesion label has {len(values)} different values, like an image; choose the mask of the lesion.",
            kind="input",
        )
    if kinds == 1:
        return (label != 0).astype(np.uint8)
    others = label[~np.isin(label, np.arange(kinds + 1))]
    if others.size:
        raise MedSynthError(
            f"The lesion label has the value {others.flat[0]:g}, but the model knows 1 to {kinds}; change the label.",
            kind="input",
        )
    return label.astype(np.uint8)


def labels_from(path: Path, generator: Generator) -> list[np.ndarray]:
    """Return the lesion labels of masks, slice by slice, in frames of the model.

    Args:
        path: a mask, or a manifest (CSV) with a column ``lesion``, as for `files_of_labels`.
        generator: the model, whose grid the labels get.

    Raises:
        MedSynthError: a file cannot be read, a mask has values that the model does not know, or none has a lesion.
    """
    found = [label for file in files_of_labels(path) for label in _labels(file, generator)]
    if not found:
        raise MedSynthError(
            f"None of the masks of {path} has a lesion that fits whole into the model's images; choose others.",
            kind="input",
        )
    return found


def files_of_labels(path: Path) -> list[Path]:
    """Return the masks that labels are drawn from.

    Args:
        path: a mask, or a manifest (CSV) with a column ``lesion``. Of one that is divided into splits only the training
            cases count: generated cases are for training, and must not show the lesions of other splits.

    Raises:
        MedSynthError: the manifest cannot be read, or has no training case.
    """
    if path.suffix.lower() != ".csv":
        return [path]
    cases = read_manifest(path, (COLUMN,), unsplit=True)
    if any(case.split for case in cases):
        cases = split_of(cases, "train")
    return [case.files[COLUMN] for case in cases]


def _labels(path: Path, generator: Generator) -> list[np.ndarray]:
    mask = read_mask(path)
    grid = model_grid(mask, generator.contract)
    label = known_label(mask.voxels, generator.lesion_kinds)
    voxels = resample_array(label, Grid.of(mask), grid, order="nearest")
    inside = framed(voxels, generator.contract.side, 0)
    kept = [np.count_nonzero(one) == np.count_nonzero(whole) > 0 for one, whole in zip(inside, voxels, strict=True)]
    return list(inside[np.array(kept, dtype=bool)])
