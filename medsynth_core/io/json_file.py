"""Writing of JSON files: UTF-8, indented, atomic."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.io.atomic import atomic_write


def json_text(content: Any) -> str:
    """Return ``content`` as the text of a JSON file; numbers and arrays of NumPy are written as plain ones.

    Raises:
        MedSynthError: a value is neither plain nor of NumPy.
    """
    return json.dumps(content, indent=2, ensure_ascii=False, default=_plain) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise MedSynthError(
        f"A value of type {type(value).__name__} cannot be written to a JSON file; state it as text, number or list."
    )


def write_json(path: Path, content: Any) -> None:
    """Write ``content`` as JSON.

    Raises:
        MedSynthError: the file cannot be written; no partial file is left, and an existing file is unchanged.
    """
    with atomic_write(path) as temporary:
        temporary.write_text(json_text(content), encoding="utf-8")
