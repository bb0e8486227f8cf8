"""What requests hand over to a job, and what it hands back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.io.atomic import atomic_write
from medsynth_core.volume import Volume


def required(content: Any, key: str) -> Any:
    """Return what a request, or a part of it, says for ``key``.

    Raises:
        MedSynthError: it says nothing.
    """
    if not isinstance(content, dict) or content.get(key) is None:
        raise MedSynthError(f"The request to the worker does not state '{key}'; state it.")
    return content[key]


def received(source: Any) -> Volume:
    """Return the volume that a request hands over.

    Raises:
        MedSynthError: its file or its matrix is missing or damaged.
    """
    try:
        voxels = np.load(required(source, "voxels"), allow_pickle=False)
        matrix = np.array(required(source, "ijk_to_ras"), dtype=np.float64)
    except (OSError, ValueError, TypeError, EOFError) as error:
        raise MedSynthError(f"The volume handed to the worker cannot be read: {error}.") from error
    return Volume(voxels, matrix, source.get("modality") or "", source.get("unit") or "", source.get("metadata") or {})


def save(voxels: np.ndarray, path: Path) -> None:
    """Write voxels as ``.npy``, whole or not at all.

    Raises:
        MedSynthError: they cannot be written.
    """
    with atomic_write(path) as temporary:
        np.save(temporary, voxels)
