"""Writing of JSON files: UTF-8, indented, atomic."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from medsynth_core.io.atomic import atomic_write


def json_text(content: Any) -> str:
    """Return ``content`` as the text of a JSON file."""
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def write_json(path: Path, content: Any) -> None:
    """Write ``content`` as JSON.

    Raises:
        MedSynthError: the file cannot be written; no partial file is left, and an existing file is unchanged.
    """
    with atomic_write(path) as temporary:
        temporary.write_text(json_text(content), encoding="utf-8")
