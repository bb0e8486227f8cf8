"""Read the content of requests, and write voxels for the caller."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.io.atomic import atomic_write
from medsynth_core.io.facts import check_facts
from medsynth_core.volume import Volume

# Keys of requests by the type of their value, which is the same in every request.
_KEYS: dict[str, tuple[str, ...]] = {
    "a text": (
        "case", "data", "device", "file", "folder", "job", "kind", "modality", "model", "name", "output", "package",
        "patient", "picture", "preset", "recipe", "reference", "root", "run", "uncertainty", "unit", "voxels",
    ),
    "an object": ("about", "fixed", "input", "inputs", "lesion", "metadata", "moving", "roles", "settings"),
    "a list": ("classes", "files", "ijk_to_ras", "images", "known", "optional", "sides"),
    "true or false": ("deformable", "filtered", "paired", "simulated", "solid"),
    "a whole number": ("batch_size", "count", "seed", "slices"),
}  # fmt: skip
_TYPES = {"a text": str, "an object": dict, "a list": list, "true or false": bool, "a whole number": int}
_TYPE_OF = {key: kind for kind, keys in _KEYS.items() for key in keys}
# Objects whose keys are names of roles.
_BY_ROLE = ("inputs", "roles")
# Objects with other keys, checked by the job.
_FREE = ("about", "metadata", "settings")


def check_types(content: dict[str, Any]) -> None:
    """Check that the values in a request have the types that the jobs rely on; optional ones may be null.

    Raises:
        MedSynthError: a value has another type.
    """
    for key, value in content.items():
        kind = _TYPE_OF.get(key)
        if kind is None or value is None:
            continue
        if not isinstance(value, _TYPES[kind]) or (kind == "a whole number" and isinstance(value, bool)):
            raise MedSynthError(f"In the request to the worker '{key}' must be {kind}, but is {_short(value)}.")
        if isinstance(value, str) and "\0" in value:
            raise MedSynthError(f"In the request to the worker '{key}' holds a null character; remove it.")
        _check_inside(key, value)


def _check_inside(key: str, value: Any) -> None:
    if key in ("files", "known") and not all(isinstance(file, str) and "\0" not in file for file in value):
        raise MedSynthError(f"In the request to the worker '{key}' must be a list of texts.")
    parts = value if isinstance(value, list) else value.values() if key in _BY_ROLE else [value]
    for inside in [] if key in _FREE else parts:
        if isinstance(inside, dict):
            check_types(inside)


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:40]}…"


def required(content: Any, key: str) -> Any:
    """Return the value of ``key`` in a request or a part of it.

    Raises:
        MedSynthError: the key is missing.
    """
    if not isinstance(content, dict) or content.get(key) is None:
        raise MedSynthError(f"The request to the worker lacks '{key}'; add it.")
    return content[key]


def received(source: Any) -> Volume:
    """Return the volume described in a request.

    Raises:
        MedSynthError: its file or matrix is missing or damaged.
    """
    try:
        voxels = np.load(required(source, "voxels"), allow_pickle=False)
        matrix = np.array(required(source, "ijk_to_ras"), dtype=np.float64)
    except (OSError, ValueError, TypeError, EOFError, OverflowError) as error:
        raise MedSynthError(f"The volume sent to the worker cannot be read: {error}.") from error
    facts = source.get("metadata") or {}
    modality, unit = source.get("modality") or "", source.get("unit") or ""
    check_facts({**facts, "modality": modality, "unit": unit}, "The description of the volume sent to the worker")
    return Volume(voxels, matrix, modality, unit, facts)


def save(voxels: np.ndarray, path: Path) -> None:
    """Write voxels as ``.npy``, atomically.

    Raises:
        MedSynthError: they cannot be written.
    """
    with atomic_write(path) as temporary:
        np.save(temporary, voxels)
