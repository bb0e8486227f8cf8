"""What the package of a generator of images keeps of its training data: ``models/training.safetensors``.

- ``lesions``: lesion labels (n, rows, columns) to draw from.
- ``small:ROLE``: training images of a modality as pictures of 16 × 16 fields (n, 16, 16), by which generated images
  that repeat one of them are recognised.

- ``patient:ROLE``: the number of the patient of each of these (n).

All are uint8, but for the numbers of patients, which are int32.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.io.digest import sha256
from medsynth_core.metrics.image_sets import SMALL
from medsynth_core.models.card import RECORDS_FILE, GenerationCard
from medsynth_core.models.package import Model

LESIONS, SMALL_PICTURES, PATIENTS = "lesions", "small:", "patient:"


def write_records(arrays: Mapping[str, np.ndarray], path: Path) -> None:
    """Write records into a new package."""
    from safetensors.numpy import save

    content: dict[str, Any] = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    path.write_bytes(save(content))


def read_records(model: Model) -> dict[str, np.ndarray]:
    """Return the records of a model; {} if it keeps none.

    Raises:
        MedSynthError: the file is missing, damaged or changed, or is not what its card says.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    card = model.card
    stated = card.records if isinstance(card, GenerationCard) else ""
    if not stated:
        return {}
    path = model.path / RECORDS_FILE
    try:
        if sha256(path) != stated:
            raise ValueError("SHA-256")
        found = load(path.read_bytes())
    except (OSError, ValueError, SafetensorError) as error:
        raise _damaged(model, path) from error
    sides = tuple(cast(GenerationCard, card).contract.matrix[-2:])
    if not all(_is_record(name, array, sides, found) for name, array in found.items()):
        raise _damaged(model, path)
    return found


def _is_record(name: str, array: np.ndarray, sides: tuple[int, ...], others: Mapping[str, np.ndarray]) -> bool:
    if name.startswith(PATIENTS):
        pictures = others.get(name.replace(PATIENTS, SMALL_PICTURES, 1))
        return array.dtype == np.int32 and pictures is not None and array.shape == pictures.shape[:1]
    sides = sides if name == LESIONS else (SMALL, SMALL)
    known = name == LESIONS or name.startswith(SMALL_PICTURES)
    return known and array.dtype == np.uint8 and array.ndim == 3 and array.shape[1:] == sides


def _damaged(model: Model, path: Path) -> MedSynthError:
    return MedSynthError(
        f"The file {path} is not the one of the model '{model.name}'; download the package again.", kind="model"
    )
